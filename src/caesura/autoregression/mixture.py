"""Several models of one gap: how well each predicts, how they are weighted, and how far the fill can be trusted.

A *rehearsal* removes a stretch as long as the gap on either side of it, estimates the models without them, fills them
and compares: e_c is the error of model c relative to the power of what was removed. A weight w_c divides the variance
of model c, so that its precision counts w_c times.

The error to be expected of a fill is the trace of the covariance P_mm^-1; the share of the energy that it explains,

    ||x_hat||^2 / (||x_hat||^2 + trace),

is the confidence.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986 (the covariance).
    D. H. Wolpert, "Stacked generalization", Neural Networks 5, 1992.
"""

from __future__ import annotations

__all__ = ["confidence", "expected_error", "experts", "rehearse", "weighted"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import Model, fit
from caesura.autoregression.context import spans
from caesura.autoregression.innovations import Level
from caesura.autoregression.interpolation import LOADING, conditional_mean
from caesura.autoregression.toeplitz import ToeplitzInverse, autocorrelation

Array = NDArray[np.float64]
Context = tuple[int, tuple[int, ...]]
"""Samples on either side of the gap, and the orders of the models estimated from them."""

LONGEST = 2048  # samples of a gap for which the covariance is computed; deeper in, nothing can be expected


def experts(
    x: Array,
    missing: NDArray[np.bool_],
    start: int,
    stop: int,
    contexts: Sequence[Context],
    level: Level | None = None,
) -> list[Model]:
    """Models of the surroundings of a gap, estimated from several contexts.

    Args:
        x: (samples,).
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        contexts: from the nearest to the furthest; orders are lowered where too little is known.
        level: how loud the innovations are; equally loud where it is not given.

    Returns:
        one model for every order of every context; one of silence, or of nothing new, has the variance 0.
    """
    models: list[Model] = []
    seen = 0
    for reach, orders in contexts:
        known = spans(missing, start, stop, reach)
        count = sum(b - a for a, b in known)
        if models and count == seen:
            models += [Model(np.ones(1), 0.0)] * len(orders)  # the recording ends here
            continue
        seen = count
        highest = min(max((3 * (b - a) // 4 for a, b in known), default=0), count // 2)
        weights = [level.weights(a, b) for a, b in known] if level else None
        models += fit([x[a:b] for a, b in known], [min(order, highest) for order in orders], weights=weights)
    return models


def weighted(models: Sequence[Model], weights: Array) -> list[Model]:
    """Models whose precisions count `weights` times; models of silence are left out."""
    return [
        Model(model.a, model.variance / float(weight))
        for model, weight in zip(models, weights, strict=True)
        if model.variance > 0.0 and weight > 0.0
    ]


def rehearse(
    x: Array, missing: NDArray[np.bool_], start: int, stop: int, contexts: Sequence[Context], distance: int
) -> Array | None:
    """Errors of the models on stretches beside the gap, as long as the gap, that were removed for the purpose.

    Args:
        x: (samples,), with the gap filled as well as can be.
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        contexts: see `experts`.
        distance: samples between the gap and a stretch.

    Returns:
        error energy over signal energy, one per model; None where there is no room.
    """
    length = stop - start
    room = [(a, a + length) for a in (start - distance - length, stop + distance) if a >= distance]
    stretches = [(a, b) for a, b in room if b + distance <= x.size and not missing[a:b].any() and x[a:b].any()]
    if not stretches:
        return None
    errors = np.zeros(sum(len(orders) for _, orders in contexts))
    for a, b in stretches:
        stretch = np.zeros_like(missing)
        stretch[a:b] = True
        for c, model in enumerate(experts(x, missing | stretch, a, b, contexts)):
            difference = conditional_mean(x, stretch, a, b, [model]) - x[a:b]
            errors[c] += float(difference @ difference) / float(x[a:b] @ x[a:b])
    return errors / len(stretches)


def confidence(fill: Array, models: Sequence[Model], *, sides: int = 2) -> float:
    """The share of the energy of a gap that a fill can be expected to explain, 0 to 1.

    Args:
        fill: (samples,), what was put into the gap.
        models: those it was made with.
        sides: known sides of the gap; 1 at an end of the recording.
    """
    energy = float(fill @ fill)
    if energy == 0.0 or not models or sides == 0:
        return 0.0
    count = min(fill.size, LONGEST)
    spread = _extrapolated(models, count) if sides == 1 else _interpolated(models, count)
    error = float(spread.sum()) + (fill.size - count) * float(spread.max())
    return energy / (energy + error)


def expected_error(model: Model, count: int) -> float:
    """The energy of the error that a model expects to make in a gap of `count` samples with two sides."""
    return float(_interpolated([model], count).sum())


def _interpolated(models: Sequence[Model], count: int) -> Array:
    """Error variance of every sample of a gap with two sides."""
    # The mean precision, not the sum: that several models agree does not make the sound more predictable.
    column = np.mean([autocorrelation(model.a, count) / model.variance for model in models], axis=0)
    column[0] *= 1.0 + LOADING
    return np.maximum(ToeplitzInverse(column).diagonal(), 0.0)


def _extrapolated(models: Sequence[Model], count: int) -> Array:
    """Error variance of every sample of a continuation: the energy of the impulse response up to there."""
    from scipy.signal import lfilter

    impulse = np.zeros(count)
    impulse[0] = 1.0
    responses = [lfilter([1.0], model.a, impulse) for model in models]
    return np.asarray(np.mean([m.variance * np.cumsum(h**2) for m, h in zip(models, responses, strict=True)], axis=0))
