"""Undo a glide of the pitch, so that a voice or a violin is stationary around a gap.

A sound whose pitch changes by the relative rate beta per second is stationary on the warped time

    u = t + beta t^2 / 2,    t = 0 in the middle of the gap, t = (sqrt(1 + 2 beta u) - 1) / beta back again.

beta is the rate at which an autoregressive model of the warped context predicts best, that is, whose Burg residual
log E(beta) is least; n (log E(0) - log E(beta)) / 2 is the gain in log-likelihood of n samples. Where that gain is
small, or greatest at the end of the rates that were tried, or the glide slow, nothing is warped.

Prediction is measured on the band that holds the pitch, at a low rate, because spline
interpolation weakens the top of the spectrum and would make any warp look predictable.

References:
    M. Lagrange, S. Marchand, "Long interpolation of audio signals using linear prediction in sinusoidal modeling",
    J. AES 53, 2005 (why glides defeat linear prediction); the warp used here is the authors of this package's own.
"""

from __future__ import annotations

__all__ = ["Glide", "find_glide"]

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import reflections
from caesura.region import runs

Array = NDArray[np.float64]

REACH = 0.07  # seconds on either side: a vibrato turns round after about 0.08 s
BAND = 10000.0  # hertz, the rate at which prediction is measured
ORDER = 128  # at that rate; resolves harmonics of 80 Hz
RATES = (-2.0, -1.5, -1.1, -0.8, -0.6, -0.4, -0.2, -0.1, 0.0, 0.1, 0.2, 0.4, 0.6, 0.8, 1.1, 1.5, 2.0)  # per second
EVIDENCE = 500.0  # nats of log-likelihood a glide must gain: on speech, those of 30 to 450 did as much harm as good
SLOWEST = 0.3  # per second: a slower glide costs more by the shorter context than it gains
SHORTEST = 0.02  # seconds of unbroken context that are needed on either side
EDGE = 8  # samples of context on either side that the way back is interpolated from
FURTHEST = 0.1  # seconds: further out the pitch has turned elsewhere


@dataclass(frozen=True)
class Glide:
    """A warp of time about the middle of a gap."""

    rate: float
    """Relative change of pitch per second."""
    centre: int
    """Sample that stays where it is."""
    sample_rate: int
    """Hertz."""

    def warp(self, t: NDArray[np.floating]) -> Array:
        """Warped time of samples `t`, both counted from the centre."""
        return np.asarray(t + 0.5 * self.rate / self.sample_rate * t**2)

    def unwarp(self, u: NDArray[np.floating]) -> Array:
        """Inverse of `warp`."""
        return np.asarray(2.0 * u / (1.0 + np.sqrt(1.0 + 2.0 * self.rate / self.sample_rate * u)))

    def warped(self, sample: int) -> float:
        """Warped time of one sample of the recording."""
        return float(self.warp(np.array([sample - self.centre], dtype=np.float64))[0])

    def apply(
        self, x: Array, missing: NDArray[np.bool_], start: int, stop: int
    ) -> tuple[Array, NDArray[np.bool_], int]:
        """The signal around a gap on the warped grid, as far as the glide can be believed.

        Args:
            x: (samples,).
            missing: (samples,), True where a sample is unknown.
            start: first sample of the gap.
            stop: one past its last sample.

        Returns:
            warped samples, which of them are unknown, and the index of the centre among them.
        """
        reach = math.floor(FURTHEST * self.sample_rate)
        first, last = max(start - reach, 0), min(stop + reach, x.size)
        low, high = (round(self.warped(e)) for e in (first, last - 1))
        warped, unknown = np.zeros(high - low + 1), np.ones(high - low + 1, dtype=bool)
        for a, b in runs(~missing[first:last]):
            known = np.arange(first + a, first + b)
            grid, values = self.resampled(x, known)
            warped[grid - low], unknown[grid - low] = values, False
        return warped, unknown, -low

    def resampled(self, x: Array, known: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array]:
        """Samples of a stretch on the warped grid: where, and what.

        Args:
            x: (samples,).
            known: consecutive indices of known samples.
        """
        from scipy.interpolate import CubicSpline

        ends = [self.warped(int(e)) for e in (known[0], known[-1])]
        grid = np.arange(math.ceil(ends[0]), math.floor(ends[1]) + 1)
        if known.size < 4 or grid.size == 0:
            return grid[:0], np.zeros(0)
        return grid, np.asarray(CubicSpline(known - self.centre, x[known])(self.unwarp(grid.astype(np.float64))))

    def back(self, warped: Array, origin: int, start: int, stop: int) -> Array:
        """Samples `start` to `stop` of the recording from a filled signal on the warped grid.

        Args:
            warped: (samples,), from `apply` and filled.
            origin: index of the centre in it.
            start: first sample of the gap.
            stop: one past its last sample.
        """
        from scipy.interpolate import CubicSpline

        u = self.warp(np.arange(start, stop) - float(self.centre)) + origin
        first, last = max(math.floor(u[0]) - EDGE, 0), min(math.ceil(u[-1]) + EDGE + 1, warped.size)
        return np.asarray(CubicSpline(np.arange(first, last), warped[first:last])(u))


