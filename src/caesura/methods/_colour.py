"""Noise in the colour of both sides of a gap, as loud as a prediction has become too quiet.

    n(t) = sqrt(max(0, 1 - p(t) / P(t))) (cos(a) u(t) + sin(a) v(t)),   P = cos^2(a) P_u + sin^2(a) P_v

u and v are noise with the spectra of the left and the right side, P_u and P_v their powers, a goes from 0 to pi / 2
across the gap, and p is the power of the prediction around t. Everything is taken above one frequency: a network that
knows the lower band leaves the upper one to prediction, which fades out within some ten milliseconds.

References:
    P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
    Electroacoustics 15, 1967.
"""

from __future__ import annotations

__all__ = ["lost_noise"]

from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.problem import runs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

SIDE = 0.1  # seconds of a side whose spectrum is taken
FRAME = 0.016  # seconds of one frame of that spectrum
SMOOTHING = 0.005  # seconds over which the power of the prediction is averaged
SLOPE = 0.03  # of the frequency, on either side of it, over which the band begins
SILENCE = 1e-20  # power that is not filled up


def lost_noise(x: Array, mask: Flags, sample_rate: int, low: float, rng: np.random.Generator) -> Array:
    """What to add to a prediction so that its gaps are as loud above `low` as what surrounds them.

    Args:
        x: the recording with its gaps filled (samples,).
        mask: True where reliable (samples,).
        sample_rate: hertz.
        low: hertz.
        rng: source of the noise.

    Returns:
        (samples,); zero outside the gaps.
    """
    added = np.zeros_like(x)
    side = round(SIDE * sample_rate)
    for start, stop in runs(~mask):
        before, after = x[max(start - side, 0) : start], x[stop : stop + side]
        known = mask[max(start - side, 0) : start], mask[stop : stop + side]
        sides = [_spectrum(part[ok], sample_rate, low) for part, ok in zip((before, after), known, strict=True)]
        there = [spectrum for spectrum in sides if spectrum is not None]
        if not there:
            continue
        left, right = there[0], there[-1]  # the same one at the edge of a recording
        length = stop - start
        angle = 0.5 * np.pi * (np.arange(length) + 0.5) / length
        noise = np.cos(angle) * _shaped(left, length, rng) + np.sin(angle) * _shaped(right, length, rng)
        wanted = np.cos(angle) ** 2 * _power(left) + np.sin(angle) ** 2 * _power(right)
        added[start:stop] = np.sqrt(np.clip(1.0 - _heard(x, start, stop, sample_rate, low) / wanted, 0.0, 1.0)) * noise
    return added


def _spectrum(x: Array, sample_rate: int, low: float) -> Array | None:
    """Power density above `low` of white noise of unit variance times itself, (FRAME bins,); None if there is none."""
    size = 2 * round(FRAME * sample_rate / 2.0)
    if x.size < size:
        return None
    window = np.hanning(size + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2] * window
    power = np.mean(np.abs(np.fft.rfft(frames)) ** 2, axis=0) / np.sum(window**2)
    power *= _high_pass(np.fft.rfftfreq(size, 1.0 / sample_rate), low) ** 2
    return power if power.mean() > SILENCE else None


def _power(spectrum: Array) -> float:
    """Mean square of noise of that spectrum."""
    ends = 0.5 * (spectrum[0] + spectrum[-1])
    return float((spectrum[1:-1].sum() + ends) / (spectrum.size - 1))


def _shaped(spectrum: Array, length: int, rng: np.random.Generator) -> Array:
    """Noise of that spectrum (length,)."""
    padded = length + 2 * spectrum.size
    white = np.fft.rfft(rng.standard_normal(padded))
    shape = np.interp(np.linspace(0.0, 1.0, white.size), np.linspace(0.0, 1.0, spectrum.size), np.sqrt(spectrum))
    return np.asarray(np.fft.irfft(white * shape, padded)[spectrum.size : spectrum.size + length])


def _heard(x: Array, start: int, stop: int, sample_rate: int, low: float) -> Array:
    """Power of what is in a gap above `low`, around each of its samples (stop - start,)."""
    margin = round(SIDE * sample_rate)
    first, last = max(start - margin, 0), min(stop + margin, x.size)
    part = x[first:last] * np.hanning(last - first + 2)[1:-1] ** 0.1  # the ends fade, the gap hardly does
    response = _high_pass(np.fft.rfftfreq(part.size, 1.0 / sample_rate), low)
    power = np.fft.irfft(np.fft.rfft(part) * response, part.size) ** 2
    width = max(round(SMOOTHING * sample_rate), 1)
    smooth = np.convolve(power, np.full(width, 1.0 / width), mode="same")
    return np.asarray(smooth[start - first : stop - first])


def _high_pass(hertz: NDArray[np.floating[Any]], low: float) -> Array:
    """0 below, 1 above, half a cosine between."""
    place = np.clip((hertz / low - 1.0 + SLOPE) / (2.0 * SLOPE), 0.0, 1.0)
    return np.asarray(np.sin(0.5 * np.pi * place) ** 2)
