"""Bands of a nonstationary Gabor transform on a logarithmic frequency scale: centres, widths, frames, windows.

On a grid of n frequency bins a signal sampled at r has the centres p_k = f_k n / r between p_0 = 0 and p_{K+1} = n / 2,

    f_k = f_min 2^(O k / (K - 1))  ("checkpoint")   or   f_min 2^(o + k / B_o)  ("exact"),    f_min = r / 2^(O + 1)
    L_k = round(p_{k+1} - p_{k-1}),    T_o = 2^ceil(log2 max L_k)  over the bands k of octave o

and band k looks at the L_k bins around round(p_k) through a window g_k. Since L_k <= T_o, the frame operator is
diagonal in frequency, S[b] = sum_k M_k g_k(b)^2, and dividing by it inverts the transform.

References:
    P. Balazs, M. Doerfler, F. Jaillet, N. Holighaus, G. Velasco, "Theory, implementation and applications of
        nonstationary Gabor frames", J. Computational and Applied Mathematics 236, 2011.
    G. Velasco, N. Holighaus, M. Doerfler, T. Grill, "Constructing an invertible constant-Q transform with
        nonstationary Gabor frames", DAFx 2011.
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024 (both spacings,
        the window and the response of the bands, as published).
"""

from __future__ import annotations

__all__ = ["Bands", "Spacing", "Window", "lay_out", "window_at"]

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import i0

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Spacing = Literal["checkpoint", "exact"]
Window = Literal["hann", "published"]

NARROWEST = 4  # bins of a window, as published
BELOW_NYQUIST = 1e-6  # hertz that the highest centre stays below the Nyquist frequency, as published
OVERSAMPLING = 16  # points per bin width at which an atom is looked at
BESSEL_BETA = 1.0  # shape of the published window, which is almost a rectangle


