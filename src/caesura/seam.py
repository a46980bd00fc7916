"""How conspicuous the edges of a fill are.

At each edge of a region two things are compared with the same things everywhere in the surroundings: the *step*, the
error of predicting a sample from its two neighbours on either side, and the *flux*, the change of the log spectrum
from one short frame to the next. The score is the larger of the two in robust standard deviations above the median, so
it says how unusual an edge is in this recording and not how loud it is.

References:
    S. Dixon, "Onset detection revisited", DAFx 2006 (spectral flux).
"""

from __future__ import annotations

__all__ = ["seam_score"]

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Region

FRAME = 256  # samples; short enough that the two frames at an edge hear nothing but the edge
SURROUNDINGS = 16384  # samples on either side that say what is usual
FLOOR = 1e-5  # -100 dBFS, so that digital silence has a spectrum
SPREAD = 1.4826  # median absolute deviation -> standard deviation of a normal distribution


def seam_score(x: NDArray[np.float64], region: Region, mask: NDArray[np.bool_]) -> float | None:
    """Robust z-score of the more conspicuous edge of a region.

    Args:
        x: restored signal (channels, samples).
        region: the region that was filled, in samples of `x`.
        mask: (channels, samples), True on reliable samples; only these say what is usual.

    Returns:
        0 or more; None where there is no edge or too little around it to compare with.
    """
    channels = range(len(x)) if region.channel is None else [region.channel]
    edges = [e for e in (region.start, region.stop) if 2 <= e <= x.shape[1] - 2]
    scores = [_edge_score(x[c], e, mask[c]) for c in channels for e in edges]
    known = [s for s in scores if s is not None]
    return max(known) if known else None


def _edge_score(x: NDArray[np.float64], edge: int, reliable: NDArray[np.bool_]) -> float | None:
    a, b = max(edge - SURROUNDINGS, 0), min(edge + SURROUNDINGS, x.size)
    near, known = x[a:b], reliable[a:b]
    step = np.abs(near[:-3] - 3.0 * near[1:-2] + 3.0 * near[2:-1] - near[3:])
    usual = known[:-3] & known[3:]
    z = [_z(step[edge - a - 2], step[usual])] if usual.sum() >= FRAME else []
    frames = _log_spectra(near, first=(edge - a) % FRAME)
    whole = _whole_frames(known, first=(edge - a) % FRAME)
    at = (edge - a) // FRAME  # the frame that starts at the edge
    flux = np.sqrt(np.mean(np.diff(frames, axis=0) ** 2, axis=1))
    usual = whole[:-1] & whole[1:]
    if 1 <= at < len(frames) and usual.sum() >= 8:
        z.append(_z(flux[at - 1], flux[usual]))
    return max(0.0, *z) if z else None


def _z(value: float, usual: NDArray[np.float64]) -> float:
    centre = float(np.median(usual))
    spread = SPREAD * float(np.median(np.abs(usual - centre)))
    return (float(value) - centre) / max(spread, 1e-12 + 0.1 * centre)


def _log_spectra(x: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    count = (x.size - first) // FRAME
    frames = x[first : first + count * FRAME].reshape(count, FRAME) * np.hanning(FRAME)
    return 20.0 * np.log10(np.abs(np.fft.rfft(frames)) + FLOOR * FRAME / 4)


def _whole_frames(reliable: NDArray[np.bool_], first: int) -> NDArray[np.bool_]:
    count = (reliable.size - first) // FRAME
    return np.asarray(reliable[first : first + count * FRAME].reshape(count, FRAME).all(axis=1))
