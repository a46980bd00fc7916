"""Log-mel spectrogram of the text-to-sound models, and the level it is taken at.

    L[t, f] = ln max(sum_k M[f, k] |X[t, k]|, 1e-5),   M[f, k] = 2 / (e_{f+2} - e_f) triangle(k; e_f, e_{f+1}, e_{f+2})

X is the Fourier transform of frames centred on sample 160 t, mirrored at both ends; the edges e are evenly spaced on
Slaney's mel scale, linear below 1 kHz and logarithmic above. The models heard everything at a peak of 0.5 without its
mean, so the level is taken off before the analysis, kept, and put back on what they answer.

References:
    M. Slaney, "Auditory toolbox, version 2", Interval Research Corporation, 1998.
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    D. Ghosal, N. Majumder, A. Mehrish, S. Poria, "Text-to-audio generation using instruction-tuned LLM and latent
        diffusion model" (Tango), ACM Multimedia 2023.
"""

from __future__ import annotations

__all__ = ["FLOOR", "Level", "Mel"]

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from caesura.codecs import Cells

Array = NDArray[np.float64]

SMALLEST = 1e-5  # magnitude below which the logarithm is cut off
FLOOR = float(np.log(SMALLEST))
PEAK = 0.5  # level at which the models were trained
GUARD = 1e-8  # added to the first of the two published peak measurements
BREAK = 1000.0  # hertz at which Slaney's scale turns from linear to logarithmic
PER_MEL = 200.0 / 3.0  # hertz per mel below
LOG_STEP = np.log(6.4) / 27.0  # logarithm of the ratio per mel above


@dataclass(frozen=True)
class Level:
    """What was done to a signal before it was analysed: z = gain (x - mean)."""

    mean: float
    """Of the reliable samples."""
    gain: float
    """Brings the peak to 0.5; 1 where there is nothing but silence."""

    @classmethod
    def of(cls, x: Array, samples: int | None = None, mask: NDArray[np.bool_] | None = None) -> Level:
        """The level of a signal, by the published two steps.

        Args:
            x: (samples,).
            samples: how many of them are going to be analysed, where that is not all of them: Tango measures the second
                peak on these, AudioLDM on the whole file.
            mask: True where reliable; the rest is not looked at.
        """
        known = np.ones(x.shape, dtype=bool) if mask is None else mask
        if not known.any():
            return cls(0.0, 1.0)
        mean = float(np.mean(x[known]))
        centred = np.where(known, x - mean, 0.0)
        peak = float(np.max(np.abs(centred)))
        if peak <= GUARD:
            return cls(mean, 1.0)
        first = PEAK / (peak + GUARD)
        second = float(np.max(np.abs(first * centred[:samples]), initial=0.0))
        return cls(mean, first * PEAK / second if second else first)

    def apply(self, x: Array, mask: NDArray[np.bool_] | None = None) -> Array:
        """The signal at the level of the models; zero where the mask is False."""
        z = self.gain * (x - self.mean)
        return z if mask is None else np.where(mask, z, 0.0)

    def undo(self, z: Array) -> Array:
        """A signal at the level of the models, back at the level of the recording."""
        return z / self.gain + self.mean


@dataclass(frozen=True)
class Mel:
    """Log-mel spectrogram; the grid is (..., frames, bins). It has no inverse: a vocoder decodes it."""

    sample_rate: int = 16_000
    """Hertz."""
    n_fft: int = 1024
    """Samples of the window, a periodic Hann window."""
    hop_length: int = 160
    """Samples from frame to frame."""
    n_mels: int = 64
    """Bins from 0 Hz to half the sample rate."""

    def encode(self, x: Array) -> Array:
        """Log-mel spectrogram of a signal that is already at its level.

        Args:
            x: (..., samples), more than half a window of them.

        Returns:
            (..., samples // hop_length, n_mels). The frame centred on the end is dropped, as published.
        """
        if x.shape[-1] <= self.n_fft // 2:
            raise ValueError(f"{x.shape[-1]} samples cannot be mirrored: give more than {self.n_fft // 2}")
        half = [(0, 0)] * (x.ndim - 1) + [(self.n_fft // 2, self.n_fft // 2)]
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, half, mode="reflect"), self.n_fft, axis=-1)
        frames = frames[..., :: self.hop_length, :][..., : self.frames(x.shape[-1]), :]
        magnitude = np.abs(fft.rfft(frames * self._window, axis=-1))
        return np.asarray(np.log(np.maximum(magnitude @ self.filters.T, SMALLEST)))

    def frames(self, samples: int) -> int:
        """Frames of a signal."""
        return samples // self.hop_length

    def cells(self, samples: int) -> Cells:
        """What the cells look at; the first sample of a window has weight 0 and is not counted."""
        centre = np.arange(self.frames(samples), dtype=np.int64) * self.hop_length
        start, stop = centre - self.n_fft // 2 + 1, centre + self.n_fft // 2
        # What is mirrored at an end lies within the unmirrored half of the same window.
        return Cells(np.maximum(start, 0), np.minimum(stop, samples), self.edges[:-2], self.edges[2:])

    @cached_property
    def edges(self) -> Array:
        """Corners of the triangles in hertz (n_mels + 2,)."""
        top = _mel(np.array(self.sample_rate / 2))
        return _hertz(np.linspace(0.0, float(top), self.n_mels + 2))

    @cached_property
    def filters(self) -> Array:
        """Triangles of equal area (n_mels, n_fft // 2 + 1)."""
        bins = np.arange(self.n_fft // 2 + 1) * (self.sample_rate / self.n_fft)
        low, centre, high = (self.edges[k : k + self.n_mels, None] for k in range(3))
        triangle = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
        return np.maximum(triangle, 0.0) * (2.0 / (high - low))

    @cached_property
    def _window(self) -> Array:
        return np.asarray(signal.get_window("hann", self.n_fft, fftbins=True))


def _mel(hertz: Array) -> Array:
    above = BREAK / PER_MEL + np.log(np.maximum(hertz, BREAK) / BREAK) / LOG_STEP
    return np.where(hertz < BREAK, hertz / PER_MEL, above)


def _hertz(mel: Array) -> Array:
    return np.where(mel < BREAK / PER_MEL, mel * PER_MEL, BREAK * np.exp(LOG_STEP * (mel - BREAK / PER_MEL)))
