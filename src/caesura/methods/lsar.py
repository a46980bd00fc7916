"""Least-squares autoregressive interpolation: models of both sides at once, estimated at several distances.

For every context c one Burg fit over the known samples on both sides (never across the gap) gives a polynomial a_c and
a residual power v_c. The gap minimises all residuals together, each in units of what its model leaves unexplained,

    x_hat = argmin sum_c w_c ||a_c * x||^2 / v_c = -T^-1 r,    T_ij = b_|i-j|,  r = b * (known samples),

one Toeplitz solve and no iterations: the gap never enters the estimate of its own models. Near contexts follow speech,
far ones resolve music; the sum needs no choice between them. The longer the gap the more the far ones count,
w_c = c^g with g from 0 at 20 ms to 1/2 at 50 ms. With `rehearse` w_c is also divided by the error of model c on
stretches beside the gap, to the power 3/2. With `glide` the pitch is straightened where it moves, and the fill averaged
with the one without: their errors differ. With `refine` the models are estimated once more, with the mean of their fill
and a sparse one (A-SPAIN) in the gap. Where other channels go on during the gap, what they predict is taken out before
and put back after, if that helps beside the gap (`caesura.autoregression.side`).

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
    S. de Waele, P. M. T. Broersen, "The Burg algorithm for segments", IEEE Trans. Signal Processing 48, 2000.
    C. Ma, Y. Kamp, L. F. Willems, "Robust signal selection for linear prediction analysis of voiced speech", Speech
    Communication 12, 1993 (residuals that count differently).
"""

from __future__ import annotations

__all__ = ["Lsar"]

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import (
    Model,
    Prediction,
    calibrated,
    confidence,
    experts,
    find_glide,
    one_thread,
    predictions,
    refined,
    rehearse,
    short_gaps,
    weighted,
)
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods._lsar import far_exponent, fill_with, levels, sparse_guess
from caesura.problem import Problem, Region, runs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

