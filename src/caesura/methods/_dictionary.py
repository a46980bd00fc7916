"""A unitary combination of neighbouring bins that makes the spectra of the context sparser.

    min |U X|_1 over U = R_L ... R_2 R_1,    columns of X: spectra of windows that lack nothing

Every R turns pairs of neighbouring bins (2j, 2j + 1), or (2j + 1, 2j + 2) in every other layer, in their plane. No two
pairs of a layer share a bin, so the best direction of each turn follows from the gradient at rest,

    a' = cos(t) a + sin(t) w b,   b' = cos(t) b - sin(t) conj(w) a,   w = -conj(q) / |q|,
    q = sum_n conj(sgn a_n) b_n - conj(a_n) sgn b_n,

and its angle t from a search over a few values, for all pairs at once; the norm never rises. The published method
solves a convex program for a tridiagonal exponent instead. The bins at 0 Hz and at the Nyquist frequency, if any, are
left alone.

References:
    G. Taubock, S. Rajbamshi, P. Balazs, "Dictionary learning for sparse audio inpainting", IEEE Journal of Selected
        Topics in Signal Processing 15, 2021.
"""

from __future__ import annotations

__all__ = ["Rotated", "Turn", "context_spectra", "learn"]

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.gabor import Gabor
from caesura.methods._sparse import Grid, Mask, Neighbourhood, Real
from caesura.problem import Region, runs

LAYERS = 8
ANGLES = np.float32(np.pi / 4) * np.float32(2.0) ** -np.arange(6, dtype=np.float32)  # radians
REACH = 4.0  # windows of context to learn from on either side
HOPS = 8  # training windows per window length


@dataclass(frozen=True, eq=False)
class Turn:
    """One layer: bins `first`, `first + 1`, `first + 2`, ... are turned two by two."""

    first: int
    """The lowest bin turned."""
    cosine: NDArray[np.floating[Any]]
    """cos t of each pair (pairs,)."""
    sine: Grid
    """w sin t of each pair (pairs,)."""

    def apply(self, z: Grid, sign: int) -> None:
        """Turn (`sign` 1) or turn back (-1) the last axis of `z`, in place."""
        stop = self.first + 2 * self.cosine.size
        a, b = z[..., self.first : stop : 2], z[..., self.first + 1 : stop : 2]
        turned = self.cosine * a + (sign * self.sine) * b
        b *= self.cosine
        b -= np.conj(sign * self.sine) * a
        a[...] = turned


@dataclass(frozen=True, eq=False)
class Rotated:
    """A Gabor frame followed by turns of its bins: again a tight frame."""

    frame: Gabor
    """The frame."""
    turns: tuple[Turn, ...]
    """The layers of U."""

    def encode(self, x: Real) -> Grid:
        """Coefficients (..., frames, bins) of a signal (..., samples)."""
        z = self.frame.encode(x)
        for turn in self.turns:
            turn.apply(z, 1)
        return z

    def decode(self, z: Grid, samples: int) -> Real:
        """Adjoint of `encode`."""
        z = np.array(z)
        for turn in reversed(self.turns):
            turn.apply(z, -1)
        return self.frame.decode(z, samples)


def learn(x: Grid, layers: int = LAYERS) -> tuple[Turn, ...]:
    """Turns that lower the sum of the magnitudes of spectra (windows, bins)."""
    x = np.array(x)
    if not len(x):
        return ()
    turns = []
    for layer in range(layers):
        turn = _turn(x, 1 + layer % 2)
        turn.apply(x, 1)
        turns.append(turn)
    return tuple(turns)


def _turn(x: Grid, first: int) -> Turn:
    """The turn of the pairs from bin `first` on that lowers the norm most."""
    pairs = (x.shape[-1] - 1 - first) // 2
    a, b = x[:, first : first + 2 * pairs : 2], x[:, first + 1 : first + 2 * pairs : 2]
    slope = (np.conj(_sign(a)) * b - np.conj(a) * _sign(b)).sum(axis=0)
    size = np.abs(slope)
    direction = -np.conj(slope) / np.where(size > 0.0, size, 1.0)
    norm, best = (np.abs(a) + np.abs(b)).sum(axis=0), np.zeros_like(size)
    turned = direction * b
    for angle in ANGLES:
        cosine, sine = np.cos(angle), np.sin(angle)
        value = (np.abs(cosine * a + sine * turned) + np.abs(cosine * turned - sine * a)).sum(axis=0)
        better = value < norm
        norm[better], best[better] = value[better], angle
    return Turn(first, np.cos(best), np.sin(best) * direction)


def _sign(z: Grid) -> Grid:
    size = np.abs(z)
    return np.asarray(z / np.where(size > 0.0, size, 1.0))


def context_spectra(y: NDArray[np.float64], reliable: Mask, gap: Region, hood: Neighbourhood) -> Grid:
    """Spectra of the windows near a gap that lack nothing (windows, bins), scaled like the neighbourhood."""
    frame = hood.frame
    reach = round(REACH * frame.win_length)
    found = [np.zeros((0, frame.bins), np.complex64)]
    for start, stop in ((max(gap.start - reach, 0), gap.start), (gap.stop, min(gap.stop + reach, y.size))):
        for first, last in runs(reliable[start:stop]):
            if last - first >= frame.win_length:
                part = (y[start + first : start + last] / hood.peak).astype(np.float32)
                dense = replace(frame, hop_length=max(frame.win_length // HOPS, 1), centre=frame.win_length // 2)
                found.append(dense.encode(part))
    return np.concatenate(found)
