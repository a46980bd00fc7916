"""Put a stretch of the recording into a gap so that neither edge can be heard.

    x_hat[n] = s[n] + w_l[n] e_l[n] + w_r[n] e_r[n],    s[n] = g[n] y[n + d]

The difference e = y - s of recording and source is known outside the gap; linear prediction continues it into the gap
from both sides, and the weights w = cos^2 fade it out. So the fill meets the recording without a step, nothing
outside the gap changes, the noise of the source keeps its level, and a source that repeats the recording exactly has
no difference and is copied exactly. The gain g matches the levels at both edges and moves evenly, in decibels, from
one to the other.

References:
    I. Kauppinen, K. Roth, "Audio signal extrapolation - theory and applications", DAFx 2002 (the continuation).
"""

from __future__ import annotations

__all__ = ["Source", "splice"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import burg, extrapolate
from caesura.codecs.paths import Path, cut
from caesura.problem import Problem, Span, runs

Array = NDArray[np.float64]

FADE_SECONDS = 0.04  # over which the continued difference fades out
JOIN_SECONDS = 0.03  # of the crossfade from one source to another
LEVEL_SECONDS = 0.2  # on either side whose levels are matched
LARGEST_GAIN = 10.0 ** (3.0 / 20.0)  # a source that differs more is meant to
PAST_SECONDS = 0.1  # of difference that is continued
ORDER_SECONDS = 0.01  # order of the linear prediction
ROUNDING = 1e-12  # of the signal: a smaller difference is that of two ways to compute the same


@dataclass(frozen=True, eq=False)
class Source:
    """What a path shows the span of a gap."""

    problem: Problem
    """The recording."""
    span: Span
    """First sample of the gap and one past its last, over all channels."""
    path: Path
    """Where the samples come from."""
    gains: tuple[float, float]
    """At the beginning and at the end of the span; the same for all channels."""

    def heard(self, channel: int, start: int, stop: int) -> tuple[Array, NDArray[np.bool_]]:
        """Samples `start` to `stop` of s, and which of them are known."""
        row, mask = self.problem.y[channel], self.problem.mask[channel]
        first, known = (cut(x, start + self.path.first, stop + self.path.first) for x in (row, mask))
        if self.path.join is not None:
            last, also = (cut(x, start + self.path.last, stop + self.path.last) for x in (row, mask))
            fade = min(_samples(self.problem, JOIN_SECONDS), self.span[1] - self.span[0])
            t = np.clip((np.arange(start, stop) - self.path.join) / fade + 0.5, 0.0, 1.0)
            first, known = _crossfade(first, last, t), np.where(t < 1.0, known, True) & np.where(t > 0.0, also, True)
        low, high = np.log(self.gains)
        return first * np.exp(np.interp(np.arange(start, stop), self.span, (low, high))), known


def splice(problem: Problem, span: Span, path: Path) -> tuple[list[Array], tuple[float, float]]:
    """Fill one gap.

    Args:
        problem: the recording.
        span: first sample of the gap and one past its last, over all channels.
        path: where the samples come from.

    Returns:
        for every channel its samples of the span, known ones as they were; the gains at both ends.
    """
    start, stop = span
    reach = _samples(problem, LEVEL_SECONDS)
    gains = _gain(problem, start - reach, start, path.first), _gain(problem, stop, stop + reach, path.last)
    source = Source(problem, span, path, gains)
    rows = []
    for c in range(problem.channels):
        row = problem.y[c, start:stop].copy()
        for a, b in runs(~problem.mask[c, start:stop]):
            row[a:b] = _fill(source, c, start + a, start + b)
        rows.append(row)
    return rows, gains


def _fill(source: Source, channel: int, start: int, stop: int) -> Array:
    filled = source.heard(channel, start, stop)[0]
    fade = min(_samples(source.problem, FADE_SECONDS), stop - start)
    weight = np.cos(0.5 * np.pi * np.arange(1, fade + 1) / (fade + 1)) ** 2
    past = _samples(source.problem, PAST_SECONDS)
    y, mask = source.problem.y[channel], source.problem.mask[channel]
    for a, b, step in ((max(start - past, 0), start, 1), (stop, min(stop + past, y.size), -1)):
        heard, known = source.heard(channel, a, b)
        here = (mask[a:b] & known)[::step]
        count = here.size - int(np.flatnonzero(~here)[-1] + 1 if not here.all() else 0)
        own, other = (x[::step][here.size - count :] for x in (y[a:b], heard))
        filled[::step][:fade] += weight * _continued(own - other, (own, other), fade, source.problem)
    return filled


def _continued(difference: Array, models: tuple[Array, Array], count: int, problem: Problem) -> Array:
    """What linear prediction makes of a difference; nothing where there is none."""
    if np.sum(difference**2) <= ROUNDING**2 * np.sum(models[0] ** 2):
        return np.zeros(count)
    order = min(_samples(problem, ORDER_SECONDS), difference.size // 3)
    return extrapolate(difference, burg(models, order), count)


def _gain(problem: Problem, start: int, stop: int, shift: int) -> float:
    """Level of the recording over that of its source."""
    a = max(start, 0, -shift)
    b = max(min(stop, problem.samples, problem.samples - shift), a)
    y, mask = problem.y, problem.mask
    both = mask[:, a:b] & mask[:, a + shift : b + shift]
    own, other = (np.sum(part**2, where=both) for part in (y[:, a:b], y[:, a + shift : b + shift]))
    if own == 0.0 or other == 0.0:
        return 1.0
    return float(np.clip(np.sqrt(own / other), 1.0 / LARGEST_GAIN, LARGEST_GAIN))


def _crossfade(first: Array, last: Array, t: Array) -> Array:
    """From one to the other as t goes from 0 to 1, at even power however much they correlate."""
    here = (t > 0.0) & (t < 1.0)
    scale = float(np.sqrt(np.sum(first[here] ** 2) * np.sum(last[here] ** 2)))
    rho = max(float(first[here] @ last[here]) / scale, 0.0) if scale > 0.0 else 0.0
    a, b = np.cos(0.5 * np.pi * t) ** 2, np.sin(0.5 * np.pi * t) ** 2
    mixed = (a * first + b * last) / np.sqrt(a**2 + b**2 + 2.0 * rho * a * b)
    return np.where(t <= 0.0, first, np.where(t >= 1.0, last, mixed))


def _samples(problem: Problem, seconds: float) -> int:
    return max(round(seconds * problem.sample_rate), 1)