REFERENCE_RATE = 44100  # hertz at which orders and contexts are stated
REHEARSAL = 512  # samples between the gap and a rehearsal: measured better than 2048, which may lie in another note
SHARPNESS = 1.5  # exponent of the rehearsal's errors; measured flat between 1 and 2
STRAIGHTENED = (1024, 2048, 4096)  # contexts at 44.1 kHz; further out the pitch has turned elsewhere
STRAIGHT = 0.7  # share of the fill of the straightened pitch; measured flat between 0.5 and 0.8
SURROUNDINGS = 10240  # samples on either side that the filters of other channels are estimated and tried in


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
    heteroscedastic: bool = False
    """Weight residuals by how loud innovations are around them: strokes near the gap and in the context count less."""
    taps: tuple[int, ...] = (33, 129, 513)
    """Lengths, at 44.1 kHz, of filters that predict the channel from others that are known in the gap; "": none."""

    accepts: ClassVar[Accepts] = Accepts(context=1.0)

    def __post_init__(self) -> None:
        if not self.contexts or min(self.contexts) < 2:
            raise ValueError(f"contexts={self.contexts} is not a list of sample counts of 2 or more")
        if any(n < 1 or n % 2 == 0 for n in self.taps):
            raise ValueError(f"taps={self.taps} is not a list of odd lengths: the middle one stands for no delay")
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

    def clicks(self, problem: Problem, gaps: Sequence[Region]) -> dict[tuple[int, int], tuple[Array, Note]]:
        """Fill short gaps together, each with one model of the nearest context and from its own channel.

        Args:
            problem: what is known.
            gaps: some of its gaps.

        Returns:
            fills and notes by channel and first sample, of those that can be filled like that.
        """
        reach, (order, *_) = self._context(min(self.contexts), problem.sample_rate / REFERENCE_RATE)
        channels = range(problem.channels)
        places = [(c, gap.start, gap.stop) for c in channels for gap in gaps if gap.channel in (None, c)]
        fills = short_gaps(problem.y, ~problem.mask, places, reach, order)
        return {
            (c, start): (fill.samples, _note(c, start, stop, calibrated(fill.confidence), [order], {}))
            for (c, start, stop), fill in zip(places, fills, strict=True)
            if fill is not None
        }

    def _fill(self, problem: Problem, channel: int, start: int, stop: int) -> tuple[Array, Note]:
        x, missing, rate = problem.y[channel], ~problem.mask[channel], problem.sample_rate
        origin, heard = self._heard(problem, channel, start, stop)
        if not heard:
            fill, models, more = self._alone(x, missing, start, stop, rate)
            trust = confidence(fill, models, sides=int(start > 0) + int(stop < x.size))
            return fill, _note(channel, start, stop, calibrated(trust), _orders(models), more)
        here = slice(origin, origin + heard[0].samples.size)
        start, stop = start - origin, stop - origin
        fill, best = np.zeros(stop - start), max(heard, key=lambda p: p.weight)
        for p in heard:
            unknown = missing[here] | p.unknown
            rest = np.where(unknown, 0.0, x[here] - p.samples)
            own, models, more = self._alone(rest, unknown, start, stop, rate)
            fill += p.weight * (own + p.samples[start:stop])
            if p is best:
                kept = models, more
        models, more = kept
        trust = calibrated(confidence(fill, models))
        more = {**more, "taps": [p.taps for p in heard], "error_beside": round(best.error, 4)}
        why = f"the other channels lower the error beside the gap to {best.error:.2g} of what it is without them"
        return fill, _note(channel, start + origin, stop + origin, trust, _orders(models), more, why)

    def _heard(self, problem: Problem, channel: int, start: int, stop: int) -> tuple[int, list[Prediction]]:
        """What the other channels say, and the first sample of what was looked at."""
        scale = problem.sample_rate / REFERENCE_RATE
        radius = round((2 * max(*self.contexts, SURROUNDINGS) + max(self.taps, default=0)) * scale)
        origin, end = max(start - radius, 0), min(stop + radius, problem.samples)
        missing = ~problem.mask[:, origin:end]
        gap = start - origin, stop - origin
        goes_on = [c for c, row in enumerate(missing) if c != channel and not row[gap[0] : gap[1]].any()]
        if not (self.taps and goes_on):
            return origin, []
        x, others = problem.y[channel, origin:end], problem.y[goes_on, origin:end]
        unknown = np.asarray(missing[goes_on].any(axis=0))
        return origin, predictions(x, missing[channel], others, unknown, gap, taps=self.taps, scale=scale)

    def _alone(
        self, x: Array, missing: Flags, start: int, stop: int, rate: int
    ) -> tuple[Array, list[Model], dict[str, Any]]:
        """The fill of one channel by itself, the models it was made with, and what else there is to say."""
        guess = sparse_guess(x, missing, start, stop, rate) if self.refine else None
        fill, models = self._stationary(x, missing, start, stop, rate, guess)
        glide = find_glide(x, missing, start, stop, rate) if self.glide else None
        if glide is None:
            return fill, models, {}
        warped, unknown, origin = glide.apply(x, missing, start, stop)
        first, last = next((a, b) for a, b in runs(unknown) if a <= origin < b)
        near = replace(self, contexts=STRAIGHTENED, order=STRAIGHTENED[-1] // 2, rehearse=0, refine=0)
        warped[first:last], models = near._stationary(warped, unknown, first, last, rate, None)
        fill = STRAIGHT * glide.back(warped, origin, start, stop) + (1.0 - STRAIGHT) * fill
        return fill, models, {"glide": (round(glide.before, 3), round(glide.after, 3))}

    def _stationary(
        self, x: Array, missing: Flags, start: int, stop: int, rate: int, guess: Array | None
    ) -> tuple[Array, list[Model]]:
        scale = rate / REFERENCE_RATE
        contexts = [self._context(size, scale) for size in sorted(self.contexts)]
        found = levels(x, missing, start, stop, rate, contexts[-1][0]) if self.heteroscedastic else None
        moment, passage = found or (None, None)
        models = experts(x, missing, start, stop, contexts, passage)
        sizes = np.array([size for size, orders in contexts for _ in orders], dtype=np.float64)
        weights = (sizes / sizes.max()) ** far_exponent((stop - start) / rate)
        if self.rehearse:
            filled = x.copy()
            filled[start:stop] = fill_with(x, missing, start, stop, weighted(models, weights))
            near = [context for context in contexts if context[0] <= self.rehearse * scale] or contexts[:1]
            errors = rehearse(filled, missing, start, stop, near, round(REHEARSAL * scale))
            if errors is not None and errors.min() > 0.0:
                ratios = np.pad(errors / errors.min(), (0, weights.size - errors.size), mode="edge")
                weights = weights / ratios**SHARPNESS
        fill = fill_with(x, missing, start, stop, weighted(models, weights), moment)
        trusted = weighted(models, weights / weights.max())
        if guess is not None:
            near = [self._context(size, scale, 3 / 4) for size in sorted(self.contexts) if size <= self.refine]
            filled = x.copy()
            filled[start:stop] = fill
            again = refined(filled, missing, start, stop, near, guess[start:stop], passage)
            fill = fill_with(x, missing, start, stop, weighted(again + models[len(again) :], weights), moment)
        return fill, trusted

    def _context(self, size: int, scale: float, share: float = 0.5) -> tuple[int, tuple[int, ...]]:
        """Samples on either side and orders, at the recording's rate."""
        samples = max(round(size * scale), 2)
        order = min(int(share * samples), max(round(self.order * scale), 1))
        return samples, (order // 2, order) if self.halved and order > 1 else (order,)


def _note(
    channel: int, start: int, stop: int, trust: float, orders: list[int], more: dict[str, Any], why: str = ""
) -> Note:
    return Note(
        Region(start, stop, channel=channel),
        why=why,
        confidence=trust,
        parameters={"orders": orders, **more},
    )


def _orders(models: Sequence[Model]) -> list[int]:
    return [model.order for model in models]
