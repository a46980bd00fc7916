"""Symmetric positive definite Toeplitz systems: products by FFT, the inverse by its first column, several gaps at once.

The inverse of a Toeplitz matrix with the first column u is (Gohberg and Semencul)

    T^-1 = (L L' - U U') / u_0,    L with first column u, U with first column (0, u_{h-1}, ..., u_1).

References:
    I. C. Gohberg, A. A. Semencul, "On the inversion of finite Toeplitz matrices", Mat. Issled. 2, 1972.
    M. R. Hestenes, E. Stiefel, "Methods of conjugate gradients for solving linear systems", J. Res. NBS 49, 1952.
"""

from __future__ import annotations

__all__ = ["ToeplitzInverse", "autocorrelation", "conjugate_gradients", "convolve", "triangular"]

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE = 1e-11  # of the right-hand side, where conjugate gradients stop
ITERATIONS = 200  # at most; the preconditioner leaves only what neighbouring gaps say of each other
DIRECT = 64  # coefficients up to which a sum is faster than a transform


def autocorrelation(a: Array, lags: int) -> Array:
    """b_k = sum_i a_i a_{i+k} for k = 0 .. lags - 1.

    Args:
        a: (order + 1,).
        lags: how many; those past the order are zero.

    Returns:
        (lags,).
    """
    b = np.zeros(max(lags, a.size))
    b[: a.size] = convolve(a, a[::-1])[a.size - 1 :]
    return b[:lags]


def convolve(x: Array, y: Array) -> Array:
    """Full convolution (x.size + y.size - 1,), by FFT where that is faster; lighter to import than scipy.signal."""
    from scipy.fft import irfft, next_fast_len, rfft

    if min(x.size, y.size) <= DIRECT:
        return np.convolve(x, y)
    size = x.size + y.size - 1
    length = next_fast_len(size, real=True)
    return np.asarray(irfft(rfft(x, length) * rfft(y, length), length)[:size])


class Triangular(Protocol):
    """Product with a lower triangular Toeplitz matrix or its transpose."""

    def __call__(self, v: Array, *, transposed: bool = False) -> Array:
        """The product with the rows of `v` (..., size)."""


def triangular(column: Array, size: int) -> Triangular:
    """The lower triangular Toeplitz matrix with a given first column.

    Args:
        column: (at most size,), zero from there on.
        size: rows and columns.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    length = next_fast_len(size + column.size - 1, real=True)
    spectrum = rfft(column, length)

    def product(v: Array, *, transposed: bool = False) -> Array:
        u = v[..., ::-1] if transposed else v
        w = irfft(spectrum * rfft(u, length), length)[..., :size]
        return np.asarray(w[..., ::-1] if transposed else w)

    return product


class ToeplitzInverse:
    """The inverse of a symmetric positive definite Toeplitz matrix."""

    def __init__(self, column: Array) -> None:
        from scipy.linalg import solve_toeplitz

        unit = np.zeros(column.size)
        unit[0] = 1.0
        self.first: Array = np.asarray(solve_toeplitz(column, unit))
        self.mirrored: Array = np.concatenate([[0.0], self.first[:0:-1]])

    def __call__(self, v: Array) -> Array:
        """The solution for a right-hand side (size,)."""
        low, up = triangular(self.first, v.size), triangular(self.mirrored, v.size)
        solution = low(low(v, transposed=True)) - up(up(v, transposed=True))
        return np.asarray(solution / self.first[0])

    def diagonal(self) -> Array:
        """Diagonal of the inverse (size,)."""
        return np.asarray(np.cumsum(self.first**2 - self.mirrored**2) / self.first[0])


def conjugate_gradients(
    multiply: Callable[[Array], Array], right: Array, blocks: Sequence[NDArray[np.intp]], column: Array
) -> Array:
    """Solve a positive definite system whose diagonal blocks are Toeplitz.

    Args:
        multiply: product with the matrix.
        right: (size,), right-hand side.
        blocks: indices of every block.
        column: first column of the blocks, as long as the longest.

    Returns:
        (size,).
    """
    inverses = {size: ToeplitzInverse(column[:size]) for size in {block.size for block in blocks}}

    def precondition(r: Array) -> Array:
        z = np.empty_like(r)
        for block in blocks:
            z[block] = inverses[block.size](r[block])
        return z

    x = precondition(right)
    r = right - multiply(x)
    z = precondition(r)
    p, rz = z.copy(), float(r @ z)
    limit = TOLERANCE * float(np.linalg.norm(right))
    for _ in range(ITERATIONS):
        if np.linalg.norm(r) <= limit or rz <= 0.0:
            break
        q = multiply(p)
        alpha = rz / float(p @ q)
        x += alpha * p
        r -= alpha * q
        z = precondition(r)
        rz, before = float(r @ z), rz
        p = z + (rz / before) * p
    return x
