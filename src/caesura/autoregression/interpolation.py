"""Samples that autoregressive models expect: inside a gap, or past an end.

For a stationary Gaussian process with polynomial a and innovation variance v, a stretch of N samples has the precision

    P = (L L' - U U') / v,    L lower triangular Toeplitz with first column (1, a_1, ..., a_p, 0, ...),
                              U lower triangular Toeplitz with first column (0, ..., 0, a_p, ..., a_1)

(Gohberg and Semencul), and the missing samples m given the known ones k have the conditional mean

    P_mm x_m = -P_mk x_k,    with covariance P_mm^-1:

the least-squares interpolation, which minimises the residual. Several models are combined by adding their precisions:
the fill then minimises sum_c ||a_c * x||^2 / v_c, every residual in units of what its model leaves unexplained.

Further than the order from both ends P_mm is Toeplitz with the column b_k = sum_c sum_i a_i a_{i+k} / v_c, so a gap
costs one Levinson solve. Gaps nearer to each other than the order belong together and are solved jointly, with
conjugate gradients preconditioned by the gaps one at a time.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
    I. C. Gohberg, A. A. Semencul, "On the inversion of finite Toeplitz matrices", Mat. Issled. 2, 1972.
    G. E. Hinton, "Training products of experts by minimizing contrastive divergence", Neural Computation 14, 2002.
"""

from __future__ import annotations

