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

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Region

FRAME = 256  # samples; short enough that the two frames at an edge hear nothing but the edge
SURROUNDINGS = 16384  # samples on either side that say what is usual
EVERY = 8  # samples from a step to the next in the surroundings: thousands are left, enough for a median
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
    # What is usual hardly differs between two edges that lie a frame apart.
    shared = region.length <= FRAME
    scores = []
    for c in channels:
        usual = None
        for e in edges:
            if usual is None or not shared:
                usual = _usual(x[c], e, mask[c])
            scores.append(_edge_score(x[c], e, usual))
    known = [s for s in scores if s is not None]
    return max(known) if known else None


@dataclass(frozen=True)
class _Usual:
    """Median and robust deviation of step and flux around an edge; None where too little is known."""

    step: tuple[float, float] | None
    flux: tuple[float, float] | None


def _usual(x: NDArray[np.float64], edge: int, reliable: NDArray[np.bool_]) -> _Usual:
    a, b = max(edge - SURROUNDINGS, 0), min(edge + SURROUNDINGS, x.size)
    near, known = x[a:b], reliable[a:b]
    steps = _steps(near)[known[:-3:EVERY] & known[3::EVERY]]
    step = _typical(steps) if steps.size >= FRAME // EVERY else None
    first = (edge - a) % FRAME
    frames, whole = _log_spectra(near, first), _whole_frames(known, first)
    flux = _flux(frames)[whole[:-1] & whole[1:]]
    return _Usual(step, _typical(flux) if flux.size >= 8 else None)


def _edge_score(x: NDArray[np.float64], edge: int, usual: _Usual) -> float | None:
    z = []
    if usual.step is not None:
        z.append(_z(float(_steps(x[edge - 2 : edge + 2])[0]), usual.step))
    if usual.flux is not None and FRAME <= edge <= x.size - FRAME:
        z.append(_z(float(_flux(_log_spectra(x[edge - FRAME : edge + FRAME], 0))[0]), usual.flux))
    return max(0.0, *z) if z else None


def _steps(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors of predicting what lies between the second and the third of four samples, for every few samples."""
    return np.asarray(np.abs(x[:-3:EVERY] - 3.0 * x[1:-2:EVERY] + 3.0 * x[2:-1:EVERY] - x[3::EVERY]))


def _flux(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.mean(np.diff(frames, axis=0) ** 2, axis=1)))


def _typical(values: NDArray[np.float64]) -> tuple[float, float]:
    centre = float(np.median(values))
    return centre, SPREAD * float(np.median(np.abs(values - centre)))


def _z(value: float, usual: tuple[float, float]) -> float:
    centre, spread = usual
    return (value - centre) / max(spread, 1e-12 + 0.1 * centre)


def _log_spectra(x: NDArray[np.float64], first: int) -> NDArray[np.float64]:
    count = (x.size - first) // FRAME
    frames = x[first : first + count * FRAME].reshape(count, FRAME) * np.hanning(FRAME)
    return 20.0 * np.log10(np.abs(np.fft.rfft(frames)) + FLOOR * FRAME / 4)


def _whole_frames(reliable: NDArray[np.bool_], first: int) -> NDArray[np.bool_]:
    count = (reliable.size - first) // FRAME
    return np.asarray(reliable[first : first + count * FRAME].reshape(count, FRAME).all(axis=1))
