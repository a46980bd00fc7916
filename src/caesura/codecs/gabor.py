"""Tight Gabor frame: a windowed Fourier transform that its own adjoint undoes.

    (E x)[m, k] = c_k sum_n x[n] g[n - s_m] exp(-2 pi i k (n - r_m) / n_fft),    s_m = s_0 + m hop_length

The window g is divided by the root of the sum of its squared shifts, and c_k = sqrt(2 / n_fft), or sqrt(1 / n_fft) for
the bins that are their own mirror image, so that with <z, v> = Re sum z conj(v)

    <E x, z> = <x, E* z>,    E* E = id,    |E x| = |x|

for every length: the signal counts as zero outside, and every frame that meets it is kept (with `inside`, only those
that lie within it, and then E* E = id only where all of them are there). Phases refer to the time
origin (r_m = 0), so that a steady sinusoid turns with its distance from the bin's frequency, or to the first sample of
the frame (r_m = s_m), so that neighbouring bins keep their relation over time.

References:
    I. Daubechies, A. Grossmann, Y. Meyer, "Painless nonorthogonal expansions", J. Mathematical Physics 27, 1986.
    F. Auger, P. Flandrin, "Improving the readability of time-frequency and time-scale representations by the
        reassignment method", IEEE Transactions on Signal Processing 43, 1995 (the derivative window).
"""

from __future__ import annotations

__all__ = ["Gabor", "overlap_add"]

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from caesura.codecs import Cells

Real = NDArray[np.floating[Any]]
Grid = NDArray[np.complexfloating[Any, Any]]

SMALLEST_OVERLAP = 1e-8  # share of the mean: where the shifted windows add up to less, the inverse would be noise
QUIET = 1e-12  # share of the loudest cell's power: below it a cell has no frequency to speak of


