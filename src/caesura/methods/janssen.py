"""Janssen's iteration, gap-wise: estimate the model from everything, interpolate, and again.

    a <- Burg(x with the gap filled),    x_gap <- argmin ||a * x||^2,

on one stretch [context | gap | context]. The first model comes from the contexts alone (zeros in the gap would bias
it), so that two or three iterations reach the plateau.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
    O. Mokry, P. Rajmic, "On the use of autoregressive methods for audio inpainting", EUSIPCO 2024.
"""

from __future__ import annotations

__all__ = ["Janssen"]

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import Model, calibrated, conditional_mean, confidence, experts, weighted
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.problem import Problem, Region, runs

REFERENCE_RATE = 44100  # hertz at which order and context are stated


@dataclass(frozen=True)
class Janssen:
    """Alternate between autoregressive estimation and interpolation (gap-wise Janssen)."""

    order: int = 1024
    """Coefficients of the model at 44.1 kHz; other rates scale it."""
    context: int = 4096
    """Samples of context on either side at 44.1 kHz; other rates scale it."""
    iterations: int = 3
    """Times that the model is estimated."""

    accepts: ClassVar[Accepts] = Accepts(context=1.0)

    def __post_init__(self) -> None:
        if not 1 <= self.order < 2 * self.context:
            raise ValueError(f"order={self.order} needs more context than 2 x {self.context} samples: lower it")
        if self.iterations < 1:
            raise ValueError(f"iterations={self.iterations} is not a positive number")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        scale = problem.sample_rate / REFERENCE_RATE
        context = (max(round(self.context * scale), 2), (max(round(self.order * scale), 1),))
        gaps = [(c, gap) for c, reliable in enumerate(problem.mask) for gap in runs(~reliable)]
        for iteration in range(self.iterations):
            for done, (c, (start, stop)) in enumerate(gaps):
                # The first model must not see the gaps; the later ones see every gap as it is filled so far.
                unknown = ~problem.mask[c] if iteration == 0 else np.zeros(problem.samples, dtype=bool)
                models = experts(estimate[c], unknown, start, stop, [context])
                fill = _filled(problem.y[c], ~problem.mask[c], start, stop, models)
                estimate[c, start:stop] = fill
                if iteration == self.iterations - 1:
                    sides = int(start > 0) + int(stop < problem.samples)
                    trust = confidence(fill, weighted(models, np.ones(1)), sides=sides)
                    note(Note(Region(start, stop, channel=c), confidence=calibrated(trust)))
                progress((iteration + (done + 1) / len(gaps)) / self.iterations)
        return estimate


def _filled(
    x: NDArray[np.float64], missing: NDArray[np.bool_], start: int, stop: int, models: list[Model]
) -> NDArray[np.float64]:
    sounding = weighted(models, np.ones(len(models)))
    return conditional_mean(x, missing, start, stop, sounding) if sounding else np.zeros(stop - start)
