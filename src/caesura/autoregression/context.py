"""The known samples around a gap.

A context never holds a missing sample: where another gap lies within reach, what is known beyond it becomes a segment
of its own, and an estimator that takes segments (`burg`) uses it without ever crossing a gap.
"""

from __future__ import annotations

__all__ = ["segments", "spans"]

import numpy as np
from numpy.typing import NDArray

from caesura.region import runs

Array = NDArray[np.float64]


def segments(x: Array, missing: NDArray[np.bool_], start: int, stop: int, reach: int) -> list[Array]:
    """Known stretches within `reach` of a gap; near one end of the recording the other side reaches further.

    Args:
        x: (samples,).
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        reach: samples on either side.

    Returns:
        views of `x` in order of time.
    """
    return [x[a:b] for a, b in spans(missing, start, stop, reach)]


def spans(missing: NDArray[np.bool_], start: int, stop: int, reach: int) -> list[tuple[int, int]]:
    """Where `segments` are: first sample, and one past the last, of each."""
    size = missing.size
    before = min(max(reach, 2 * reach - (size - stop)), start)
    after = min(2 * reach - before, size - stop)
    first = start - before
    return [(first + a, first + b) for a, b in runs(~missing[first : stop + after])]
