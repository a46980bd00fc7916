"""Draw a straight line between the samples at the edges of a gap: the baseline of every editor.

    x_hat[n] = x[a] + (x[b] - x[a]) (n - a) / (b - a)

A gap at the end of the recording has one edge only and is filled with a constant that fades to zero over `fade`
samples, so that no offset is invented.

References:
    none needed; see any text on interpolation.
"""

from __future__ import annotations

__all__ = ["Linear"]

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Accepts, Listener, Progress, ignore, silent
from caesura.problem import Problem, runs


@dataclass(frozen=True)
class Linear:
    """Join the edges of the gap by a straight line (baseline)."""

    fade: int = 64
    """Samples over which a fill at the end of the recording falls to zero."""

    accepts: ClassVar[Accepts] = Accepts(context=0.01)

    def __post_init__(self) -> None:
        if self.fade < 1:
            raise ValueError(f"fade={self.fade} is not a positive number of samples")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        for row, reliable in zip(estimate, problem.mask, strict=True):
            for start, stop in runs(~reliable):
                row[start:stop] = self._fill(row, start, stop)
        return estimate

    def _fill(self, row: NDArray[np.float64], start: int, stop: int) -> NDArray[np.float64]:
        length = stop - start
        falling: NDArray[np.float64] = np.clip(1.0 - np.arange(1, length + 1) / (self.fade + 1), 0.0, 1.0)
        if start == 0 and stop == row.size:
            return np.zeros(length)
        if start == 0:
            return float(row[stop]) * falling[::-1]
        if stop == row.size:
            return float(row[start - 1]) * falling
        return np.asarray(np.interp(np.arange(start, stop), [start - 1, stop], [row[start - 1], row[stop]]))
