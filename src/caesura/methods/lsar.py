"""Least-squares autoregressive interpolation: models of both sides at once, estimated at several distances.

For every context c one Burg fit over the known samples on both sides (never across the gap) gives a polynomial a_c and
a residual power v_c. The gap minimises all residuals together, each in units of what its model leaves unexplained,

    x_hat = argmin sum_c w_c ||a_c * x||^2 / v_c = -T^-1 r,    T_ij = b_|i-j|,  r = b * (known samples),

one Toeplitz solve and no iterations: the gap never enters the estimate of its own models. Near contexts follow speech,
far ones resolve music; the sum needs no choice between them. The longer the gap the more the far ones count,
w_c = c^g with g from 0 at 20 ms to 1/2 at 50 ms. With `rehearse` w_c is also divided by the error of model c on
stretches beside the gap, to the power 3/2. With `glide` the pitch is first straightened where it moves. With `refine`
the models are estimated once more, with the mean of their fill and a sparse one (A-SPAIN) in the gap.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
    S. de Waele, P. M. T. Broersen, "The Burg algorithm for segments", IEEE Trans. Signal Processing 48, 2000.
"""

from __future__ import annotations

__all__ = ["Lsar"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import (
    Model,
    calibrated,
    conditional_mean,
    confidence,
    experts,
    extrapolate,
    find_glide,
    one_thread,
    refined,
    rehearse,
    weighted,
)
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods.spain import Spain
from caesura.problem import Problem, Region, runs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

REFERENCE_RATE = 44100  # hertz at which orders and contexts are stated
REHEARSAL = 512  # samples between the gap and a rehearsal: measured better than 2048, which may lie in another note
WINDOW_PER_GAP = 4.0  # of the sparse fill
SHORTEST_WINDOW = 0.02  # seconds
SHARPNESS = 1.5  # exponent of the rehearsal's errors; measured flat between 1 and 2
LONGEST = 16384  # samples of a gap that a Toeplitz solve can take, in a second or two; beyond, both sides are continued


@dataclass(frozen=True)
class Lsar:
    """Least-squares AR interpolation with models from several distances."""

    contexts: tuple[int, ...] = (1024, 2048, 4096)
    """Samples on either side that the models are estimated from, at 44.1 kHz; other rates scale them."""
    order: int = 2048
    """Coefficients of a model at most, at 44.1 kHz; a model has half as many as its context has samples."""
    halved: bool = False
    """Add a second model of half the order for every context."""
    rehearse: int = 0
    """Weight the models of contexts up to this many samples by their success on stretches beside the gap; 0: none."""
    glide: bool = False
    """Straighten a pitch that moves, as in speech, before the models are estimated."""
    refine: int = 0
    """Estimate the models of contexts up to this many samples once more, with a sparse fill in the gap; 0: none."""

    accepts: ClassVar[Accepts] = Accepts(context=1.0)

    def __post_init__(self) -> None:
        if not self.contexts or min(self.contexts) < 2:
            raise ValueError(f"contexts={self.contexts} is not a list of sample counts of 2 or more")
        if self.order < 1:
            raise ValueError(f"order={self.order} is not a positive number of coefficients")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> Array:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        gaps = [(c, gap) for c, reliable in enumerate(problem.mask) for gap in runs(~reliable)]
        for done, (c, (start, stop)) in enumerate(gaps):
            estimate[c, start:stop], said = self.fill(problem, c, start, stop)
            note(said)
            progress((done + 1) / len(gaps))
        return estimate

    def fill(self, problem: Problem, channel: int, start: int, stop: int) -> tuple[Array, Note]:
        """Fill one gap.

        Args:
            problem: what is known.
            channel: index of the channel.
            start: first sample of the gap.
            stop: one past its last sample.

        Returns:
            (stop - start,) and what there is to say of it.
        """
        with one_thread():
            return self._fill(problem, channel, start, stop)

    def _fill(self, problem: Problem, channel: int, start: int, stop: int) -> tuple[Array, Note]:
        x, missing, rate = problem.y[channel], ~problem.mask[channel], problem.sample_rate
        glide = find_glide(x, missing, start, stop, rate) if self.glide else None
        guessed = _sparse(problem, channel, start, stop) if self.refine else None
        if glide is None:
            fill, models = self._stationary(x, missing, start, stop, rate, guessed)
            sides = int(start > 0) + int(stop < x.size)
            return fill, _note(channel, start, stop, calibrated(confidence(fill, models, sides=sides)), models, {})
        warped, unknown, origin = glide.apply(x, missing, start, stop)
        first, last = next((a, b) for a, b in runs(unknown) if a <= origin < b)
        if guessed is not None:
            guessed, _, _ = glide.apply(guessed, missing & ~_inside(x.size, start, stop), start, stop)
        warped[first:last], models = self._stationary(warped, unknown, first, last, rate, guessed)
        fill = glide.back(warped, origin, start, stop)
        trust = calibrated(confidence(fill, models))
        return fill, _note(channel, start, stop, trust, models, {"glide": glide.rate})

    def _stationary(
        self, x: Array, missing: Flags, start: int, stop: int, rate: int, guessed: Array | None
    ) -> tuple[Array, list[Model]]:
        scale = rate / REFERENCE_RATE
        contexts = [self._context(size, scale) for size in sorted(self.contexts)]
        models = experts(x, missing, start, stop, contexts)
        sizes = np.array([size for size, orders in contexts for _ in orders], dtype=np.float64)
        weights = (sizes / sizes.max()) ** _far((stop - start) / rate)
        fill = _fill(x, missing, start, stop, weighted(models, weights))
        if self.rehearse:
            filled = x.copy()
            filled[start:stop] = fill
            near = [context for context in contexts if context[0] <= self.rehearse * scale] or contexts[:1]
            errors = rehearse(filled, missing, start, stop, near, round(REHEARSAL * scale))
            if errors is not None and errors.min() > 0.0:
                ratios = np.pad(errors / errors.min(), (0, weights.size - errors.size), mode="edge")
                weights = weights / ratios**SHARPNESS
                fill = _fill(x, missing, start, stop, weighted(models, weights))
        trusted = weighted(models, weights / weights.max())
        if guessed is not None:
            near = [self._context(size, scale, 3 / 4) for size in sorted(self.contexts) if size <= self.refine]
            filled = x.copy()
            filled[start:stop] = fill
            again = refined(filled, missing, start, stop, near, guessed[start:stop])
            fill = _fill(x, missing, start, stop, weighted(again + models[len(again) :], weights))
        return fill, trusted

    def _context(self, size: int, scale: float, share: float = 0.5) -> tuple[int, tuple[int, ...]]:
        """Samples on either side and orders, at the recording's rate."""
        samples = max(round(size * scale), 2)
        order = min(int(share * samples), max(round(self.order * scale), 1))
        return samples, (order // 2, order) if self.halved and order > 1 else (order,)


def _note(channel: int, start: int, stop: int, trust: float, models: list[Model], more: dict[str, Any]) -> Note:
    return Note(
        Region(start, stop, channel=channel),
        confidence=trust,
        parameters={"orders": [model.order for model in models], **more},
    )


def _sparse(problem: Problem, channel: int, start: int, stop: int) -> Array:
    """The channel (samples,) with a sparse fill in the gap."""
    guessed: Array = np.array(problem.y[channel])
    window = max(WINDOW_PER_GAP * (stop - start) / problem.sample_rate, SHORTEST_WINDOW)
    gap, reliable = Region(start, stop), problem.mask[channel]
    guessed[start:stop] = Spain(window=window).fill(guessed, reliable, gap, problem.sample_rate)
    return guessed


def _inside(size: int, start: int, stop: int) -> Flags:
    inside = np.zeros(size, dtype=bool)
    inside[start:stop] = True
    return inside


def _far(seconds: float) -> float:
    """Exponent of the context's length in its weight: measured best 0 at 20 ms, 1/2 at 50 ms."""
    return min(max((seconds - 0.02) / 0.06, 0.0), 0.5)


def _fill(x: Array, missing: Flags, start: int, stop: int, models: Sequence[Model]) -> Array:
    if not models:
        return np.zeros(stop - start)
    if stop - start <= LONGEST:
        return conditional_mean(x, missing, start, stop, models)
    # Deep inside so long a gap the two sides do not feel each other.
    a = models[-1].a
    left, right = x[:start][-a.size :], x[stop:][: a.size][::-1]
    forward, backward = extrapolate(left, a, stop - start), extrapolate(right, a, stop - start)[::-1]
    if not (left.size and right.size):
        return forward + backward
    fade = np.cos(0.5 * np.pi * np.arange(1, stop - start + 1) / (stop - start + 1)) ** 2
    return fade * forward + (1.0 - fade) * backward
