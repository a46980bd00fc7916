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

from caesura.autoregression.threads import one_thread

Array = NDArray[np.float64]
Errors = NDArray[np.floating]

FLOOR = 1e-4
"""Noise added to what models are estimated from, relative to its level: 80 dB below. Codecs leave parts of the spectrum
empty, and differently so from frame to frame; a model that knows them to be empty lets nothing else count."""
PREDICTABLE = 1e-15  # of the power: what is left after prediction is then rounding, not signal
DOUBLE = 64  # stages in double precision; they take out most of the power, and single precision does for what is left
SINGLE = 1e-7  # of that power: where less is left, its rounding would count
LEAF = 16  # stages of the lattice that are multiplied one by one, before products of many are
BLOCK = 256  # samples of the lattice that count the same: weights are much smoother
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
        _lattice(f, g, joints, k, counts)
    return k


def _lattice(f: Errors, g: Errors, joints: list[int], k: Array, counts: Errors | None) -> None:
    """Write all reflection coefficients into `k`: the first stages in double, the rest in single precision."""
    floor, pairs = PREDICTABLE * _power(f, g), f.size
    f, g = _stages(f, g, joints, k[:DOUBLE], 0, floor, counts)
    if f.size == 0 or f.size > pairs - DOUBLE or k.size <= DOUBLE:  # nothing is left to predict, or to be found
        return
    left = _power(f, g)
    unit = math.sqrt(max(left, floor) / f.size)
    rest = (f / unit).astype(np.float32), (g / unit).astype(np.float32)
    single = None if counts is None else counts.astype(np.float32)
    end = unit**2 * _power(*_stages(*rest, joints, k[DOUBLE:], DOUBLE, floor / unit**2, single))
    if end < SINGLE * left:  # so predictable that its rounding would count
        k[DOUBLE:] = 0.0
        _stages(f, g, joints, k[DOUBLE:], DOUBLE, floor, counts)


def _stages(
    f: Errors, g: Errors, joints: list[int], k: Array, first: int, floor: float, counts: Errors | None
) -> tuple[Errors, Errors]:
    """Stages `first` and on of the lattice, as many as `k` has room for; returns the errors after the last.

    The backward errors are kept as g / scale, for then a stage is f += k g followed by g = k f + (1 - k^2) g, two
    vector additions in place.
    """
    from scipy.linalg.blas import daxpy, saxpy

    add = daxpy if f.dtype == np.float64 else saxpy
    sums = _Sums() if counts is None else _WeightedSums(counts)
    scale = 1.0
    for i in range(min(k.size, f.size)):
        if first + i < RESUM or i % RESUM == 0:  # the first stages take out most of the power and its digits
            sums.afresh(f, g, scale, first + i)
        if sums.power <= floor:
            break
        r = -2.0 * scale * sums.product(f, g) / sums.power
        if not -1.0 < r < 1.0:
            r = math.copysign(1.0, r)  # beyond by rounding
        k[i] = r
        kept = max(1.0 - r * r, PREDICTABLE)
        add(g, f, a=r * scale)
        scale *= kept
        add(f, g, a=r / scale)
        sums.power *= kept
        sums.lose(0, f.item(0) ** 2)
        sums.lose(g.size - 1, (scale * g.item(-1)) ** 2)
        f, g = f[1:], g[:-1]
        for b in joints:
            sums.lose(b - 1, _silence(f, b - 1))
            sums.lose(b - first - i - 2, scale * scale * _silence(g, b - first - i - 2))
    return f, scale * g


class _Sums:
    """The sums of a stage, over pairs of a forward and a backward error."""

    power = 0.0
    """The sum of f^2 + g^2; carried from stage to stage, since a stage takes the share k^2 of it."""

    def product(self, f: Errors, g: Errors) -> float:
        """The sum of f g."""
        return float(f.dot(g))

    def afresh(self, f: Errors, g: Errors, scale: float, stage: int) -> None:
        """Sum the power anew; `stage` says how far apart the errors of a pair are."""
        self.power = _power(f, scale * g)

    def lose(self, at: int, energy: float) -> None:
        """Take out what a pair no longer holds."""
        self.power -= energy


class _WeightedSums(_Sums):
    """The sums where every sample counts `counts`, and every pair the product of both: the same in a block."""

    def __init__(self, counts: Errors) -> None:
        self.counts = counts
        self.blocks = np.zeros(0, counts.dtype)

    def product(self, f: Errors, g: Errors) -> float:
        rows = f.size // BLOCK
        whole = rows * BLOCK
        rest = float(f[whole:].dot(g[whole:]))
        if rows == 0:
            return self.blocks.item(0) * rest
        each = np.vecdot(f[:whole].reshape(rows, BLOCK), g[:whole].reshape(rows, BLOCK))
        return float(self.blocks[:rows].dot(each)) + (self.blocks.item(rows) * rest if whole < f.size else 0.0)

    def afresh(self, f: Errors, g: Errors, scale: float, stage: int) -> None:
        # Until the next time the weights lag behind by a few samples: they are smooth.
        pairs = self.counts[stage + 1 :] * self.counts[: f.size]
        self.blocks = np.pad(pairs, (0, -pairs.size % BLOCK), mode="edge").reshape(-1, BLOCK).mean(axis=1)
        self.power = self.product(f, f) + scale**2 * self.product(g, g)

    def lose(self, at: int, energy: float) -> None:
        if energy:
            self.power -= self.blocks.item(at // BLOCK) * energy


@lru_cache(maxsize=16)  # the contexts of one recording have few sizes
def white_noise(count: int) -> Array:
    """White noise of unit power (count,), the same every time."""
    return np.random.default_rng(0).standard_normal(count)


def _power(f: Errors, g: Errors) -> float:
    return float(f.dot(f)) + float(g.dot(g))


def _silence(x: Errors, at: int) -> float:
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
