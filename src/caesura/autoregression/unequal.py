"""Gaps solved with innovations that are not equally loud.

With weights q[n] = 1 / s^2(n) the fill minimises

    1/2 sum_c (sum_n q[n] e_c[n]^2 + sum_n q[n] b_c[n]^2) / v_c,

e_c the residual of model c, b_c that of the reversed signal: the missing samples solve P_mm x_m = -P_mk x_k with

    P = 1/2 sum_c (A_c' Q A_c + A_c Q A_c') / v_c,

A_c the convolution with the polynomial of model c. P is no longer Toeplitz, but with D = diag(q)^-1/2, D P_mm D nearly
is: conjugate gradients with the Toeplitz solve as preconditioner take ten steps or so. q = 1 gives `interpolate`.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986 (with q = 1, forwards).
"""

from __future__ import annotations

__all__ = ["solve_unequal"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import Model
from caesura.autoregression.toeplitz import conjugate_gradients

Array = NDArray[np.float64]


def solve_unequal(
    x: Array,
    inside: NDArray[np.intp],
    models: Sequence[Model],
    weights: Array,
    *,
    blocks: Sequence[NDArray[np.intp]],
    column: Array,
    loading: float,
) -> Array:
    """The missing samples of a stretch.

    Args:
        x: (samples,), zero at the missing samples, of which none is nearer to an end than the highest order.
        inside: indices of the missing samples.
        models: see `interpolate`.
        weights: (samples,), q.
        blocks: see `conjugate_gradients`.
        column: first column of P_mm with q = 1.
        loading: share of the diagonal that is added to it.

    Returns:
        (inside.size,).
    """
    equal = weights / np.exp(np.mean(np.log(weights[inside])))
    precision = _Precision(models, equal, int(inside[0]), int(inside[-1]) + 1)
    scale = 1.0 / np.sqrt(equal[inside])
    whole = np.zeros(x.size)

    def multiply(v: Array) -> Array:
        whole[inside] = scale * v
        return np.asarray(scale * precision(whole)[inside] + loading * column[0] * v)

    return np.asarray(scale * conjugate_gradients(multiply, -scale * precision(x)[inside], blocks, column))


class _Precision:
    """Multiplication with P, of which only the columns and rows between `start` and `stop` are right."""

    def __init__(self, models: Sequence[Model], weights: Array, start: int, stop: int) -> None:
        from scipy.fft import next_fast_len, rfft

        order = max(model.order for model in models)
        self.length = next_fast_len(weights.size + order, real=True)
        self.spectra = np.stack([rfft(model.a, self.length) / np.sqrt(model.variance) for model in models])
        # The residuals that a missing sample takes part in, and that have their whole past in the stretch.
        self.forward, self.backward = 0.5 * weights, 0.5 * weights
        self.forward[:start] = self.forward[stop + order :] = 0.0
        self.backward[stop:] = self.backward[: start - order] = 0.0

    def __call__(self, v: Array) -> Array:
        """The product with `v` (samples,)."""
        from scipy.fft import irfft, rfft

        spectrum, size = rfft(v, self.length), v.size
        ahead = irfft(self.spectra * spectrum, self.length)[:, :size] * self.forward
        total = np.sum(self.spectra.conj() * rfft(ahead, self.length), axis=0)
        back = irfft(self.spectra.conj() * spectrum, self.length)[:, :size] * self.backward
        total += np.sum(self.spectra * rfft(back, self.length), axis=0)
        return np.asarray(irfft(total, self.length)[:size])
