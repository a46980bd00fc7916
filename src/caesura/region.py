"""Where: spans of samples, with a band and a channel where that matters."""

from __future__ import annotations

__all__ = ["Region", "Span", "clipped", "gaps_of", "merge", "runs"]

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]
"""First sample and one past the last."""


@dataclass(frozen=True)
class Region:
    """A span to fill: samples `start` to `stop` (half open), hertz `low` to `high`, one channel or all of them."""

    start: int
    """First sample of the region."""
    stop: int
    """One past the last sample of the region."""
    low: float = 0.0
    """Lower edge of the band in hertz."""
    high: float = math.inf
    """Upper edge of the band in hertz."""
    channel: int | None = None
    """Index of the only channel concerned, or None for all of them."""

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.stop:
            raise ValueError(f"a region needs 0 <= start < stop, got start {self.start} and stop {self.stop} samples")
        if not 0.0 <= self.low < self.high:
            raise ValueError(f"a region needs 0 <= low < high, got {self.low:g} to {self.high:g} Hz")

    @property
    def is_gap(self) -> bool:
        """Whether the region covers the full band."""
        return self.low == 0.0 and self.high == math.inf

    @property
    def length(self) -> int:
        """Number of samples."""
        return self.stop - self.start

    def order(self) -> tuple[int, int, float, float, int]:
        """Sort key: by time, then by band, then by channel, all channels first."""
        return self.start, self.stop, self.low, self.high, -1 if self.channel is None else self.channel

    def shifted(self, offset: int) -> Region:
        """The same region `offset` samples later."""
        return dataclasses.replace(self, start=self.start + offset, stop=self.stop + offset)


def clipped(regions: Iterable[Region], start: int, stop: int) -> tuple[Region, ...]:
    """What of the regions lies between two samples, counted from the first of them."""
    return tuple(
        dataclasses.replace(r, start=max(r.start, start) - start, stop=min(r.stop, stop) - start)
        for r in regions
        if r.start < stop and r.stop > start
    )


def gaps_of(regions: Iterable[Region], channels: int) -> tuple[Region, ...]:
    """The gaps among regions, in order of time, merged where they overlap or touch.

    A gap shared by every channel comes once with `channel=None`; others name their channel. A recording with one
    channel has only shared gaps.
    """
    gaps = [region for region in regions if region.is_gap]
    spans = [set(merge((g.start, g.stop) for g in gaps if g.channel in (None, c))) for c in range(channels)]
    common = set.intersection(*spans)
    found = [Region(*span) for span in common]
    found += [Region(*span, channel=c) for c, own in enumerate(spans) for span in own - common]
    return tuple(sorted(found, key=Region.order))


def runs(flags: NDArray[np.bool_]) -> list[Span]:
    """Spans (start, stop) over which a one-dimensional boolean array is True."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def merge(spans: Iterable[Span], gap: int = 0) -> list[Span]:
    """Join spans that overlap, touch, or lie at most `gap` samples apart."""
    merged: list[Span] = []
    for start, stop in sorted(spans):
        if merged and start - merged[-1][1] <= gap:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