@dataclass(frozen=True, eq=False)
class Bands:
    """Where the bands lie; band 0 holds 0 Hz, the last one the Nyquist frequency, those between are the octaves'."""

    grid: int
    """Samples of the padded signal, n; even."""
    centers: Ints
    """Frequency bin of each centre (bands,)."""
    widths: Ints
    """Frequency bins that each window covers (bands,)."""
    bins: tuple[int, ...]
    """Bands of each octave, lowest first."""
    frames: tuple[int, ...]
    """Frames of each octave, T_o."""
    window: Window
    """Which window."""
    spacing: Spacing
    """Which rule the centres follow."""

    def octave(self, o: int) -> slice:
        """The bands of octave `o`."""
        first = 1 + sum(self.bins[:o])
        return slice(first, first + self.bins[o])

    def slots(self, o: int) -> tuple[Ints, Reals]:
        """Frequency bin and window of what each Fourier coefficient of an octave's frames looks at.

        Returns:
            bins (bands, frames) from 0 to n / 2 and windows (bands, frames), zero where a slot looks at nothing.
        """
        frames, band = self.frames[o], self.octave(o)
        offset = (np.arange(frames) + frames // 2) % frames - frames // 2
        center, width = self.centers[band, None], self.widths[band, None]
        index = center + offset
        seen = (offset >= -(width // 2)) & (offset < (width + 1) // 2) & (index >= 0) & (index <= self.grid // 2)
        return np.where(seen, index, 0), np.where(seen, window_at(offset, width, self.window), 0.0)

    def half_window(self, band: int) -> Reals:
        """Window of band 0 or of the last one from its centre to its edge, both of which it is symmetric about."""
        width = int(self.widths[band])
        return window_at(np.arange(min((width + 1) // 2, self.grid // 2 + 1)), width, self.window)

    def full_window(self, band: int) -> Reals:
        """Window of a band over all the bins it covers, from the lowest up (width,)."""
        width = int(self.widths[band])
        if band % self.widths.size in (0, self.widths.size - 1):
            half = self.half_window(band)
            return np.concatenate([half[:0:-1], half])
        return window_at(np.arange(-(width // 2), (width + 1) // 2), width, self.window)

    def reach(self, part: slice, leak: float) -> int:
        """Samples on either side of the centre that hold all but the share `leak` of each of these atoms' energy."""
        return max(self._reach_of(band, leak) for band in range(part.start, part.stop))

    def _reach_of(self, band: int, leak: float) -> int:
        window = self.full_window(band)
        points = OVERSAMPLING * window.size
        atom = np.abs(np.fft.fft(window, points)) ** 2
        beyond = np.cumsum(atom[points // 2 : 0 : -1])[::-1]  # energy from that distance on, on one side
        inside = np.flatnonzero(2.0 * beyond <= leak * atom.sum())
        steps = int(inside[0]) + 2 if inside.size else points // 2  # one for the sum's first term, one for its grid
        return min(int(np.ceil(steps * self.grid / points)), self.grid // 2)

    def octaves_diagonal(self) -> Reals:
        """What the octaves contribute to S (n / 2 + 1,)."""
        total = np.zeros(self.grid // 2 + 1)
        for o, frames in enumerate(self.frames):
            index, window = self.slots(o)
            total += frames * np.bincount(index.ravel(), window.ravel() ** 2, total.size)
        return total

    def complete_diagonal(self) -> Reals:
        """S of the octaves and the real bands at both ends (n / 2 + 1,)."""
        low, high = self.half_window(0), self.half_window(-1)
        total = self.octaves_diagonal()
        total[: low.size] += self.widths[0] * low**2
        total[total.size - high.size :] += self.widths[-1] * high[::-1] ** 2
        return total

    def published_diagonal(self) -> Reals:
        """S on all n bins, with the mirror images of the bands weighted as in the published programs (n,)."""
        weights = np.concatenate([[self.widths[0]], np.repeat(self.frames, self.bins), [self._published_top_frames]])
        mirrored = weights[1:-1].copy()
        if self.spacing == "checkpoint":  # an octave's first mirror image carries the frames of the octave below
            starts = np.cumsum(self.bins)[:-1]
            mirrored[starts] = self.frames[:-1]
            mirrored[0] = self.widths[1]
        total = np.zeros(self.grid)
        for center, width, weight in zip(self.centers, self.widths, weights, strict=True):
            self._add(total, int(center), int(width), float(weight))
        for center, width, weight in zip(self.centers[1:-1], self.widths[1:-1], mirrored, strict=True):
            self._add(total, self.grid - int(center), int(width), float(weight))
        return total

    def published_response(self, diagonal: Reals) -> Reals:
        """One minus the share of the bands at both ends, as the published programs compute it (n / 2 + 1,).

        Args:
            diagonal: S on all n bins, from `published_diagonal`.
        """
        share = np.zeros(self.grid)
        for band, frames in ((0, int(self.widths[0])), (-1, self._published_top_frames)):
            width = int(self.widths[band])
            offset = np.arange(-(width // 2), (width + 1) // 2)
            at = (self.centers[band] + offset) % self.grid
            value = frames * window_at(offset, width, self.window) ** 2 / diagonal[at]
            landing = self._published_landing(band, offset)
            np.add.at(share, (self.centers[band] + landing) % self.grid, value)
        half = np.arange(self.grid // 2 + 1)
        return np.asarray(1.0 - 0.5 * (share[half] + share[-half % self.grid]))

    def _published_landing(self, band: int, offset: Ints) -> Ints:
        """Where the published programs put the taps of the bands at both ends; the older one misplaces odd windows."""
        highest = int(offset[-1])
        if self.spacing == "exact" or offset.size % 2 == 0:
            return offset
        if band == 0:
            return np.where(offset == highest, -highest - 1, offset)
        return np.where(offset == highest, -highest, offset + 1)

    @property
    def _published_top_frames(self) -> int:
        return self.frames[-1] if self.spacing == "checkpoint" else int(self.widths[-1])

    def _add(self, total: Reals, center: int, width: int, weight: float) -> None:
        offset = np.arange(-(width // 2), (width + 1) // 2)
        np.add.at(total, (center + offset) % self.grid, weight * window_at(offset, width, self.window) ** 2)


def lay_out(samples: int, sample_rate: float, bins: tuple[int, ...], window: Window, spacing: Spacing) -> Bands:
    """Bands of a signal of that length at that rate; `bins` of each octave, lowest first."""
    grid = samples + samples % 2
    bands = _placed(grid, sample_rate, bins, window, spacing)
    if spacing == "checkpoint":
        return bands
    multiple = 2 * max(bands.frames)
    return _placed(-(-samples // multiple) * multiple, sample_rate, bins, window, spacing)


def window_at(offset: Ints, width: Ints | int, window: Window) -> Reals:
    """A window of that width, in bins, at that distance from its centre; for distances inside it only."""
    if window == "hann":
        return np.asarray(0.5 + 0.5 * np.cos(2.0 * np.pi * offset / width))
    # half a bin off the centre when the width is odd, as published
    sine = np.sin(np.pi * (offset - width // 2) / width)
    return np.asarray(i0(BESSEL_BETA * np.abs(sine)) / (2.0 * i0(BESSEL_BETA)))


def _placed(grid: int, sample_rate: float, bins: tuple[int, ...], window: Window, spacing: Spacing) -> Bands:
    octaves, count = len(bins), sum(bins)
    highest = 0.5 * sample_rate - BELOW_NYQUIST
    lowest = highest / 2**octaves
    if spacing == "checkpoint":
        frequencies = lowest * 2.0 ** (octaves * np.arange(count) / (count - 1))
        ratio = 2.0 ** (octaves / (count - 1))
    else:
        frequencies = np.concatenate([lowest * 2.0 ** (o + np.arange(b) / b) for o, b in enumerate(bins)])
        ratio = 2.0 ** (1.0 / bins[0])
    position = np.concatenate([[0.0], frequencies * grid / sample_rate, [grid / 2]])
    quality = np.sqrt(ratio) / (2.0 * (ratio - 1.0))
    widths = np.empty(count + 2)
    widths[0], widths[1] = 2.0 * position[1], position[1] / quality
    widths[2:-1] = position[3:] - position[1:-2]
    widths[-1] = widths[-2]
    width = np.maximum(np.round(widths), NARROWEST).astype(np.int64)
    position[-2] = 0.5 * (position[-3] + position[-1])
    firsts = 1 + np.concatenate([[0], np.cumsum(bins)[:-1]])
    widest = np.maximum.reduceat(width[:-1], firsts)
    frames = tuple(2 ** int(exponent) for exponent in np.ceil(np.log2(widest)))
    return Bands(grid, np.round(position).astype(np.int64), width, bins, frames, window, spacing)
