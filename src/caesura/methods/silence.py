"""Leave the gap silent: the baseline that every method must beat.

    x_hat = 0

References:
    none needed; the row stands in every table because an uncorrelated fill of equal power scores 3 dB below it.
"""

from __future__ import annotations

__all__ = ["Silence"]

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Accepts, Listener, Progress, ignore, silent
from caesura.problem import Problem


@dataclass(frozen=True)
class Silence:
    """Leave the region silent (baseline)."""

    accepts: ClassVar[Accepts] = Accepts(context=0.0, bands=True)

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        return np.zeros_like(problem.y)
