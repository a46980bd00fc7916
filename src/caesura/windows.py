"""Which stretch of a recording a method is shown for which regions.

Regions that share context share a window, so that a method can use one fill's surroundings for the next; windows are
bounded, so that an hour of audio is never held at once.
"""

from __future__ import annotations

__all__ = ["Window", "plan"]

import math
from collections.abc import Sequence
from dataclasses import dataclass

from caesura.inpainter import Accepts, Unsupported
from caesura.problem import Region

LONGEST = 10.0  # seconds: regions are gathered into one window as long as they lie within this span


@dataclass(frozen=True)
class Window:
    """A stretch of the recording and the regions to fill in it."""

    start: int
    """First sample."""
    stop: int
    """One past the last sample."""
    targets: tuple[Region, ...]
    """Regions to fill, in samples of the recording."""


def plan(regions: Sequence[Region], samples: int, sample_rate: int, accepts: Accepts, *, fade: int = 0) -> list[Window]:
    """Windows that together cover every region once, in order of time.

    Args:
        regions: what to fill, in samples of the recording.
        samples: length of the recording.
        sample_rate: hertz.
        accepts: how much the method can hear, and how much it can use.
        fade: samples either side of a region that a crossfade needs, whatever the method can use.

    Raises:
        Unsupported: a region does not fit into what the method hears at once.
    """
    if not regions:
        return []
    ordered = sorted(regions, key=Region.order)
    if accepts.context is None and accepts.window is None:
        return [Window(0, samples, tuple(ordered))]
    context = max(_context(accepts, sample_rate), fade)
    limit = math.floor(accepts.window * sample_rate) if accepts.window else round(LONGEST * sample_rate) + 2 * context
    return [_window(cluster, context, limit, samples, accepts) for cluster in _clusters(ordered, context, limit)]


def _context(accepts: Accepts, sample_rate: int) -> int:
    if accepts.context is None:
        return math.floor(accepts.window * sample_rate / 4) if accepts.window else 0
    return math.ceil(accepts.context * sample_rate)


def _clusters(regions: Sequence[Region], context: int, limit: int) -> list[list[Region]]:
    clusters: list[list[Region]] = []
    stop = 0
    for region in regions:
        current = clusters[-1] if clusters else None
        fits = current is not None and max(stop, region.stop) - current[0].start + 2 * context <= limit
        if current is not None and (region.start < stop or (fits and region.start - stop < context)):
            current.append(region)
            stop = max(stop, region.stop)
        else:
            clusters.append([region])
            stop = region.stop
    return clusters


def _window(cluster: Sequence[Region], context: int, limit: int, samples: int, accepts: Accepts) -> Window:
    first, last = cluster[0].start, max(r.stop for r in cluster)
    if accepts.window is None:
        return Window(max(first - context, 0), min(last + context, samples), tuple(cluster))
    if last - first > limit:
        raise Unsupported(
            f"the region {first}-{last} is longer than the {accepts.window:g} s this method hears at once: "
            "choose a method without a window, such as auto"
        )
    # Equal lengths can be batched, so the window keeps its length and moves away from the ends of the recording.
    start = max(min((first + last - limit) // 2, samples - limit), 0)
    return Window(start, min(start + limit, samples), tuple(cluster))
