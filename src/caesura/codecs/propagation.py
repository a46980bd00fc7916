"""Phases to begin with: every peak of a spectrum turns on with its own frequency from one frame to the next.

    phi_t(k) = phi_{t-1}(p) + 2 pi h (p + d) / n_fft,   d = (a_{p-1} - a_{p+1}) / (2 (a_{p-1} - 2 a_p + a_{p+1}))

p is the peak whose surroundings bin k belongs to, d its distance from the bin's centre by a parabola through three
magnitudes, h the hop. Phases refer to the middle of the frame, where all bins around a peak have the same one. Frames
whose phase is known restart it; the phases of a gap come from the side that is nearer.

References:
    G. T. Beauregard, M. Harish, L. Wyse, "Single pass spectrogram inversion", IEEE DSP 2015.
"""

from __future__ import annotations

__all__ = ["propagated_phases"]

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.phase import Grid, Known, Stft

Real = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

FLATTEST = 1e-12  # least curvature of a peak's parabola


def propagated_phases(magnitude: Real, stft: Stft, rng: np.random.Generator, known: Known | None = None) -> Grid:
    """A grid of these magnitudes whose phases fit together along time.

    Args:
        magnitude: (frames, bins).
        stft: the transform the magnitudes belong to.
        rng: where phases come from that nothing leads to.
        known: frames all of whose cells are known keep their phases and lead to those of their neighbours.

    Returns:
        (frames, bins), complex64 for magnitudes in float32.
    """
    first = np.asarray(2.0 * np.pi * rng.random(magnitude.shape[1]))
    # A transform refers to the beginning of its frame; the window has its middle half a frame later.
    centred = np.exp(-2j * np.pi * ((np.arange(magnitude.shape[1]) * (stft.n_fft // 2)) % stft.n_fft) / stft.n_fft)
    if known is None or known.grid is None or known.cells is None:
        angles = _walk(magnitude, stft, first, None)
    else:
        held, kept = np.angle(known.grid * np.conj(centred)), np.asarray(known.cells.all(axis=-1))
        forward = _walk(magnitude, stft, first, (held, kept))
        backward = -_walk(magnitude[::-1], stft, first, (-held[::-1], kept[::-1]))[::-1]
        angles = np.where(_from_behind(kept)[:, None], backward, forward)
    precision = np.result_type(magnitude.dtype, np.complex64)
    return np.asarray((magnitude * np.exp(1j * angles) * centred).astype(precision))


def _from_behind(kept: Flags) -> Flags:
    """Frames that are nearer to a known one after them than to one before."""
    here = np.arange(kept.size)
    before = np.maximum.accumulate(np.where(kept, here, -kept.size * 2))
    after = np.minimum.accumulate(np.where(kept, here, kept.size * 3)[::-1])[::-1]
    return np.asarray(after - here < here - before)


def _walk(
    magnitude: Real, stft: Stft, first: NDArray[np.float64], known: tuple[NDArray[np.float64], Flags] | None
) -> NDArray[np.float64]:
    """Phases in the middle of the frames (frames, bins), from the first frame on."""
    angles = np.empty(magnitude.shape)
    last, bins = first, np.arange(magnitude.shape[1])
    turn = 2.0 * np.pi * stft.hop_length / stft.n_fft
    for t, a in enumerate(magnitude):
        if known is not None and known[1][t]:
            last = angles[t] = known[0][t]
            continue
        peaks = np.flatnonzero((a[1:-1] > a[:-2]) & (a[1:-1] >= a[2:])) + 1
        if peaks.size:
            before, here, after = a[peaks - 1], a[peaks], a[peaks + 1]
            place = peaks + 0.5 * (before - after) / np.minimum(before - 2.0 * here + after, -FLATTEST)
            owner = np.searchsorted((peaks[1:] + peaks[:-1]) // 2, bins)
            last = (last[peaks] + turn * place)[owner]
        angles[t] = last
    return angles
