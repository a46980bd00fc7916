"""Ways from one side of a gap to the other through other moments of the recording.

A path shows the gap what lies `first` samples away, and from `join` on what lies `last` samples away. Its cost is that
of its worst transition. Shifts are found on the grid of the frames and moved by less than a frame to the lag l at
which the waveforms around the gap correlate best with those around the source,

    rho(l) = sum_n y[n] y[n + d + l] / sqrt(sum_n y[n]^2 sum_n y[n + d + l]^2),

over the known samples next to both edges and over all channels together.
"""

from __future__ import annotations

__all__ = ["Path", "cut", "find_path"]

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.features import Features, features
from caesura.codecs.similarity import Points, Similarity
from caesura.problem import Problem, Span, runs

Array = NDArray[np.float64]
Index = NDArray[np.intp] | int

CANDIDATES = 8  # shifts whose features are computed anew where the waveforms fit best
ENDS = 12  # shifts tried on either side of a join
APART = 2  # frames between candidates: nearer ones are the same moment
WORTH_A_JOIN = 0.75  # a third transition must lower the cost to this
JOINED = 4  # pairs whose features are computed anew at their exact shifts
ALIGNED_SECONDS = 0.3  # of waveform on either side of an edge that are correlated


@dataclass(frozen=True)
class Path:
    """Where the samples of a gap come from."""

    first: int
    """Shift in samples from the gap to its source."""
    last: int
    """The same for what follows the join."""
    join: int | None
    """Sample at which the one source hands over to the other; None for a single source."""
    cost: float
    """Difference at the worst transition in decibels."""
    correlation: float
    """Of the waveforms around the gap and around the source."""


def find_path(problem: Problem, heard: Features, near: Similarity, span: Span) -> Path | None:
    """The best way through a gap.

    Args:
        problem: the recording.
        heard: features of the recording.
        near: of the gap's surroundings.
        span: first sample of the gap and one past its last.

    Returns:
        None where no stretch of the recording is long enough, or nothing around the gap is known.
    """
    search = _Search(problem, heard, near, span)
    single, double = search.single(), search.double()
    if double is None or (single is not None and double.cost > WORTH_A_JOIN * single.cost):
        return single
    return double


