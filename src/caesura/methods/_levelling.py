"""A fill at the level of what surrounds it.

    l = ||y|| / ||x_hat||   on either side, and evenly in decibels from one side to the other

References:
    none needed; loudness is matched as an engineer would with two faders.
"""

from __future__ import annotations

__all__ = ["LIMIT", "matched"]

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Region

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

REACH = 4000  # samples on either side of a region that its level is taken from, a quarter of a second
LIMIT = 10.0  # largest change of level: what is further off is not the same sound


def matched(fill: Array, y: Array, mask: Flags, regions: Sequence[Region]) -> Array:
    """A decoded clip, in each region at the level of what surrounds it.

    The gain before a region and the one after it are those that bring the clip's own version of the context to the
    context; between them it changes evenly in decibels.

    Args:
        fill: (samples,).
        y: what was recorded (samples,), without its mean.
        mask: True where it is reliable.
        regions: what is filled.
    """
    levelled = fill.copy()
    for region in regions:
        before = _gain(fill, y, mask, max(region.start - REACH, 0), region.start)
        after = _gain(fill, y, mask, region.stop, min(region.stop + REACH, y.size))
        first = next((gain for gain in (before, after) if gain is not None), 1.0)
        last = next((gain for gain in (after, before) if gain is not None), 1.0)
        levelled[region.start : region.stop] = fill[region.start : region.stop] * np.geomspace(
            first, last, region.length
        )
    return levelled


def _gain(fill: Array, y: Array, mask: Flags, start: int, stop: int) -> float | None:
    """From the clip to the recording, by what is reliable between two samples; None where nothing is."""
    known = mask[start:stop]
    theirs, own = (float(np.sum(x[start:stop][known] ** 2)) for x in (y, fill))
    if not own:
        return None
    return float(np.clip(math.sqrt(theirs / own), 1.0 / LIMIT, LIMIT))
