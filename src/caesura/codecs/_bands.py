"""Triangular mel bands of unit peak, and the way back from them to a spectrum.

    B[f, k] = max(min((h_k - e_f) / (e_{f+1} - e_f), (e_{f+2} - h_k) / (e_{f+2} - e_{f+1})), 0)
    A <- max(A + B* (B B*)^-1 (S - B A), 0),   A_0 = 0

h_k are the frequencies of the bins; the edges e are evenly spaced on the scale m(h) = 2595 log10(1 + h / 700). Only
neighbouring bands overlap, so B B* is tridiagonal: the first round is the least squares solution of least norm, a
handful of rounds alternate between what agrees with the bands and what is not negative. Nothing depends on how many
frames there are.

References:
    D. O'Shaughnessy, "Speech communication: human and machine", Addison-Wesley, 1987 (the scale).
    S. Boyd, J. Dattorro, "Alternating projections", Stanford University, 2003.
"""

from __future__ import annotations

__all__ = ["Bands"]

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

Array = NDArray[np.float64]

ROUNDS = 4  # leave about a thousandth of a recording's bands; a step of grey near black is sixteen times that


@dataclass(frozen=True)
class Bands:
    """Mel bands of spectra with `bins` bins, `spacing` hertz apart."""

    count: int
    """Bands."""
    low: float
    """Lower edge of the lowest one in hertz."""
    high: float
    """Upper edge of the highest one in hertz."""
    bins: int
    """Of the spectrum, from 0 Hz up."""
    spacing: float
    """Hertz from bin to bin."""

    @cached_property
    def edges(self) -> Array:
        """Corners of the triangles in hertz (count + 2,)."""
        first, last = (2595.0 * np.log10(1.0 + hertz / 700.0) for hertz in (self.low, self.high))
        return 700.0 * (10.0 ** (np.linspace(first, last, self.count + 2) / 2595.0) - 1.0)

    @cached_property
    def matrix(self) -> Any:
        """B, sparse (count, bins)."""
        hertz = np.arange(self.bins) * self.spacing
        low, centre, high = (self.edges[k : k + self.count] for k in range(3))
        rows = []
        for a, b, c in zip(low, centre, high, strict=True):
            first, last = np.searchsorted(hertz, (a, c))
            near = hertz[first:last]
            values = np.minimum((near - a) / (b - a), (c - near) / (c - b))
            rows.append(
                sparse.csr_array((values, (np.zeros(values.size, int), np.arange(first, last))), (1, self.bins))
            )
        matrix = sparse.vstack(rows, format="csr")
        matrix.eliminate_zeros()
        return matrix

    def apply(self, magnitude: Array) -> Array:
        """Bands (..., count, frames) of spectra (..., bins, frames)."""
        return self._columnwise(self.matrix, magnitude)

    def spectra(self, mel: Array, rounds: int = ROUNDS) -> Array:
        """Spectra without negative values whose bands are these.

        Args:
            mel: (..., count, frames).
            rounds: how often both demands are met in turn; 1 is the least squares solution, cut off at zero.

        Returns:
            (..., bins, frames).
        """
        matrix = self.matrix[:, : self.matrix.indices.max(initial=-1) + 1]  # above the highest band there is nothing
        adjoint = matrix.T.tocsr()
        lead = mel.shape[:-2]
        wanted = np.moveaxis(mel, -2, 0).reshape(self.count, -1)
        found = np.zeros((matrix.shape[1], wanted.shape[1]))
        for done in range(rounds):
            rest = wanted - matrix @ found if done else wanted
            found += adjoint @ linalg.solveh_banded(self._gram, rest)
            np.maximum(found, 0.0, out=found)
        found = np.pad(found, ((0, self.bins - len(found)), (0, 0)))
        return np.moveaxis(found.reshape(self.bins, *lead, mel.shape[-1]), 0, -2)

    @cached_property
    def _gram(self) -> Array:
        """B B* as `solveh_banded` wants it (2, count); a band without a bin stands alone."""
        gram = (self.matrix @ self.matrix.T).tocsr()
        diagonal, beside = gram.diagonal(), gram.diagonal(1)
        return np.stack([np.concatenate(([0.0], beside)), np.where(diagonal > 0.0, diagonal, 1.0)])

    def _columnwise(self, matrix: Any, x: Array) -> Array:
        columns = np.moveaxis(x, -2, 0)
        made = matrix @ columns.reshape(columns.shape[0], -1)
        return np.moveaxis(made.reshape(matrix.shape[0], *columns.shape[1:]), 0, -2)
