"""The lattice of Burg's method (`caesura.autoregression.burg`), in place and in as few passes over memory as can be."""

from __future__ import annotations

__all__ = ["PREDICTABLE", "run_lattice"]

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Errors = NDArray[np.floating]

PREDICTABLE = 1e-15  # of the power: what is left after prediction is then rounding, not signal
DOUBLE = 64  # stages in double precision; they take out most of the power, and single precision does for what is left
SINGLE = 1e-7  # of that power: where less is left, its rounding would count
BLOCK = 256  # samples of the lattice that count the same: weights are much smoother
RESUM = 16  # stages after which the power is summed afresh, so that rounding cannot build up in its recursion


def run_lattice(f: Errors, g: Errors, joints: list[int], k: Array, counts: Errors | None) -> None:
    """Write all reflection coefficients into `k`: the first stages in double, the rest in single precision.

    Args:
        f: (samples - 1,), forward errors, to be overwritten.
        g: (samples - 1,), the backward errors of the samples before.
        joints: first samples of all segments but the first.
        k: (order,), zero; what the segments cannot determine stays so.
        counts: (samples,), square roots of what residuals count; None where they all count the same.
    """
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


def _power(f: Errors, g: Errors) -> float:
    return float(f.dot(f)) + float(g.dot(g))


def _silence(x: Errors, at: int) -> float:
    """Set a sample to zero, where there is one; return the power that it had."""
    if not 0 <= at < x.size:
        return 0.0
    value = x.item(at)
    x[at] = 0.0
    return value * value
