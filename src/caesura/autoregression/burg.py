"""Burg's method over several segments: one autoregressive model of everything that is known, nothing of what is not.

At stage m the forward errors f and the backward errors g of every segment give one reflection coefficient,

    k_m = -2 sum_s sum_n f[n] g[n-1] / sum_s sum_n (f[n]^2 + g[n-1]^2),

with the sums taken over all segments s, so that no product ever reaches across a gap; then f[n] += k g[n-1] and
g[n] = g[n-1] + k f[n]. Where residuals count q[n] (`caesura.autoregression.innovations`), every product and every
square counts sqrt(q[n] q[n-m]), for the errors at both ends of what the stage spans. The Levinson recursion turns
k_1..k_p into the polynomial a = [1, a_1, ..., a_p] whose residual e[n] = sum_i a_i x[n-i] is white. |k_m| <= 1 by
construction, so the model is stable.

References:
    J. P. Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford 1975.
    S. de Waele, P. M. T. Broersen, "The Burg algorithm for segments", IEEE Trans. Signal Processing 48, 2000.
"""

from __future__ import annotations

__all__ = ["FLOOR", "Model", "burg", "fit", "polynomials", "reflections", "white_noise"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.lattice import PREDICTABLE, run_lattice
from caesura.autoregression.threads import one_thread

Array = NDArray[np.float64]

FLOOR = 1e-4
"""Noise added to what models are estimated from, relative to its level: 80 dB below. Codecs leave parts of the spectrum
empty, and differently so from frame to frame; a model that knows them to be empty lets nothing else count."""
LEAF = 16  # stages of the lattice that are multiplied one by one, before products of many are


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


def fit(
    segments: Sequence[Array],
    orders: Sequence[int],
    *,
    floor: float = FLOOR,
    weights: Sequence[Array] | None = None,
) -> list[Model]:
    """Models of several orders of the same segments, for the price of the highest.

    Args:
        segments: see `burg`.
        orders: any number of them, in any order.
        floor: see `burg`.
        weights: see `reflections`.

    Returns:
        one model per order; silence has the variance 0.
    """
    k = reflections(segments, max(orders, default=0), floor=floor, weights=weights)
    count = sum(x.size for x in segments)
    power = sum(float(x @ x) for x in segments) / max(count, 1)
    left = np.concatenate([[1.0], np.maximum(np.cumprod(1.0 - k**2), PREDICTABLE)])
    return [Model(a, power * float(left[m])) for m, a in zip(orders, polynomials(k, orders), strict=True)]


def burg(segments: Sequence[Array], order: int, *, floor: float = FLOOR) -> Array:
    """The autoregressive polynomial that predicts all segments best, forwards and backwards.

    Args:
        segments: one-dimensional arrays of consecutive known samples; those too short to say anything are ignored.
        order: number of coefficients; what the segments cannot determine is zero.
        floor: white noise that every spectrum is taken to hold at least, relative to the level of the segments.

    Returns:
        (order + 1,), starting with 1.
    """
    return polynomials(reflections(segments, order, floor=floor), [order])[0]


def reflections(
    segments: Sequence[Array], order: int, *, floor: float = FLOOR, weights: Sequence[Array] | None = None
) -> Array:
    """Reflection coefficients of Burg's method, from which the models of every lower order follow.

    Args:
        segments: see `burg`.
        order: number of coefficients.
        floor: see `burg`.
        weights: what residuals count, as long as the segments; positive. All the same where none are given.

    Returns:
        (order,), each within -1 to 1; zero from the order on that the segments cannot determine.
    """
    k = np.zeros(order)
    known = [x for x in segments if x.size > 1]
    peak = max((float(np.abs(x).max()) for x in known), default=0.0)
    if peak == 0.0:
        return k
    # f[n] and g[n-1] sit at the same index. All segments lie in one row; a pair that reaches across a joint is zero
    # from the stage on at which it does, and stays so, which spares a call per segment and stage.
    row = np.concatenate(known) / peak
    row += floor * math.sqrt(float(row.dot(row)) / row.size) * white_noise(row.size)
    counts = None if weights is None else np.sqrt(np.concatenate([q for q in weights if q.size > 1]))
    f, g = row[1:].copy(), row[:-1].copy()
    joints = np.cumsum([x.size for x in known])[:-1].tolist()
    for b in joints:
        f[b - 1] = g[b - 1] = 0.0
    with one_thread():
        run_lattice(f, g, joints, k, counts)
    return k


@lru_cache(maxsize=16)  # the contexts of one recording have few sizes
def white_noise(count: int) -> Array:
    """White noise of unit power (count,), the same every time."""
    return np.random.default_rng(0).standard_normal(count)


def polynomials(k: Array, orders: Sequence[int]) -> list[Array]:
    """The models of several orders that share their reflection coefficients.

    Args:
        k: (highest order,), from `reflections`.
        orders: each at most `k.size`.

    Returns:
        one array (order + 1,) per order, starting with 1.
    """
    return [_polynomial(k[:order]) for order in orders]


def _polynomial(k: Array) -> Array:
    """Levinson's recursion as a product of its stages [[1, k w], [k, w]], w the delay: pairs of blocks, then pairs.

    The second row of a product of n stages is the first one mirrored: w^n p(1 / w).
    """
    from scipy.fft import irfft, next_fast_len, rfft

    blocks = 1 << max(math.ceil(math.log2(max(k.size, 1) / LEAF)), 0)
    stages = np.pad(k, (0, blocks * LEAF - k.size)).reshape(blocks, LEAF)  # stages without reflection add nothing
    p = np.zeros((blocks, 2, LEAF + 1))  # first row of each product: two polynomials in w
    p[:, 0, 0] = 1.0
    p[:, 1, 1] = stages[:, 0]
    for n in range(1, LEAF):
        delayed = p[:, ::-1, n::-1] * stages[:, n, None, None]  # w^n p(1 / w), its columns in place
        p[:, :, 1 : n + 2] += delayed
    while len(p) > 1:
        n = p.shape[-1] - 1
        length = next_fast_len(2 * n + 1, real=True)
        early, late = p[0::2], rfft(p[1::2], length)
        product = late[:, :1] * rfft(early, length) + late[:, 1:] * rfft(early[:, ::-1, ::-1], length)
        p = irfft(product, length)[..., : 2 * n + 1]
    a = (p[0, 0] + p[0, 1])[: k.size + 1]
    a[0] = 1.0
    return np.asarray(a)
