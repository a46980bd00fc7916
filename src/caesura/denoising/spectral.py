"""Noise taken out of a spectrum, every bin by as much as there is of it.

    G = xi / (1 + xi) exp(E1(v) / 2),   v = xi g / (1 + xi),   g = |Y|^2 / N,
    xi = a G^2 g of the frame before + (1 - a) max(g - 1, 0)

G is the gain that estimates the logarithm of the amplitude best, xi the a priori signal-to-noise ratio, decided with
the help of the frame before. It is decided once forwards and once backwards in time, and the power that both leave, a
little smoothed, is the a priori power of a second pass with Wiener's gain xi / (1 + xi), which estimates the waveform
best. Nothing is learned and nothing is random.

References:
    Y. Ephraim, D. Malah, "Speech enhancement using a minimum mean-square error log-spectral amplitude estimator", IEEE
    Trans. ASSP 33(2), 1985.
    I. Cohen, "Speech enhancement using a noncausal a priori SNR estimator", IEEE Signal Processing Letters 11(9), 2004.
"""

from __future__ import annotations

__all__ = ["Spectral"]

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import exp1

from caesura.denoising.noise import NoiseSpectrum, frames_of, noise_spectrum, window
from caesura.inpainter import Progress, silent
from caesura.problem import Problem

Array = NDArray[np.float64]

SMALLEST = 1e-8  # argument of E1, which is infinite at 0
SMOOTHED = (1.0, 0.5)  # frames and bins, standard deviations: the a priori power of the second pass


@dataclass(frozen=True)
class Spectral:
    """Classical denoising: fast, for noise that stays the same, such as hiss."""

    milliseconds: float = 46.0
    """Length of a frame: longer ones tell partials apart, shorter ones keep attacks."""
    inertia: float = 0.95
    """Weight of the frame before in the a priori signal-to-noise ratio; less follows faster and lets noise warble."""
    floor: float = -12.0
    """Decibels below which no a priori ratio is taken; noise alone goes down by twice as many."""

    def __post_init__(self) -> None:
        for name, low, high in (("milliseconds", 2.0, 500.0), ("inertia", 0.0, 0.999), ("floor", -80.0, 0.0)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name}={getattr(self, name)} must be from {low:g} to {high:g}")

    def heard(self, blocks: Iterable[Array], sample_rate: int) -> Heard:
        """The same for the noise of a recording; see `noise_spectrum`."""
        return Heard(self, noise_spectrum(blocks, sample_rate, self._frame(sample_rate)))

    def __call__(self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent) -> Array:
        """The recording (channels, samples) without its noise, which is taken for white.

        Args:
            problem: the recording and the level of its noise; gaps stay silent.
            rng: not used.
            progress: called with the fraction done.
        """
        white = NoiseSpectrum.white(problem.noise, problem.channels, self._frame(problem.sample_rate))
        return self.without(problem, white, progress)

    def without(self, problem: Problem, noise: NoiseSpectrum, progress: Progress = silent) -> Array:
        """The recording (channels, samples) without noise of a spectrum.

        Raises:
            ValueError: it was heard in other channels or frames.
        """
        frame = self._frame(problem.sample_rate)
        if noise.frame != frame or len(noise.power) != problem.channels:
            raise ValueError(f"the noise was heard in {len(noise.power)} channels, in frames of {noise.frame} samples")
        cleaned = np.empty_like(problem.y)
        for c, x in enumerate(problem.y):
            frames = frames_of(x[None], frame)[0]
            gain = self._gain(np.abs(frames) ** 2 / np.maximum(noise.power[c], np.finfo(float).tiny))
            cleaned[c] = _joined(frames * gain, frame, x.size)
            progress((c + 1) / problem.channels)
        return cleaned

    def _frame(self, sample_rate: int) -> int:
        return 4 * max(round(self.milliseconds * sample_rate / 4000.0), 4)

    def _gain(self, ratio: Array) -> Array:
        """Gains of frames, from their power over that of the noise (frames, bins)."""
        least = 10.0 ** (self.floor / 10.0)
        both = self._decided(ratio, least) * self._decided(ratio[::-1], least)[::-1]
        prior = np.maximum(gaussian_filter(both * ratio, SMOOTHED), least)
        return np.asarray(prior / (1.0 + prior))

    def _decided(self, ratio: Array, least: float) -> Array:
        """Log-spectral gains (frames, bins), each decided with the one before."""
        gains = np.empty_like(ratio)
        left = np.maximum(ratio[0] - 1.0, 0.0)
        for gain, g in zip(gains, ratio, strict=True):
            prior = np.maximum(self.inertia * left + (1.0 - self.inertia) * np.maximum(g - 1.0, 0.0), least)
            wiener = prior / (1.0 + prior)
            np.minimum(wiener * np.exp(0.5 * exp1(np.maximum(wiener * g, SMALLEST))), 1.0, out=gain)
            left = gain**2 * g
        return gains


@dataclass(frozen=True, eq=False)
class Heard:
    """Denoising of a recording whose noise was listened to."""

    settings: Spectral
    noise: NoiseSpectrum

    @property
    def level(self) -> float:
        """Standard deviation of the noise, full scale 1."""
        return self.noise.sigma

    def __call__(self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent) -> Array:
        """See `Spectral.__call__`; the noise is the one that was heard."""
        return self.settings.without(problem, self.noise, progress)


def _joined(frames: NDArray[np.complex128], frame: int, samples: int) -> Array:
    """The signal (samples,) of frames (frames, bins); the inverse of `frames_of`."""
    step, pieces = frame // 4, np.fft.irfft(frames, frame) * window(frame)
    joined = np.zeros((len(pieces) + 3) * step)
    for k in range(4):
        part = pieces[:, k * step : (k + 1) * step].reshape(-1)
        joined[k * step : k * step + part.size] += part
    return 0.5 * joined[frame - step : frame - step + samples]