def find_glide(x: Array, missing: NDArray[np.bool_], start: int, stop: int, sample_rate: int) -> Glide | None:
    """The glide of the pitch across a gap, if there is one.

    Args:
        x: (samples,).
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        sample_rate: hertz.

    Returns:
        None where the pitch stands still, where nothing says otherwise, or where the gap is too long to know.
    """
    step = max(int(sample_rate // BAND), 1)
    sides = _sides(x, missing, start, stop, sample_rate, step)
    if stop - start > FURTHEST * sample_rate or min(s.size for _, s in sides) < SHORTEST * sample_rate:
        return None
    centre = (start + stop) // 2
    scores = np.array([_score(sides, Glide(rate, centre, sample_rate), step) for rate in RATES])
    best, still = int(np.argmin(scores)), RATES.index(0.0)
    count = sum(side.size for _, side in sides) / step
    if best in (0, len(RATES) - 1) or 0.5 * count * (scores[still] - scores[best]) < EVIDENCE:
        return None  # a pitch that seems to run off the scale is none: measured 12 to 15 dB worse than no warp
    rate = _vertex(best, scores)
    return Glide(rate, centre, sample_rate) if abs(rate) >= SLOWEST else None


def _sides(
    x: Array, missing: NDArray[np.bool_], start: int, stop: int, sample_rate: int, step: int
) -> list[tuple[int, Array]]:
    """First index and samples of the unbroken context on either side, low-passed for the lower rate."""
    from scipy.signal import firwin

    reach = round(REACH * sample_rate)
    before, after = _unbroken(missing[:start][::-1], reach), _unbroken(missing[stop:], reach)
    lowpass = firwin(8 * step + 1, 0.8 / step) if step > 1 else np.ones(1)
    sides = []
    for first, side in ((start - before, x[start - before : start]), (stop, x[stop : stop + after])):
        valid = np.convolve(side, lowpass, mode="valid") if side.size >= lowpass.size else side[:0]
        sides.append((first + lowpass.size // 2, valid))
    return sides


def _unbroken(missing: NDArray[np.bool_], reach: int) -> int:
    """Known samples before the first missing one, at most `reach`."""
    at = np.flatnonzero(missing[:reach])
    return int(at[0]) if at.size else min(reach, missing.size)


def _score(sides: list[tuple[int, Array]], glide: Glide, step: int) -> float:
    """Log power of the residual of the warped sides."""
    from scipy.interpolate import CubicSpline

    parts = []
    for first, side in sides:
        t = np.arange(first, first + side.size) - float(glide.centre)
        begin, end = glide.warped(first), glide.warped(first + side.size - 1)
        # Off the grid by a fraction, so that no rate is spared the interpolation.
        grid = np.arange(math.ceil(begin), math.floor(end) - 1, step) + 0.3
        parts.append(CubicSpline(t, side)(glide.unwarp(grid)))
    power = sum(float(part @ part) for part in parts) / sum(part.size for part in parts)
    k = reflections(parts, ORDER)
    return float(np.log(max(power, 1e-300)) + np.sum(np.log(np.maximum(1.0 - k**2, 1e-15))))


def _vertex(best: int, scores: Array) -> float:
    """The rate at the bottom of the parabola through the least score and its neighbours."""
    curve = np.polyfit(RATES[best - 1 : best + 2], scores[best - 1 : best + 2], 2)
    return float(-0.5 * curve[1] / curve[0])
