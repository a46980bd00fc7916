"""The eleven model output variables of PEAQ's basic version and the grade they give.

The variables compare what the ear makes of the two signals: bandwidth, noise to mask, modulation, loudness of the
added noise, detection probability and the harmonic structure of the error. Each is averaged over time in its own way
and over channels, except the two of detection, for which the better ear decides.

References:
    ITU-R BS.1387-1, annex 2, sections 4 to 6; P. Kabal 2002, sections 5 and 6.
"""

from __future__ import annotations

__all__ = ["odg", "variables"]

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.metrics.waveform import check_pair
from caesura.evaluation.peaq.detection import average_distorted_block, detection, highest_probability
from caesura.evaluation.peaq.ear import FRAME, FULL_SCALE, HOP, SAMPLE_RATE, Heard, hear
from caesura.evaluation.peaq.movs import (
    bandwidths,
    disturbed_frames,
    harmonic_structure,
    modulation_differences,
    noise_loudness,
    noise_to_mask,
)
from caesura.evaluation.peaq.network import grade

Array = NDArray[np.float64]

CHANNELS = 2  # the recommendation covers mono and stereo
EDGE_RUN, EDGE_SUM = 5, 200.0  # the recording begins and ends where 5 samples sum up to more, in 16-bit units


def odg(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Objective difference grade, -4 (very annoying) to 0.22 (no difference).

    Args:
        reference: (channels, samples), full scale 1, mono or stereo.
        estimate: (channels, samples), aligned with the reference.
        sample_rate: hertz; other rates than 48 kHz are resampled.

    Raises:
        ValueError: more than two channels, or a reference without sound.
    """
    return grade(list(variables(reference, estimate, sample_rate).values()))


def variables(reference: Array, estimate: Array, sample_rate: int) -> dict[str, float]:
    """The model output variables by their names in the recommendation, in the order of the network's inputs.

    Arguments and errors as in `odg`.
    """
    reference, estimate = _prepared(reference, estimate, sample_rate)
    pairs = [(hear(x), hear(y)) for x, y in zip(reference, estimate, strict=True)]
    found = detection([(r.excitation, t.excitation) for r, t in pairs])
    channels = [_of_channel(r, t) for r, t in pairs]
    mean = {name: float(np.mean([own[name] for own in channels])) for name in channels[0]}
    return {
        "BandwidthRefB": mean["BandwidthRefB"],
        "BandwidthTestB": mean["BandwidthTestB"],
        "Total NMRB": mean["Total NMRB"],
        "WinModDiff1B": mean["WinModDiff1B"],
        "ADBB": average_distorted_block(*found),
        "EHSB": mean["EHSB"],
        "AvgModDiff1B": mean["AvgModDiff1B"],
        "AvgModDiff2B": mean["AvgModDiff2B"],
        "RmsNoiseLoudB": mean["RmsNoiseLoudB"],
        "MFPDB": highest_probability(found[0]),
        "RelDistFramesB": mean["RelDistFramesB"],
    }


def _of_channel(r: Heard, t: Heard) -> dict[str, float]:
    bandwidth = bandwidths(r, t)
    windowed, average1, average2 = modulation_differences(r, t)
    return {
        "BandwidthRefB": bandwidth[0],
        "BandwidthTestB": bandwidth[1],
        "Total NMRB": noise_to_mask(r, t),
        "WinModDiff1B": windowed,
        "EHSB": harmonic_structure(r, t),
        "AvgModDiff1B": average1,
        "AvgModDiff2B": average2,
        "RmsNoiseLoudB": noise_loudness(r, t),
        "RelDistFramesB": disturbed_frames(r, t),
    }


def _prepared(reference: Array, estimate: Array, sample_rate: int) -> tuple[Array, Array]:
    """Both at 48 kHz, without the silence before and after the reference, padded to whole frames."""
    from caesura.audio import resample

    reference, estimate = (np.atleast_2d(x) for x in check_pair(reference, estimate))
    if len(reference) > CHANNELS:
        raise ValueError(f"PEAQ is defined for mono and stereo, got {len(reference)} channels: grade pairs of them")
    if sample_rate != SAMPLE_RATE:
        reference, estimate = (resample(x, sample_rate, SAMPLE_RATE) for x in (reference, estimate))
    start, stop = _sounding(reference)
    short = -(stop - start) % HOP if stop - start > FRAME else max(FRAME - (stop - start), 0)
    cut = (np.pad(x[:, start:stop], ((0, 0), (0, short))) for x in (reference, estimate))
    return next(cut), next(cut)


def _sounding(x: Array) -> tuple[int, int]:
    total = np.cumsum(np.pad(np.abs(x) * FULL_SCALE, ((0, 0), (1, 0))), axis=1)
    loud = np.flatnonzero((total[:, EDGE_RUN:] - total[:, :-EDGE_RUN] > EDGE_SUM).any(axis=0))
    if not loud.size:
        raise ValueError("the reference is silent: there is nothing to grade")
    return int(loud[0]), int(loud[-1]) + EDGE_RUN
