"""Copy the past: the gap is filled with the stretch of its own length that came just before it (baseline).

    x_hat[n] = x[n - L],   L the length of the gap

The plain shift, with no search for a matching stretch and no crossfade. Where less than L lies before the gap, what is
there is repeated; a gap at the beginning is filled from what follows it.

References:
    none needed; packet-loss concealment by repetition, and the simplest method whose fill has the right level.
"""

from __future__ import annotations

__all__ = ["Repeat"]

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Accepts, Listener, Progress, ignore, silent
from caesura.problem import Problem, runs


@dataclass(frozen=True)
class Repeat:
    """Copy what came just before the gap (baseline)."""

    accepts: ClassVar[Accepts] = Accepts(context=2.0)

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        for row, reliable in zip(estimate, problem.mask, strict=True):
            gaps = runs(~reliable)
            for k, (start, stop) in enumerate(gaps):
                following = gaps[k + 1][0] if k + 1 < len(gaps) else row.size
                row[start:stop] = _copied(row, start, stop, following)
        return estimate


def _copied(row: NDArray[np.float64], start: int, stop: int, following: int) -> NDArray[np.float64]:
    """The fill of one gap; `following` is where the next gap begins. Gaps before this one are filled already."""
    length = stop - start
    source = row[max(start - length, 0) : start] if start > 0 else row[stop : min(stop + length, following)]
    return np.resize(source, length) if source.size else np.zeros(length)
