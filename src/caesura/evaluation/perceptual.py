"""Grades of installed third-party programs, each under its own name.

ViSQOL compares neurograms, spectrograms in gammatone bands, and maps their similarity to a mean opinion score,
MOS-LQO: 1 (bad) to about 4.7 (no difference in audio mode).

CDPAM is a network that was trained on what listeners could just tell apart: 0 where nothing differs, above that the
more, the farther apart two sounds are. It hears 22.05 kHz; it must not be given another rate.

References:
    M. Chinen, F. S. C. Lim, J. Skoglund, N. Gureev, F. O'Gorman, A. Hines, "ViSQOL v3: an open source production
    ready objective speech and audio metric", QoMEX 2020.
    P. Manocha, Z. Jin, R. Zhang, A. Finkelstein, "CDPAM: contrastive learning for perceptual audio similarity",
        ICASSP 2021.
"""

from __future__ import annotations

__all__ = ["cdpam", "visqol"]

import logging
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.metrics.waveform import check_pair

Array = NDArray[np.float64]

Mode = Literal["audio", "speech"]

RATES = {"audio": 48_000, "speech": 16_000}  # hertz, of the two models


def visqol(reference: Array, estimate: Array, sample_rate: int, *, mode: Mode = "audio") -> float:
    """MOS-LQO of ViSQOL: 1 (bad) to about 4.7 (no difference), of the mean over channels.

    Args:
        reference: (channels, samples), full scale 1.
        estimate: (channels, samples).
        sample_rate: hertz; resampled to what the mode takes.
        mode: "audio" or "speech".

    Raises:
        ValueError: the package is not installed, or there is no such mode.
    """
    from caesura.audio import resample

    if mode not in RATES:
        raise ValueError(f"ViSQOL has no mode '{mode}': choose from {', '.join(RATES)}")
    pair = (np.atleast_2d(x).mean(axis=0, keepdims=True) for x in check_pair(reference, estimate))
    rate = RATES[mode]
    x, y = (resample(signal, sample_rate, rate)[0] if sample_rate != rate else signal[0] for signal in pair)
    return float(_program(mode).measure_from_arrays(x, y, rate).moslqo)


def cdpam(reference: Array, estimate: Array, sample_rate: int) -> float:
    """Distance of CDPAM, 0 where nothing differs, mean over channels.

    Args:
        reference: (channels, samples), full scale 1.
        estimate: (channels, samples).
        sample_rate: hertz; resampled to the 22.05 kHz that the network hears.

    Raises:
        ValueError: the package or PyTorch is not installed.
    """
    from caesura.audio import resample
    from caesura.networks.cdpam import RATE, distances

    pair = (np.atleast_2d(signal) for signal in check_pair(reference, estimate))
    x, y = (resample(signal, sample_rate, RATE) if sample_rate != RATE else signal for signal in pair)
    return float(distances(x, y).mean())


@cache
def _program(mode: Mode) -> Any:
    try:
        from visqol import VisqolApi
    except ImportError as error:
        raise ValueError("ViSQOL is not installed: pip install 'caesura[eval]'") from error
    logging.getLogger("visqol").setLevel(logging.ERROR)  # it reports every alignment
    program = VisqolApi()
    program.create(mode=mode)
    return program
