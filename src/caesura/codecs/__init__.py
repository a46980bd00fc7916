"""Signals as grids, and which cells of a grid can be trusted.

A codec encodes a signal to a grid of cells, decodes a grid, and says what each cell looks at. Regions reach every grid
through that one fact:

    cell (t, f) is reliable  <=>  no region meets both [start_t, stop_t) and (low_f, high_f)

References:
    none needed; the rule is the definition of missing data.
"""

from __future__ import annotations

__all__ = ["Cells", "reliable"]

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Region


@dataclass(frozen=True, eq=False)
class Cells:
    """What the cells of a grid (frames, bins) look at: the product of a span of time and a band."""

    start: NDArray[np.int64]
    """First sample of each frame (frames,)."""
    stop: NDArray[np.int64]
    """One past the last sample of each frame (frames,)."""
    low: NDArray[np.float64]
    """Lower edge of each bin in hertz (bins,)."""
    high: NDArray[np.float64]
    """Upper edge of each bin in hertz (bins,)."""


def reliable(cells: Cells, regions: Iterable[Region]) -> NDArray[np.bool_]:
    """Which cells look at nothing that is missing.

    Args:
        cells: from the codec's `cells`.
        regions: what is missing; the channel of a region is not looked at.

    Returns:
        (frames, bins), True where the cell is reliable.
    """
    kept = np.ones((cells.start.size, cells.low.size), dtype=bool)
    for region in regions:
        in_time = (cells.start < region.stop) & (cells.stop > region.start)
        in_band = (cells.low < region.high) & (cells.high > region.low)
        kept &= ~(in_time[:, None] & in_band)
    return kept
