"""Bidirectional linear prediction: continue both sides into the gap and crossfade.

A model of each side, estimated with Burg's method from that side alone, predicts x_f[n] = -sum_i a_i x_f[n-i] from the
left and likewise x_b from the right, and

    x_hat = cos^2(t) x_f + sin^2(t) x_b,    t from 0 to pi/2 over the gap.

A gap at the end of the recording has one side only, which then fills it alone.

References:
    I. Kauppinen, K. Roth, "Audio signal extrapolation - theory and applications", DAFx 2002.
    I. Kauppinen, J. Kauppinen, P. Saarinen, "A method for long extrapolation of audio signals", J. AES 49, 2001.
"""

from __future__ import annotations

__all__ = ["Lpc"]

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import burg, extrapolate
from caesura.inpainter import Accepts, Listener, Progress, ignore, silent
from caesura.problem import Problem, runs

REFERENCE_RATE = 44100  # hertz at which order and context are stated


@dataclass(frozen=True)
class Lpc:
    """Extrapolate both sides with linear prediction and crossfade."""

    order: int = 1024
    """Coefficients of each model at 44.1 kHz; other rates scale it."""
    context: int = 8192
    """Samples on either side at 44.1 kHz; other rates scale it."""

    accepts: ClassVar[Accepts] = Accepts(context=1.0)

    def __post_init__(self) -> None:
        if not 1 <= self.order < self.context:
            raise ValueError(f"order={self.order} needs more context than {self.context} samples: lower it")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        scale = problem.sample_rate / REFERENCE_RATE
        for row, x, reliable in zip(estimate, problem.y, problem.mask, strict=True):
            gaps = runs(~reliable)
            edges = [0, *(edge for gap in gaps for edge in gap), x.size]
            for k, (start, stop) in enumerate(gaps):
                left, right = x[edges[2 * k] : start], x[stop : edges[2 * k + 3]][::-1]
                row[start:stop] = self._fill(left, right, stop - start, scale)
        return estimate

    def _fill(
        self, left: NDArray[np.float64], right: NDArray[np.float64], count: int, scale: float
    ) -> NDArray[np.float64]:
        forward, backward = self._continue(left, count, scale), self._continue(right, count, scale)[::-1]
        if left.size == 0 or right.size == 0:
            return forward + backward
        t = 0.5 * np.pi * np.arange(1, count + 1) / (count + 1)
        return np.cos(t) ** 2 * forward + np.sin(t) ** 2 * backward

    def _continue(self, past: NDArray[np.float64], count: int, scale: float) -> NDArray[np.float64]:
        past = past[-max(round(self.context * scale), 2) :]
        order = min(max(round(self.order * scale), 1), 3 * past.size // 4)
        return extrapolate(past, burg([past], order), count)
