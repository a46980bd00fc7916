"""Burg's method for many gaps at once: the same models as `burg`, from products that are summed once.

A lattice passes over all samples at every stage; for thousands of clicks, each with a model of its own, that is all
the time there is. With R the matrix whose form a' R a is the error energy, forwards and backwards, of a model of order
m, and u = [a, 0], Burg's reflection coefficient is

    k = -g' J u / g' u,    g = R u,    J turns around,

and from a stage to the next R loses one product at either end of every segment: with s and t the m + 2 samples there,

    R_{m+2} [a, 0] = [R_{m+1} a - s s' a - t t' a,  q' J a],    R_{m+1} a = g + k J g,

where q_d = sum over the segments of 2 c_d less what fell off, c the autocorrelation. So a stage costs as many
operations as the model has coefficients, not as the context has samples, and all gaps take it together.

References:
    J. P. Burg, "Maximum entropy spectral analysis", PhD thesis, Stanford 1975.
    K. Vos, "A fast implementation of Burg's method", 2013.
"""

from __future__ import annotations

__all__ = ["burg_many"]

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import FLOOR, white_noise

Array = NDArray[np.float64]

WHITE = 1e-13  # of the power, so that rounding in the recursion is never taken for signal


def burg_many(gaps: Sequence[Sequence[Array]], order: int) -> tuple[Array, Array]:
    """The models of many gaps.

    Args:
        gaps: for every gap the known segments beside it, each longer than `order` samples.
        order: number of coefficients.

    Returns:
        polynomials (gaps, order + 1) starting with 1, and residual powers (gaps,), 0 for silence.
    """
    count = np.array([sum(x.size for x in own) for own in gaps])
    c, edges = _products([_floored(own) for own in gaps], order)
    power = np.array([sum(float(x.dot(x)) for x in own) for own in gaps])
    c[:, 0] += WHITE * power + np.finfo(float).tiny
    a, left = _stages(c, edges, order)
    return a, np.where(power > 0.0, power / np.maximum(count, 1) * left, 0.0)


def _floored(segments: Sequence[Array]) -> list[Array]:
    """The segments of one gap with the noise that `burg` adds to them."""
    row = np.concatenate(segments)
    row += FLOOR * math.sqrt(float(row.dot(row)) / row.size) * white_noise(row.size)
    return np.split(row, np.cumsum([x.size for x in segments])[:-1])


def _products(gaps: Sequence[Sequence[Array]], order: int) -> tuple[Array, Array]:
    """Autocorrelations (gaps, order + 1), and the ends of all segments (gaps, ends, order + 1), outermost last."""
    from scipy.fft import irfft, next_fast_len, rfft

    c = np.zeros((len(gaps), order + 1))
    edges = np.zeros((len(gaps), 2 * max(map(len, gaps)), order + 1))
    longest = max(x.size for own in gaps for x in own)
    length = next_fast_len(longest + order, real=True)
    for k, own in enumerate(gaps):
        for n, x in enumerate(own):
            c[k] += irfft(np.abs(rfft(x, length)) ** 2, length)[: order + 1]
            edges[k, 2 * n], edges[k, 2 * n + 1] = x[order::-1], x[x.size - order - 1 :]
    return c, edges


def _stages(c: Array, edges: Array, order: int) -> tuple[Array, Array]:
    """All stages of all gaps: polynomials (gaps, order + 1), and the share of the power that is left (gaps,)."""
    count = len(c)
    a, g, q = np.zeros((3, count, order + 2))
    left = np.ones(count)
    a[:, 0] = 1.0
    first = edges[:, :, -1]
    # g = R_1 [1, 0]; q_1 is its second entry.
    q[:, 1] = 2.0 * c[:, 1]
    g[:, 0] = 2.0 * c[:, 0] - np.sum(first**2, axis=1)
    g[:, 1] = q[:, 1]
    for m in range(order):
        u, h = a[:, : m + 2], g[:, : m + 2]
        mirrored = u[:, ::-1].copy()
        turned = h[:, ::-1].copy()
        energy = np.einsum("gi,gi->g", h, u)
        k = -np.einsum("gi,gi->g", h, mirrored) / np.where(energy > 0.0, energy, np.inf)
        k = np.clip(k, -1.0, 1.0)
        mirrored *= k[:, None]
        turned *= k[:, None]
        u += mirrored
        h += turned
        left *= np.maximum(1.0 - k * k, 0.0)
        if m + 1 == order:
            break
        # The samples that fall off: from the start backwards, and from the end forwards.
        off = edges[:, :, order - m - 1 :]
        said = off @ u[:, :, None]
        h -= (said.transpose(0, 2, 1) @ off)[:, 0]
        q[:, 1 : m + 2] -= (off[:, None, :, 0] @ off)[:, 0, 1:]
        q[:, m + 2] = 2.0 * c[:, m + 2]
        g[:, m + 2] = np.einsum("gi,gi->g", q[:, m + 2 : 0 : -1], u)
    return a[:, : order + 1], left