class _Search:
    def __init__(self, problem: Problem, heard: Features, near: Similarity, span: Span) -> None:
        self.problem, self.features, self.near, self.span = problem, heard, near, span
        self.hop = heard.hop
        self.shifts = np.arange(1 - heard.frames, heard.frames) * self.hop
        damaged = ~problem.mask[:, span[0] : span[1]].all(axis=1)
        missing = runs(np.asarray(~problem.mask[damaged].all(axis=0)))
        self.starts, self.stops = (np.array([edge[k] for edge in missing]) for k in (0, 1))

    def free(self, start: Index, stop: Index, shifts: Index, margin: int) -> NDArray[np.bool_]:
        """Whether the samples `start` to `stop`, moved by each shift and up to a margin more, are all known."""
        a, b = start + shifts - margin, stop + shifts + margin
        over, begun = np.searchsorted(self.stops, a, "right"), np.searchsorted(self.starts, b, "left")
        return np.asarray((a >= 0) & (b <= self.problem.samples) & (over == begun))

    def single(self) -> Path | None:
        near = self.near
        cost = _together(near.before, near.after, near.inside)
        cost = np.where(self.free(*self.span, self.shifts, self.hop), cost, np.inf)
        found = []
        for shift in self.best(cost, CANDIDATES):
            exact, correlation = self.aligned(shift, self.span)
            costs = self.exact(exact)
            if np.isfinite(costs).any():
                found.append(Path(exact, exact, None, float(_together(*costs)), correlation))
        return min(found, key=lambda path: path.cost, default=None)

    def double(self) -> Path | None:
        (start, stop), frames, near = self.span, self.frames_inside(), self.near
        if frames.size == 0 or not (np.isfinite(near.before).any() and np.isfinite(near.after).any()):
            return None
        shortest = self.features.window
        ahead = self.free(start, start + shortest, self.shifts, self.hop)
        behind = self.free(stop - shortest, stop, self.shifts, self.hop)
        heads = self.best(np.where(ahead, near.before, np.inf), ENDS)
        tails = self.best(np.where(behind, near.after, np.inf), ENDS)
        pairs = [(h, t) for h in heads for t in tails if abs(h - t) > self.hop]
        coarse = [(self.coarse(frames, *pair).cost, *pair) for pair in pairs]
        paths = [self.joined(frames, h, t) for _, h, t in sorted(coarse)[:JOINED]]
        return min((path for path in paths if np.isfinite(path.cost)), key=lambda path: path.cost, default=None)

    def frames_inside(self) -> NDArray[np.intp]:
        begin = np.arange(self.features.frames) * self.hop
        return np.flatnonzero((begin >= self.span[0]) & (begin + self.features.window <= self.span[1]))

    def coarse(self, frames: NDArray[np.intp], first: int, last: int) -> Path:
        """Two sources as the grid of the frames shows them."""
        zero = self.features.frames - 1
        ends = self.near.before[zero + first // self.hop], self.near.after[zero + last // self.hop]
        one, other = (self.near.at(frames + shift // self.hop) for shift in (first, last))
        path = Path(first, last, None, float(_together(*ends)), 0.0)
        return self.met(frames, path, self.near.between(one, other), self.hop)

    def joined(self, frames: NDArray[np.intp], first: int, last: int) -> Path:
        """Two sources moved to where the waveforms at their own edge agree best."""
        first, ahead = self.aligned(first, self.span[:1])
        last, behind = self.aligned(last, self.span[1:])
        ends = self.exact(first)[0], self.exact(last)[1]
        one, other = (self.moved(int(frames[0]), int(frames[-1]) + 1, shift) for shift in (first, last))
        path = Path(first, last, None, float(_together(*ends)), min(ahead, behind))
        return self.met(frames, path, self.near.between(one, other), 0)

    def met(self, frames: NDArray[np.intp], path: Path, cost: Array, margin: int) -> Path:
        """The path with a join at the frame where its sources differ least."""
        here = self.free(self.span[0], frames * self.hop + self.features.window, path.first, margin)
        here &= self.free(frames * self.hop, self.span[1], path.last, margin)
        cost = np.where(here, cost, np.inf)
        k = int(np.argmin(cost))
        join = int(frames[k] * self.hop + self.features.window // 2)
        return dataclasses.replace(path, join=join, cost=max(path.cost, float(cost[k])))

    def exact(self, shift: int) -> tuple[float, float, float]:
        """Costs of a shift between the grid's, from features of the very samples."""
        frames = np.flatnonzero(self.near.weights.any(axis=0))
        first = int(frames[0])
        return self.near.costs(first, self.moved(first, int(frames[-1]) + 1, shift))

    def moved(self, first: int, last: int, shift: int) -> Points:
        """What frames `first` to `last` would be, `shift` samples away."""
        start, stop = first * self.hop + shift, (last - 1) * self.hop + self.features.window + shift
        y, mask = (np.array([cut(row, start, stop) for row in rows]) for rows in (self.problem.y, self.problem.mask))
        return self.near.of(features(y, mask, self.problem.sample_rate))

    def best(self, cost: Array, count: int) -> list[int]:
        """Shifts of the lowest costs, no two of them neighbours."""
        cost = cost.copy()
        found: list[int] = []
        while len(found) < count and np.isfinite(cost[k := int(np.argmin(cost))]):
            found.append(int(self.shifts[k]))
            cost[max(k - APART, 0) : k + APART + 1] = np.inf
        return found

    def aligned(self, shift: int, edges: Sequence[int]) -> tuple[int, float]:
        """The shift moved by up to a frame to where the waveforms next to the edges agree best, and how well."""
        reach = round(ALIGNED_SECONDS * self.problem.sample_rate)
        parts = [self.correlations(edge, reach, shift) for edge in edges]
        product, power, own = np.sum(parts, axis=0)
        scale = np.sqrt(np.maximum(power, 0.0) * np.maximum(own, 0.0))
        rho = np.where(scale > 0.0, product / np.where(scale > 0.0, scale, 1.0), 0.0)
        k = int(np.argmax(rho))
        return shift + (k - self.hop if rho[k] > 0.0 else 0), float(np.clip(rho[k], 0.0, 1.0))

    def correlations(self, edge: int, reach: int, shift: int) -> Array:
        """Sums (3, lags) of products and of both powers for every lag from -hop to hop."""
        from scipy.signal import correlate

        here = (edge - reach, edge + reach)
        there = (here[0] + shift - self.hop, here[1] + shift + self.hop)
        sums = np.zeros((3, 2 * self.hop + 1))
        for row, mask in zip(self.problem.y, self.problem.mask, strict=True):
            x, v = cut(row, *here), cut(row, *there)
            m, k = cut(mask, *here).astype(np.float64), cut(mask, *there).astype(np.float64)
            sums[0] += correlate(v, x, "valid", "fft")
            sums[1] += correlate(v**2, m, "valid", "fft")
            sums[2] += correlate(k, x**2, "valid", "fft")
        return sums


def _together(*costs: Array | float) -> Array:
    """Root mean square of those costs that are known at all."""
    known = [np.square(cost) for cost in costs if np.isfinite(cost).any()]
    return np.sqrt(np.sum(known, axis=0) / len(known)) if known else np.full(np.shape(costs[0]), np.inf)


def cut(x: NDArray[Any], start: int, stop: int) -> NDArray[Any]:
    """Samples `start` to `stop` of (samples,), zero where there are none."""
    part = np.zeros(stop - start, dtype=x.dtype)
    a, b = max(start, 0), min(stop, x.size)
    if a < b:
        part[a - start : b - start] = x[a:b]
    return part