__all__ = ["conditional_mean", "extrapolate", "interpolate", "residual"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import Model
from caesura.autoregression.innovations import Level
from caesura.autoregression.toeplitz import autocorrelation, conjugate_gradients, convolve, triangular
from caesura.autoregression.unequal import solve_unequal

Array = NDArray[np.float64]

DENSE = 1000  # missing samples of neighbouring gaps up to which a direct solve is faster than iterating
LOADING = 1e-13  # of the diagonal: keeps the solve positive definite where a lossy codec left the spectrum empty


def residual(x: Array, a: Array) -> Array:
    """Prediction errors e[n] = sum_i a_i x[n-i] of the samples that have a whole past.

    Args:
        x: (samples,).
        a: (order + 1,), starting with 1.

    Returns:
        (samples - order,), or empty.
    """
    if x.size < a.size:
        return np.zeros(0)
    return convolve(x, a)[a.size - 1 : x.size]


def extrapolate(past: Array, a: Array, count: int) -> Array:
    """Continue a signal: x[n] = -sum_i a_i x[n-i].

    Args:
        past: (samples,); what lies before its first sample is taken to be zero.
        a: (order + 1,), starting with 1; stable.
        count: samples wanted.

    Returns:
        (count,); to continue backwards, reverse the input and the result.
    """
    from scipy.signal import lfilter

    order = a.size - 1
    if order == 0 or past.size == 0:
        return np.zeros(count)
    last = past[-order:]
    state = np.zeros(order)
    tail = -convolve(last, a)[last.size :]
    state[: tail.size] = tail
    return np.asarray(lfilter([1.0], a, np.zeros(count), zi=state)[0])


def interpolate(x: Array, missing: NDArray[np.bool_], models: Sequence[Model], weights: Array | None = None) -> Array:
    """Fill every gap of a signal with its conditional mean.

    Args:
        x: (samples,); what it holds at the missing samples does not matter.
        missing: (samples,), True where a sample is to be filled.
        models: one model, or several whose precisions are added.
        weights: (samples,), what residuals count: see `caesura.autoregression.unequal`. Nearer to an end of the
            recording than the order all count the same.

    Returns:
        (samples,), equal to `x` where nothing is missing.
    """
    filled = np.where(missing, 0.0, x)
    order = max((model.order for model in models), default=0)
    if order == 0:
        return filled
    for start, stop in _clusters(missing, order):
        first, last = max(start - order, 0), min(stop + order, x.size)
        inside = np.flatnonzero(missing[first:last])
        here = None if weights is None else weights[first:last]
        filled[first + inside] = _fill(filled[first:last], inside, models, here)
    return filled


def conditional_mean(
    x: Array,
    missing: NDArray[np.bool_],
    start: int,
    stop: int,
    models: Sequence[Model],
    level: Level | None = None,
) -> Array:
    """One gap's conditional mean under models of its own.

    Other missing samples nearer than the order are unknown as well and solved with it; those further away touch the
    gap only through them and are bridged by straight lines, so that a chain of clicks costs no more than its links.

    Args:
        x: (samples,).
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        models: see `interpolate`.
        level: how loud the innovations are; equally loud where it is not given.

    Returns:
        (stop - start,).
    """
    order = max((model.order for model in models), default=0)
    first, last = max(start - 2 * order, 0), min(stop + 2 * order, x.size)
    unknown, window = missing[first:last].copy(), x[first:last]
    far = unknown.copy()
    far[max(start - order - first, 0) : stop + order - first] = False
    if far.any():
        known = np.flatnonzero(~unknown)
        window = np.where(far, np.interp(np.arange(window.size), known, window[known]), window)
        unknown &= ~far
    weights = level.weights(first, last) if level else None
    return interpolate(window, unknown, models, weights)[start - first : stop - first]


def _clusters(missing: NDArray[np.bool_], order: int) -> list[tuple[int, int]]:
    """Spans that hold all missing samples, with at least `order` known samples between them."""
    at = np.flatnonzero(missing)
    breaks = np.flatnonzero(np.diff(at) > order) + 1
    return [(int(part[0]), int(part[-1]) + 1) for part in np.split(at, breaks) if part.size]


def _fill(x: Array, inside: NDArray[np.intp], models: Sequence[Model], weights: Array | None) -> Array:
    """Missing samples `inside` of one stretch that reaches an order past them, or to an end of the recording."""
    if inside.size == x.size:
        return np.zeros(inside.size)
    contiguous = inside[-1] - inside[0] + 1 == inside.size
    if contiguous and inside[-1] == x.size - 1:
        return np.asarray(np.mean([extrapolate(x[: inside[0]], m.a, inside.size) for m in models], axis=0))
    if contiguous and inside[0] == 0:
        past = x[: inside[-1] : -1]
        return np.asarray(np.mean([extrapolate(past, m.a, inside.size)[::-1] for m in models], axis=0))
    return _solve(x, inside, models, weights)


def _solve(x: Array, inside: NDArray[np.intp], models: Sequence[Model], weights: Array | None) -> Array:
    from scipy.linalg import solve, solve_toeplitz

    order = max(model.order for model in models)
    reach = max(int(inside[-1] - inside[0]), order) + 1
    b = np.sum([autocorrelation(model.a, reach) / model.variance for model in models], axis=0)
    column = b[: inside.size].copy()
    column[0] *= 1.0 + LOADING
    blocks = np.split(np.arange(inside.size), np.flatnonzero(np.diff(inside) > 1) + 1)
    if inside[0] >= order and x.size - 1 - inside[-1] >= order:
        if weights is not None:
            return solve_unequal(x, inside, models, weights, blocks=blocks, column=column, loading=LOADING)
        right = -_two_sided(b[: order + 1], x)[inside]
        if len(blocks) == 1:
            return np.asarray(solve_toeplitz(column, right))
        if inside.size <= DENSE:
            matrix = b[np.abs(inside[:, None] - inside)]
            matrix[np.diag_indices(inside.size)] = column[0]
            return np.asarray(solve(matrix, right, assume_a="pos"))
    precision = _Precision(models, x.size)

    def multiply(v: Array) -> Array:
        whole = np.zeros(x.size)
        whole[inside] = v
        return np.asarray(precision(whole)[inside] + LOADING * column[0] * v)

    return conjugate_gradients(multiply, -precision(x)[inside], blocks, column)


def _two_sided(b: Array, x: Array) -> Array:
    """sum_j b_|i-j| x_j for every i."""
    return convolve(x, np.concatenate([b[:0:-1], b]))[b.size - 1 : b.size - 1 + x.size]


class _Precision:
    """Multiplication with the precision matrix of `size` consecutive samples, those at the ends included."""

    def __init__(self, models: Sequence[Model], size: int) -> None:
        self.parts = []
        for model in models:
            a = model.a[:size]
            corner = np.zeros(size)
            tail = model.a[1:size]
            corner[size - tail.size :] = tail[::-1]
            self.parts.append((triangular(a, size), triangular(corner, size), model.variance))

    def __call__(self, v: Array) -> Array:
        """Product with the rows of `v` (..., size)."""
        total = np.zeros_like(v)
        for low, up, variance in self.parts:
            total += (low(low(v, transposed=True)) - up(up(v, transposed=True))) / variance
        return total
