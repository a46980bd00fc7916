"""Spectrograms for measuring: framing, short-time Fourier transform and the mel scale.

    S[k, m] = sum_n w[n] x[m hop + n] exp(-2 pi i k n / n_fft)

The window is a periodic Hann window, centred in the frame when it is shorter than the frame. Mel bands are Slaney's:
linear under 1 kHz and logarithmic above, triangles of equal area.

References:
    M. Slaney, "Auditory Toolbox", Interval Research technical report 1998-010, 1998.
"""

from __future__ import annotations

__all__ = ["hann", "mel_filters", "mel_spectrogram", "spectrogram"]

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Padding = Literal["none", "reflect", "zeros"]
"""none: frames that fit inside the signal; reflect, zeros: n_fft / 2 samples more on either side."""

HERTZ_PER_MEL = 200.0 / 3.0  # of the linear part
KNEE_HERTZ = 1000.0  # where the scale turns logarithmic
MELS_PER_E = 27.0 / np.log(6.4)  # of the logarithmic part: 27 mel from 1 kHz to 6.4 kHz


def spectrogram(
    x: Array, n_fft: int, hop_length: int, *, win_length: int | None = None, padding: Padding = "none"
) -> NDArray[np.complex128]:
    """Short-time Fourier transform of (channels, samples) -> (channels, frames, n_fft // 2 + 1)."""
    x = np.atleast_2d(x)
    if padding != "none":
        mode: Literal["reflect", "constant"] = "reflect" if padding == "reflect" else "constant"
        x = np.pad(x, ((0, 0), (n_fft // 2, n_fft // 2)), mode=mode)
    elif x.shape[1] < n_fft:
        x = np.pad(x, ((0, 0), (0, n_fft - x.shape[1])))
    frames = np.lib.stride_tricks.sliding_window_view(x, n_fft, axis=1)[:, ::hop_length]
    return np.asarray(np.fft.rfft(frames * _centred(hann(win_length or n_fft), n_fft)), dtype=np.complex128)


def hann(length: int) -> Array:
    """A periodic Hann window."""
    return 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(length) / length)


def mel_spectrogram(
    x: Array,
    sample_rate: int,
    *,
    n_fft: int = 2048,
    hop_length: int = 512,
    n_mels: int = 128,
    fmin: float = 0.0,
    fmax: float | None = None,
    power: float = 2.0,
    padding: Padding = "zeros",
) -> Array:
    """Mel spectrogram of (channels, samples) -> (channels, n_mels, frames).

    Args:
        x: (channels, samples).
        sample_rate: hertz.
        n_fft: samples of a frame.
        hop_length: samples between frames.
        n_mels: number of bands.
        fmin: lower edge of the lowest band in hertz.
        fmax: upper edge of the highest band in hertz; half the sample rate if None.
        power: 1 adds up magnitudes, 2 adds up powers.
        padding: see `Padding`.
    """
    magnitude = np.abs(spectrogram(x, n_fft, hop_length, padding=padding)) ** power
    filters = mel_filters(sample_rate, n_fft, n_mels, fmax or sample_rate / 2.0, fmin)
    return np.asarray(np.einsum("mk,cfk->cmf", filters, magnitude))


def mel_filters(sample_rate: int, n_fft: int, n_mels: int, fmax: float, fmin: float = 0.0) -> Array:
    """Weights (n_mels, n_fft // 2 + 1) of Slaney's mel bands from `fmin` to `fmax` hertz."""
    bins = np.fft.rfftfreq(n_fft, 1.0 / sample_rate)
    edges = _hertz(np.linspace(_mel(fmin), _mel(fmax), n_mels + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    triangles = np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre))
    return np.asarray(np.maximum(triangles, 0.0) * 2.0 / (high - low))


def _mel(hertz: float) -> float:
    if hertz < KNEE_HERTZ:
        return hertz / HERTZ_PER_MEL
    return float(KNEE_HERTZ / HERTZ_PER_MEL + MELS_PER_E * np.log(hertz / KNEE_HERTZ))


def _hertz(mel: Array) -> Array:
    knee = KNEE_HERTZ / HERTZ_PER_MEL
    return np.where(mel < knee, mel * HERTZ_PER_MEL, KNEE_HERTZ * np.exp((np.maximum(mel, knee) - knee) / MELS_PER_E))


def _centred(window: Array, n_fft: int) -> Array:
    before = (n_fft - window.size) // 2
    return np.pad(window, (before, n_fft - window.size - before))