@dataclass(frozen=True)
class Gabor:
    """Tight Gabor frame of real signals; grids are (..., frames, bins), complex in the signal's precision."""

    sample_rate: int = 44100
    """Hertz."""
    win_length: int = 2048
    """Samples of the window."""
    hop_length: int = 512
    """Samples from frame to frame."""
    n_fft: int | None = None
    """Length of the Fourier transform, `win_length` or more; None: `win_length`."""
    window: str = "hann"
    """Any window that `scipy.signal.get_window` knows by name, and "sine"."""
    centre: int | None = None
    """A sample on which some frame is centred; None: the first frame that is centred inside starts at sample 0."""
    phase: Literal["absolute", "frame"] = "absolute"
    """Whether phases refer to the time origin or to the first sample of the frame."""
    inside: bool = False
    """Whether to leave out the frames that stick out of the signal."""

    def __post_init__(self) -> None:
        if not 1 <= self.hop_length <= self.win_length:
            raise ValueError(f"hop_length={self.hop_length} must lie between 1 and win_length={self.win_length}")
        if self.n_fft is not None and self.n_fft < self.win_length:
            raise ValueError(f"n_fft={self.n_fft} must be at least win_length={self.win_length}")
        _tight_window(self.window, self.win_length, self.hop_length)

    @property
    def length(self) -> int:
        """Length of the Fourier transform in samples."""
        return self.win_length if self.n_fft is None else self.n_fft

    @property
    def bins(self) -> int:
        """Number of bins, from 0 Hz up."""
        return self.length // 2 + 1

    @cached_property
    def frequencies(self) -> NDArray[np.float64]:
        """Centre of each bin in hertz (bins,)."""
        return np.asarray(np.fft.rfftfreq(self.length, 1.0 / self.sample_rate), dtype=np.float64)

    @cached_property
    def tight_window(self) -> NDArray[np.float64]:
        """The window (win_length,), scaled so that its squared shifts add up to one."""
        return _tight_window(self.window, self.win_length, self.hop_length)

    def starts(self, samples: int) -> NDArray[np.int64]:
        """First sample of each frame (frames,) of a signal of that length; the first ones may be negative."""
        anchor = 0 if self.centre is None else self.centre - self.win_length // 2
        lowest = 0 if self.inside else 1 - self.win_length
        stop = samples - self.win_length + 1 if self.inside else samples
        starts = np.arange(lowest + (anchor - lowest) % self.hop_length, stop, self.hop_length, dtype=np.int64)
        if not starts.size:
            raise ValueError(f"{samples} samples are too few for one frame of {self.win_length}")
        return starts

    def frames(self, x: NDArray[Any]) -> NDArray[Any]:
        """The stretches of a signal (..., samples) that the frames look at (..., frames, win_length), read-only."""
        starts = self.starts(x.shape[-1])
        first, stop = int(starts[0]), int(starts[-1]) + self.win_length
        padded = _padded(x[..., max(first, 0) : stop], max(-first, 0), max(stop - x.shape[-1], 0))
        return np.lib.stride_tricks.sliding_window_view(padded, self.win_length, axis=-1)[..., :: self.hop_length, :]

    def encode(self, x: Real) -> Grid:
        """Coefficients of a signal.

        Args:
            x: (..., samples), at least one.

        Returns:
            (..., frames, bins).
        """
        return self._transform(x, self.tight_window)

    def decode(self, z: Grid, samples: int) -> Real:
        """Signal of a grid: the adjoint of `encode` for any grid, its inverse for a grid that `encode` made.

        Args:
            z: (..., frames, bins).
            samples: length of the signal.

        Returns:
            (..., samples).
        """
        starts = self.starts(samples)
        if z.shape[-2:] != (starts.size, self.bins):
            raise ValueError(f"the grid has shape {z.shape}, {samples} samples make {starts.size} x {self.bins} cells")
        frames = fft.irfft(z * self._factors(starts, z.dtype)[1], self.length, norm="ortho")
        frames = frames[..., : self.win_length] * self.tight_window.astype(frames.dtype)
        total = overlap_add(frames, self.hop_length)[..., max(-int(starts[0]), 0) :]
        before = max(int(starts[0]), 0)
        x = np.zeros((*total.shape[:-1], samples), total.dtype)
        x[..., before : before + total.shape[-1]] = total[..., : samples - before]
        return x

    def instantaneous_frequency(self, x: Real) -> NDArray[np.float64]:
        """Frequency of the sinusoid that each cell hears, in hertz.

        Cells with hardly any power are given the frequency of their bin.

        Args:
            x: (..., samples).

        Returns:
            (..., frames, bins).
        """
        z, dz = self.encode(x), self._transform(x, self._derivative)
        power = z.real**2 + z.imag**2
        audible = power > QUIET * max(float(power.max(initial=0.0)), np.finfo(np.float64).tiny)
        slope = -(dz * np.conj(z)).imag / np.where(audible, power, 1.0)
        return np.asarray(self.frequencies + np.where(audible, slope, 0.0) * (self.sample_rate / (2.0 * np.pi)))

    def cells(self, samples: int) -> Cells:
        """What each cell looks at: the window's span, and the main lobe of its spectrum around the bin."""
        starts = self.starts(samples)
        half = _main_lobe(self.window, self.win_length, self.hop_length) * self.sample_rate
        nyquist = self.sample_rate / 2.0
        return Cells(
            start=np.maximum(starts, 0),
            stop=np.minimum(starts + self.win_length, samples),
            low=np.maximum(self.frequencies - half, 0.0),
            high=np.minimum(self.frequencies + half, nyquist),
        )

    @cached_property
    def _derivative(self) -> NDArray[np.float64]:
        """Derivative of the window per sample, by way of its spectrum."""
        spectrum = np.fft.rfft(self.tight_window) * 2j * np.pi * np.fft.rfftfreq(self.win_length)
        if self.win_length % 2 == 0:
            spectrum[-1] = 0.0
        return np.fft.irfft(spectrum, self.win_length)

    def _transform(self, x: Real, window: NDArray[np.float64]) -> Grid:
        frames = self.frames(x) * window.astype(x.dtype)
        return np.asarray(
            fft.rfft(frames, self.length, norm="ortho") * self._factors(self.starts(x.shape[-1]), x.dtype)[0]
        )

    def _factors(self, starts: NDArray[np.int64], dtype: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """What turns the orthonormal Fourier transform of the frames into coefficients, and back."""
        single = np.dtype(dtype) in (np.dtype(np.float32), np.dtype(np.complex64))
        if self.phase == "frame":
            scale: NDArray[Any] = _scale(self.length).astype(np.float32 if single else np.float64)
            return scale, np.reciprocal(scale)
        precision = np.dtype(np.complex64 if single else np.complex128)
        period = self.length // math.gcd(self.hop_length, self.length)
        rows = min(starts.size, period)
        tables = _rotations(self.length, int(starts[0]), self.hop_length, rows, precision)
        if rows == starts.size:
            return tables
        repeated = np.arange(starts.size) % period
        return tables[0][repeated], tables[1][repeated]


def overlap_add(frames: Real, hop_length: int) -> Real:
    """Sum of overlapping frames.

    Args:
        frames: (..., frames, length).
        hop_length: samples from frame to frame.

    Returns:
        (..., (frames + ceil(length / hop_length) - 1) * hop_length); zero past the last frame.
    """
    *lead, count, length = frames.shape
    parts = -(-length // hop_length)
    blocks = _padded(frames, 0, parts * hop_length - length).reshape(*lead, count, parts, hop_length)
    total = np.zeros((*lead, count + parts - 1, hop_length), frames.dtype)
    for j in range(parts):
        total[..., j : j + count, :] += blocks[..., j, :]
    return total.reshape(*lead, -1)


def _padded(x: NDArray[Any], before: int, after: int) -> NDArray[Any]:
    if not (before or after):
        return x
    padded = np.zeros((*x.shape[:-1], before + x.shape[-1] + after), x.dtype)
    padded[..., before : before + x.shape[-1]] = x
    return padded


@lru_cache(maxsize=32)
def _tight_window(name: str, length: int, hop_length: int) -> NDArray[np.float64]:
    from scipy.signal import get_window

    window = np.asarray(get_window("cosine" if name == "sine" else name, length), dtype=np.float64)
    parts = -(-length // hop_length)
    power = np.pad(window**2, (0, parts * hop_length - length)).reshape(parts, hop_length).sum(axis=0)
    if power.min() < SMALLEST_OVERLAP * power.mean():
        raise ValueError(f"{name} windows of {length} samples, {hop_length} apart, leave holes: use a smaller hop")
    tight: NDArray[np.float64] = window / np.sqrt(np.tile(power, parts)[:length])
    tight.flags.writeable = False
    return tight


@lru_cache(maxsize=32)
def _main_lobe(name: str, length: int, hop_length: int) -> float:
    """Cycles per sample from the middle of the window's spectrum to its first minimum."""
    oversampling = 16
    spectrum = np.abs(np.fft.rfft(_tight_window(name, length, hop_length), oversampling * length))
    rising = np.flatnonzero(np.diff(spectrum) > 0)
    return float(rising[0] if rising.size else spectrum.size - 1) / (oversampling * length)


@lru_cache(maxsize=32)
def _scale(length: int) -> NDArray[np.float64]:
    """c_k sqrt(n_fft): 1 for the bins that are their own mirror image, sqrt(2) for those that stand for two."""
    scale = np.full(length // 2 + 1, math.sqrt(2.0))
    scale[0] = 1.0
    if length % 2 == 0:
        scale[-1] = 1.0
    return scale


@lru_cache(maxsize=8)
def _rotations(
    length: int, first: int, hop: int, frames: int, precision: np.dtype[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Scale and rotation of each cell (frames, bins), and the factors that undo them."""
    starts = first + hop * np.arange(frames, dtype=np.int64)
    turns = np.outer(starts, np.arange(length // 2 + 1)) % length  # modulo `length`, to stay exact far from the origin
    rotations = np.exp(-2j * np.pi * turns / length)
    scale = _scale(length)
    return (scale * rotations).astype(precision), (np.conj(rotations) / scale).astype(precision)
