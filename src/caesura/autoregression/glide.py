"""Undo a glide of the pitch, so that a voice or a violin is stationary around a gap.

A sound whose pitch moves as exp(phi(t)) is stationary on the warped time

    u(t) = int_0^t exp(phi(s)) ds,    t = 0 in the middle of the gap.

phi is a straight line on either side, with the slopes b (before) and a (after), relative rates per second; across the
gap it rises by r along the cubic that meets both lines with their slopes. So a vibrato may turn round within the gap.

Each slope is the one at which an autoregressive model of its own warped side predicts best, that is, whose Burg
residual log E is least; then all three are moved until log E of both sides under one model is. With n samples
n (log E(0) - log E) / 2 is the gain in log-likelihood. Where that gain is small, or a slope runs off the scale, or both
are slow, or near models do not expect to fill the warped gap better than the gap as it is, nothing is warped.

Prediction is measured on the band that holds the pitch, at a low rate, because spline interpolation weakens the top of
the spectrum and would make any warp look predictable.

References:
    M. Lagrange, S. Marchand, "Long interpolation of audio signals using linear prediction in sinusoidal modeling",
    J. AES 53, 2005 (why glides defeat linear prediction); the warp used here is the authors of this package's own.
"""

from __future__ import annotations

__all__ = ["Glide", "find_glide"]

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import fit, reflections
from caesura.autoregression.mixture import expected_error
from caesura.region import runs

Array = NDArray[np.float64]
Side = tuple[int, Array]
"""First index and samples of a side of the gap."""

REACH = 0.07  # seconds on either side: a vibrato turns round after about 0.08 s
BAND = 10000.0  # hertz, the rate at which prediction is measured
ORDER = 128  # at that rate; resolves harmonics of 80 Hz
SLOPES = (-2.0, -1.5, -1.1, -0.8, -0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6, 0.8, 1.1, 1.5, 2.0)  # per second
RISES = 0.005 * np.arange(-6, 7)  # about the rise that follows from the slopes
EVIDENCE = 100.0  # nats of log-likelihood a glide must gain
SLOWEST = 0.3  # per second: slower glides cost more by the shorter context than they gain
PROMISE = 0.955  # of the error expected without the warp, 0.2 dB: what promises less does harm
STEPS = (0.3, 0.3, 0.003)  # of the slopes and the rise where the search for the best of them begins
ROUNDS = 4  # of that search
SHRINK = 1.7  # from one round to the next
SHORTEST = 0.03  # seconds of unbroken context that are needed on either side
EDGE = 8  # samples of context on either side that the way back is interpolated from
NEAR = 0.06  # seconds on either side that the promise is taken from
HIGHEST = 1024  # order of its models
FURTHEST = 0.1  # seconds: further out the pitch has turned elsewhere
KNOTS = 400  # of the warp


