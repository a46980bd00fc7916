"""Phases for magnitudes: the fast Griffin-Lim algorithm, held to what is known of the signal.

    c_n = P_C(P_A(t_n)),    t_{n+1} = c_n + a (c_n - c_{n-1}),    t_0 = c_0 = A exp(i phi_0)

P_A gives a grid the magnitudes A, P_C takes it to the nearest grid that is the transform of a signal, by way of that
signal; a is the momentum, 0 the algorithm of Griffin and Lim. What is known enters both: known samples are put back
into the signal, known cells into the grid.

References:
    D. Griffin, J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Transactions on Acoustics,
        Speech, and Signal Processing 32, 1984.
    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", IEEE WASPAA 2013.
"""

from __future__ import annotations

__all__ = ["Known", "Stft", "griffin_lim", "random_phases"]

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from caesura.codecs.gabor import overlap_add

Real = NDArray[np.floating[Any]]
Grid = NDArray[np.complexfloating[Any, Any]]
Flags = NDArray[np.bool_]

SMALLEST = 1e-12  # magnitude under which a cell has no phase
LEAST_OVERLAP = 1e-6  # sum of squared windows under which nothing is known of a sample


@dataclass(frozen=True)
class Stft:
    """Fourier transform of frames that are centred on multiples of the hop.

    Grids are (..., frames, n_fft // 2 + 1), in the signal's precision.
    """

    n_fft: int = 1024
    """Samples of the transform."""
    hop_length: int = 160
    """Samples from frame to frame."""
    win_length: int | None = None
    """Samples of the periodic Hann window, in the middle of the frame; None: `n_fft`."""
    mirrored: bool = False
    """Whether the signal is mirrored at both ends; otherwise it counts as zero outside."""

    def __post_init__(self) -> None:
        if not 0 < self.hop_length <= self._length // 2:
            raise ValueError(f"hop_length={self.hop_length} must lie in 1 to {self._length // 2}, half the window")
        if self._length > self.n_fft:
            raise ValueError(f"win_length={self._length} is above n_fft={self.n_fft}")

    def frames(self, samples: int) -> int:
        """Frames of a signal whose last one is centred at the end or less than a hop before."""
        return samples // self.hop_length + 1

    def encode(self, x: Real, frames: int | None = None) -> Grid:
        """The grid of a signal (..., samples).

        Args:
            x: the signal.
            frames: how many of them; None: `frames(samples)`.
        """
        count = self.frames(x.shape[-1]) if frames is None else frames
        return next(self.blocks(x, count, frames=count))

    def blocks(self, x: Real, size: int, *, frames: int | None = None) -> Iterator[Grid]:
        """The grid of a signal, `size` frames at a time; see `encode`."""
        count = self.frames(x.shape[-1]) if frames is None else frames
        needed = (count - 1) * self.hop_length + self.n_fft
        after = max(needed - x.shape[-1] - self.n_fft // 2, 0)
        around = [(0, 0)] * (x.ndim - 1) + [(self.n_fft // 2, after)]
        padded = np.pad(x, around, mode="reflect") if self.mirrored else np.pad(x, around)
        views = np.lib.stride_tricks.sliding_window_view(padded, self.n_fft, axis=-1)[..., :: self.hop_length, :]
        window = self._window.astype(x.dtype)
        for first in range(0, count, size):
            part = views[..., first : min(first + size, count), :]
            if padded[..., first * self.hop_length : (first + size) * self.hop_length + self.n_fft].any():
                yield np.asarray(fft.rfft(part * window, axis=-1))
            else:  # much of a recording that is still to be made is silent
                shape = (*part.shape[:-1], self.n_fft // 2 + 1)
                yield np.zeros(shape, np.result_type(x.dtype, np.complex64))

    def decode(self, grid: Grid, samples: int) -> Real:
        """The signal (..., samples) whose grid is nearest to this one."""
        window = self._window.astype(grid.real.dtype)
        frames = fft.irfft(grid, self.n_fft, axis=-1) * window
        share = _share(self, frames.shape[-2]).astype(frames.dtype)
        x = (overlap_add(frames, self.hop_length) * share)[..., self.n_fft // 2 :][..., :samples]
        return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, samples - x.shape[-1])])

    def kept(self, mask: Flags, frames: int | None = None) -> Flags:
        """Frames (frames,) that see only samples whose mask is True; there is nothing unknown outside."""
        count = self.frames(mask.size) if frames is None else frames
        missing = np.concatenate(([0], np.cumsum(~mask)))
        half = self._length // 2
        centre = np.arange(count) * self.hop_length
        # the first sample of a periodic Hann window has weight 0
        start, stop = (np.clip(centre + shift, 0, mask.size) for shift in (1 - half, self._length - half))
        return np.asarray(missing[stop] == missing[start])

    @property
    def _length(self) -> int:
        return self.n_fft if self.win_length is None else self.win_length

    @cached_property
    def _window(self) -> NDArray[np.float64]:
        window = signal.get_window("hann", self._length, fftbins=True)
        before = self.n_fft // 2 - self._length // 2
        return np.pad(window, (before, self.n_fft - self._length - before))


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the signal that belongs to magnitudes; either part may be left out."""

    x: Real | None = None
    """The signal (..., samples)."""
    mask: Flags | None = None
    """Its reliable samples (samples,), True where reliable."""
    grid: Grid | None = None
    """The signal's transform (..., frames, bins)."""
    cells: Flags | None = None
    """Its reliable cells, of a shape that broadcasts against the grid: where only a part of the band is known."""

    def __post_init__(self) -> None:
        if (self.x is None) != (self.mask is None) or (self.grid is None) != (self.cells is None):
            raise ValueError("a signal is known with its mask, a grid with its cells: give both or neither")

    def put_signal(self, x: Real) -> Real:
        """The signal with the known samples in it."""
        return x if self.x is None or self.mask is None else np.where(self.mask, self.x, x)

    def put_grid(self, grid: Grid) -> Grid:
        """The grid with the known cells in it."""
        return grid if self.grid is None or self.cells is None else np.where(self.cells, self.grid, grid)


def griffin_lim(
    magnitude: Real,
    stft: Stft,
    samples: int,
    *,
    start: Grid | None = None,
    known: Known | None = None,
    iterations: int = 32,
    momentum: float = 0.99,
) -> Real:
    """A signal whose transform has nearly these magnitudes.

    Args:
        magnitude: A (..., frames, bins); float32 is half the work of float64.
        stft: the transform.
        samples: length of the signal.
        start: grid to begin with, such as `random_phases`; None: zero phases where nothing is known, and of the known
            signal where something is.
        known: samples and cells that are kept.
        iterations: how often both projections are taken.
        momentum: a, from 0; the authors' 0.99 converges fastest, above about 1.2 nothing does.

    Returns:
        (..., samples); known samples are exactly as they were given.

    Raises:
        ValueError: an argument is out of range, or the grids do not fit.
    """
    if iterations < 0 or not 0.0 <= momentum <= 2.0:
        raise ValueError(f"iterations={iterations} must be 0 or more and momentum={momentum} in [0, 2]")
    if magnitude.shape[-1] != stft.n_fft // 2 + 1:
        raise ValueError(
            f"the magnitudes have {magnitude.shape[-1]} bins: n_fft={stft.n_fft} has {stft.n_fft // 2 + 1}"
        )
    held = Known() if known is None else known
    frames = magnitude.shape[-2]
    if start is None:
        heard = held.put_signal(np.zeros((*magnitude.shape[:-2], samples), magnitude.dtype))
        start = _with(magnitude, held.put_grid(stft.encode(heard, frames)))
    grid = held.put_grid(start)
    before: Grid | None = None
    for _ in range(iterations):
        x = held.put_signal(stft.decode(grid, samples)).astype(magnitude.dtype, copy=False)
        projected = stft.encode(x, frames)
        ahead = projected if before is None else projected + momentum * (projected - before)
        before = projected
        grid = held.put_grid(_with(magnitude, ahead))
    return held.put_signal(stft.decode(grid, samples))


def random_phases(magnitude: Real, rng: np.random.Generator) -> Grid:
    """A grid of these magnitudes with uniform phases, in their precision."""
    phases = np.exp(2j * np.pi * rng.random(magnitude.shape))
    return np.asarray(magnitude * phases.astype(np.result_type(magnitude.dtype, np.complex64)))


def _with(magnitude: Real, grid: Grid) -> Grid:
    """The phases of a grid with other magnitudes; a cell without a phase gets phase 0."""
    size = np.sqrt(grid.real**2 + grid.imag**2)  # faster than what guards against overflow
    turned = grid * (magnitude / np.maximum(size, SMALLEST))
    silent = size <= SMALLEST
    if silent.any():
        turned[silent] = np.broadcast_to(magnitude, turned.shape)[silent]
    return np.asarray(turned)


@lru_cache(maxsize=8)
def _share(stft: Stft, frames: int) -> NDArray[np.float64]:
    """One over the sum of the squared windows; zero where hardly any of them is."""
    weight = overlap_add(np.broadcast_to(stft._window**2, (frames, stft.n_fft)), stft.hop_length)
    covered = weight > LEAST_OVERLAP
    return np.where(covered, 1.0 / np.where(covered, weight, 1.0), 0.0)
