"""Burg's method over several segments: one autoregressive model of everything that is known, nothing of what is not.

At stage m the forward errors f and the backward errors g of every segment give one reflection coefficient,

    k_m = -2 sum_s sum_n f[n] g[n-1] / sum_s sum_n (f[n]^2 + g[n-1]^2),

with the sums taken over all segments s, so that no product ever reaches across a gap; then f[n] += k g[n-1] and
g[n] = g[n-1] + k f[n]. The Levinson recursion turns k_1..k_p into the polynomial a = [1, a_1, ..., a_p] whose residual
e[n] = sum_i a_i x[n-i] is white. |k_m| <= 1 by construction, so the model is stable.

References:
    J. P. Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford 1975.
    S. de Waele, P. M. T. Broersen, "The Burg algorithm for segments", IEEE Trans. Signal Processing 48, 2000.
"""

from __future__ import annotations

__all__ = ["Model", "burg", "fit", "polynomials", "reflections"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PREDICTABLE = 1e-15  # of the power: what is left after prediction is then rounding, not signal
RESUM = 16  # stages after which the power is summed afresh, so that rounding cannot build up in its recursion


@dataclass(frozen=True, eq=False)
class Model:
    """An autoregressive model."""

    a: Array
    """Polynomial (order + 1,), starting with 1."""
    variance: float = 1.0
    """Power of the residual."""

    @property
    def order(self) -> int:
        """Number of coefficients."""
        return int(self.a.size - 1)


def fit(segments: Sequence[Array], orders: Sequence[int]) -> list[Model]:
    """Models of several orders of the same segments, for the price of the highest.

    Args:
        segments: see `burg`.
        orders: any number of them, in any order.

    Returns:
        one model per order; silence has the variance 0.
    """
    k = reflections(segments, max(orders, default=0))
    count = sum(x.size for x in segments)
    power = sum(float(x @ x) for x in segments) / max(count, 1)
    left = np.concatenate([[1.0], np.maximum(np.cumprod(1.0 - k**2), PREDICTABLE)])
    return [Model(a, power * float(left[m])) for m, a in zip(orders, polynomials(k, orders), strict=True)]


def burg(segments: Sequence[Array], order: int) -> Array:
    """The autoregressive polynomial that predicts all segments best, forwards and backwards.

    Args:
        segments: one-dimensional arrays of consecutive known samples; those too short to say anything are ignored.
        order: number of coefficients; what the segments cannot determine is zero.

    Returns:
        (order + 1,), starting with 1.
    """
    return polynomials(reflections(segments, order), [order])[0]


def reflections(segments: Sequence[Array], order: int) -> Array:
    """Reflection coefficients of Burg's method, from which the models of every lower order follow.

    Args:
        segments: see `burg`.
        order: number of coefficients.

    Returns:
        (order,), each within -1 to 1; zero from the order on that the segments cannot determine.
    """
    from scipy.linalg.blas import drotm

    k = np.zeros(order)
    known = [x for x in segments if x.size > 1]
    peak = max((float(np.abs(x).max()) for x in known), default=0.0)
    if peak == 0.0:
        return k
    # f[n] and g[n-1] sit at the same index. All segments lie in one row; a pair that reaches across a joint is zero
    # from the stage on at which it does, and stays so, which spares a call per segment and stage.
    row = np.concatenate(known) / peak
    f, g = row[1:].copy(), row[:-1].copy()
    joints = np.cumsum([x.size for x in known])[:-1].tolist()
    for b in joints:
        f[b - 1] = g[b - 1] = 0.0
    total, power, step = _power(f, g), 0.0, np.zeros(5)
    for m in range(min(order, f.size)):
        if m < RESUM or m % RESUM == 0:  # the first stages take out most of the power, and with it digits
            power = _power(f, g)
        if power <= PREDICTABLE * total:
            break
        k[m] = step[2] = step[3] = reflection = min(max(-2.0 * float(f.dot(g)) / power, -1.0), 1.0)
        drotm(f, g, step, overwrite_x=1, overwrite_y=1)  # the rotation [[1, k], [k, 1]] of the pairs
        power = power * (1.0 - reflection**2) - f.item(0) ** 2 - g.item(-1) ** 2
        f, g = f[1:], g[:-1]
        for b in joints:
            power -= _silence(f, b - 1) + _silence(g, b - m - 2)
    return k


def _power(f: Array, g: Array) -> float:
    return float(f @ f) + float(g @ g)


def _silence(x: Array, at: int) -> float:
    """Set a sample to zero, where there is one; return the power that it had."""
    if not 0 <= at < x.size:
        return 0.0
    value = x.item(at)
    x[at] = 0.0
    return value * value


def polynomials(k: Array, orders: Sequence[int]) -> list[Array]:
    """The models of several orders that share their reflection coefficients.

    Args:
        k: (highest order,), from `reflections`.
        orders: each at most `k.size`.

    Returns:
        one array (order + 1,) per order, starting with 1.
    """
    from scipy.linalg.blas import drotm

    top = max(orders, default=0)
    a, reverse = np.zeros(top + 1), np.zeros(top + 1)  # reverse grows to the left: a_{m-1} ... a_0 end its row
    a[0] = reverse[top] = 1.0
    found = {0: a[:1].copy()}
    wanted, step = set(orders), np.zeros(5)
    for m in range(1, top + 1):
        step[2] = step[3] = k[m - 1]
        drotm(a[1 : m + 1], reverse[top + 1 - m :], step, overwrite_x=1, overwrite_y=1)
        reverse[top - m] = a[m]
        if m in wanted:
            found[m] = a[: m + 1].copy()
    return [found[m] for m in orders]