@dataclass(frozen=True)
class Glide:
    """A warp of time about the middle of a gap."""

    before: float
    """Relative change of pitch per second before the gap."""
    after: float
    """The same after it."""
    rise: float
    """Natural logarithm of the ratio of the pitches at both edges."""
    start: int
    """First sample of the gap."""
    stop: int
    """One past its last sample."""
    sample_rate: int
    """Hertz."""

    @property
    def centre(self) -> float:
        """Sample that stays where it is."""
        return 0.5 * (self.start + self.stop)

    def warp(self, t: NDArray[np.floating]) -> Array:
        """Warped time of samples `t`, both counted from the centre."""
        return np.asarray(self._splines[0](t))

    def unwarp(self, u: NDArray[np.floating]) -> Array:
        """Inverse of `warp`."""
        return np.asarray(self._splines[1](u))

    def warped(self, sample: int) -> float:
        """Warped time of one sample of the recording."""
        return float(self.warp(np.array([sample - self.centre]))[0])

    @cached_property
    def _splines(self) -> tuple[Any, Any]:
        from scipy.interpolate import CubicSpline

        half = 0.5 * (self.stop - self.start)
        far = half + 1.1 * FURTHEST * self.sample_rate  # no sample is asked for that lies outside
        t = np.linspace(-far, far, KNOTS + 1)
        speed = np.exp(self._bend(t, half))
        u = np.concatenate([[0.0], np.cumsum(0.5 * (speed[1:] + speed[:-1]) * np.diff(t))])
        u -= u[KNOTS // 2]
        return CubicSpline(t, u), CubicSpline(u, t)

    def _bend(self, t: Array, half: float) -> Array:
        """The exponent phi at samples counted from the centre."""
        before, after = self.before / self.sample_rate, self.after / self.sample_rate
        bend = np.where(t < 0.0, -0.5 * self.rise + before * (t + half), 0.5 * self.rise + after * (t - half))
        inside = np.abs(t) <= half
        s = (t[inside] + half) / max(2.0 * half, 1.0)
        cubic = self.rise * (s**2 * (3.0 - 2.0 * s) - 0.5)
        bend[inside] = cubic + 2.0 * half * (before * s * (1.0 - s) ** 2 - after * s**2 * (1.0 - s))
        return np.asarray(bend)

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

    def glide(before: float, after: float, rise: float) -> Glide:
        return Glide(before, after, rise, start, stop, sample_rate)

    slopes = [_slope(side, [glide(b, b, 0.0) for b in SLOPES], step) for side in sides]
    if None in slopes or max(abs(b) for b in slopes if b is not None) < SLOWEST:
        return None
    still = _score(sides, glide(0.0, 0.0, 0.0), step)
    score, best = _searched(sides, glide, [b for b in slopes if b is not None], step)
    count = sum(side.size for _, side in sides) / step
    if 0.5 * count * (still - score) < EVIDENCE or max(abs(best.before), abs(best.after)) < SLOWEST:
        return None
    return best if _promising(x, missing, best) else None


def _slope(side: Side, glides: Sequence[Glide], step: int) -> float | None:
    """The slope at which one side predicts best, from the bottom of a parabola; None at the end of the scale."""
    scores = np.array([_score([side], glide, step) for glide in glides])
    best = int(np.argmin(scores))
    if best in (0, len(scores) - 1):
        return None
    curve = np.polyfit(SLOPES[best - 1 : best + 2], scores[best - 1 : best + 2], 2)
    return float(-0.5 * curve[1] / curve[0])


def _searched(
    sides: Sequence[Side], glide: Callable[[float, float, float], Glide], slopes: Sequence[float], step: int
) -> tuple[float, Glide]:
    """The least score of both sides together and where it lies, from a grid of rises and then by coordinates."""

    def score(p: tuple[float, ...]) -> float:
        return _score(sides, glide(p[0], p[1], p[2]), step)

    still = glide(0.0, 0.0, 0.0)
    follows = 0.5 * (slopes[0] + slopes[1]) * (still.stop - still.start) / still.sample_rate
    tried: list[tuple[float, ...]] = [(slopes[0], slopes[1], follows + float(rise)) for rise in RISES]
    least, best = min((score(p), p) for p in tried)
    size = np.array(STEPS)
    for _ in range(ROUNDS):
        for k in range(3):
            for sign in (1.0, -1.0):
                moved = (*best[:k], best[k] + sign * float(size[k]), *best[k + 1 :])
                found = score(moved)
                if found < least:
                    least, best = found, moved
                    break
        size /= SHRINK
    return least, glide(*best)


def _promising(x: Array, missing: NDArray[np.bool_], glide: Glide) -> bool:
    """Whether near models expect to fill the warped gap better than the gap as it is."""
    warped, unknown, origin = glide.apply(x, missing, glide.start, glide.stop)
    first, last = next((a, b) for a, b in runs(unknown) if a <= origin < b)
    reach = round(NEAR * glide.sample_rate)
    return _expected(warped, unknown, first, last, reach) < PROMISE * _expected(
        x, missing, glide.start, glide.stop, reach
    )


def _expected(x: Array, missing: NDArray[np.bool_], start: int, stop: int, reach: int) -> float:
    before, after = _unbroken(missing[:start][::-1], reach), _unbroken(missing[stop:], reach)
    known = [x[start - before : start], x[stop : stop + after]]
    order = min((before + after) // 4, HIGHEST)
    return math.prod(expected_error(model, stop - start) for model in fit(known, [order // 2, order])) ** 0.5


def _sides(x: Array, missing: NDArray[np.bool_], start: int, stop: int, sample_rate: int, step: int) -> list[Side]:
    """The unbroken context on either side, low-passed for the lower rate."""
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


def _score(sides: Sequence[Side], glide: Glide, step: int) -> float:
    """Log power of the residual of the warped sides."""
    from scipy.interpolate import CubicSpline

    parts = []
    for first, side in sides:
        t = np.arange(first, first + side.size) - glide.centre
        begin, end = glide.warped(first), glide.warped(first + side.size - 1)
        # Off the grid by a fraction, so that no glide is spared the interpolation.
        grid = np.arange(math.ceil(begin), math.floor(end) - 1, step) + 0.3
        parts.append(CubicSpline(t, side)(glide.unwarp(grid)))
    power = sum(float(part @ part) for part in parts) / sum(part.size for part in parts)
    k = reflections(parts, ORDER)
    return float(np.log(max(power, 1e-300)) + np.sum(np.log(np.maximum(1.0 - k**2, 1e-15))))
