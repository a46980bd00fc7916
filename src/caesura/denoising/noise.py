"""How loud the noise of a recording is at every frequency, from the moments in which nothing else is heard there.

    N(k) = q(min_t P(t, k)) / q(min_t P0(t, k)),   P the power of frames, averaged over a few of them

The minimum is taken over a second and a half, q is a low quantile over these stretches and over neighbouring bins:
music has gaps between its notes and between its partials, noise has none. P0 is unit white noise that goes through the
same steps, so that the estimate is right on average where there is nothing but noise, however long the recording is.

Where music never stops the minima differ from bin to bin and from stretch to stretch by more than those of noise do.
Such bins are not believed: they are taken to be as noisy as the nearest ones that are, at most.

References:
    R. Martin, "Noise power spectral density estimation based on optimal smoothing and minimum statistics", IEEE Trans.
    Speech and Audio Processing 9(5), 2001.
"""

from __future__ import annotations

__all__ = ["NoiseSpectrum", "frames_of", "noise_spectrum", "window"]

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

Array = NDArray[np.float64]

SEGMENT = 1.5  # seconds in which every bin is expected to fall silent once, apart from the noise
AVERAGE = 6  # frames that are averaged before the minimum is taken
QUANTILE = 0.2  # of the minima, over stretches and neighbouring bins
NEIGHBOURS = 12  # bins on either side
SILENCE = 1e-14  # mean power of a frame that was no recording at all: digital silence
WIDER = 1.6  # times the scatter of noise: what scatters more holds music in every stretch
TINY = 1e-30  # power that has a logarithm
CALIBRATED = 40  # stretches of white noise that are enough to know the quantile's bias


@dataclass(frozen=True, eq=False)
class NoiseSpectrum:
    """The noise of a recording."""

    power: Array
    """Expected power of a frame's bins (channels, bins), as `frames_of` computes them."""
    frame: int
    """Samples of a frame."""

    @classmethod
    def white(cls, sigma: float, channels: int, frame: int) -> NoiseSpectrum:
        """White noise of a standard deviation."""
        return cls(np.full((channels, frame // 2 + 1), sigma**2 * _energy(frame)), frame)

    @property
    def sigma(self) -> float:
        """Standard deviation of all of it, root mean square over the channels."""
        return float(np.sqrt(np.mean(self.power) / _energy(self.frame)))


def noise_spectrum(blocks: Iterable[Array], sample_rate: int, frame: int) -> NoiseSpectrum:
    """The noise of a recording that is heard block after block.

    Args:
        blocks: stretches (channels, samples), half a minute each at least where the recording is that long.
        sample_rate: hertz.
        frame: samples of a frame.

    Raises:
        ValueError: there is nothing to hear.
    """
    stretch = max(round(SEGMENT * sample_rate / (frame // 4)), AVERAGE + 1)
    minima = [found for block in blocks for found in _minima(block, frame, stretch)]
    if not minima:
        raise ValueError("the noise cannot be estimated, the recording is silent: say how loud it is with --noise")
    low, wide = _quantiles(np.stack(minima))
    usual, usually = _of_white_noise(min(len(minima), CALIBRATED), frame, stretch)
    return NoiseSpectrum(_believed(low / usual, wide < WIDER * usually), frame)


def frames_of(x: Array, frame: int) -> NDArray[np.complex128]:
    """Spectra of frames (channels, frames, bins), a quarter of a frame apart, as many as cover (channels, samples)."""
    step = frame // 4
    count = -(-x.shape[1] // step) + 3
    padded = np.pad(x, ((0, 0), (frame - step, count * step - x.shape[1])))
    cut = np.lib.stride_tricks.sliding_window_view(padded, frame, axis=1)[:, ::step][:, :count]
    return np.asarray(np.fft.rfft(cut * window(frame)), dtype=np.complex128)


@cache
def window(frame: int) -> Array:
    """The root of a periodic Hann window, which is applied before and after."""
    return np.sqrt(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(frame) / frame))


def _energy(frame: int) -> float:
    return float(np.sum(window(frame) ** 2))


def _minima(block: Array, frame: int, stretch: int) -> Iterator[Array]:
    """The least power of every bin (channels, bins) in each stretch of a block."""
    power = np.abs(frames_of(block, frame)[:, 3:-3]) ** 2
    loud = power.mean(axis=(0, 2)) > SILENCE * _energy(frame)
    power = power[:, binary_erosion(loud, iterations=4, border_value=1)]  # frames that reach into silence as well
    sums = np.cumsum(np.pad(power, ((0, 0), (1, 0), (0, 0))), axis=1)
    mean = (sums[:, AVERAGE:] - sums[:, :-AVERAGE]) / AVERAGE
    pieces = max(mean.shape[1] // stretch, min(mean.shape[1], 1))
    for piece in np.array_split(mean, pieces, axis=1) if pieces else ():
        yield piece.min(axis=1)


def _quantiles(minima: Array) -> tuple[Array, Array]:
    """Of (stretches, channels, bins) over stretches and neighbouring bins: a low quantile, and the median above it."""
    reach = ((0, 0), (0, 0), (NEIGHBOURS, NEIGHBOURS))
    near = np.lib.stride_tricks.sliding_window_view(np.pad(minima, reach, mode="reflect"), 2 * NEIGHBOURS + 1, axis=2)
    low, median = np.quantile(near, (QUANTILE, 0.5), axis=(0, 3))
    return low, np.log(np.maximum(median, TINY) / np.maximum(low, TINY))


@cache
def _of_white_noise(stretches: int, frame: int, stretch: int) -> tuple[float, float]:
    """What the same steps make of unit white noise, as a share of its power, and how wide its minima scatter."""
    samples = stretches * stretch * (frame // 4) + 3 * frame
    noise = np.random.default_rng(0).standard_normal((1, samples))
    low, wide = _quantiles(np.stack(list(_minima(noise, frame, stretch))[:stretches]))
    return float(np.mean(low)) / _energy(frame), float(np.mean(wide))


def _believed(power: Array, sure: NDArray[np.bool_]) -> Array:
    """Estimates (channels, bins), where they are not sure at most those of the nearest bins that are."""
    bins = np.arange(power.shape[1])
    believed = np.empty_like(power)
    for row, own, known in zip(believed, power, sure, strict=True):
        near = np.interp(bins, bins[known], np.log(np.maximum(own[known], TINY))) if known.any() else np.log(TINY)
        row[:] = np.where(known, own, np.minimum(own, np.exp(near)))
    return believed
