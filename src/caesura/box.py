"""The part of a signal that lies in a box of the time-frequency plane.

    band_part(x) = G* M G x

G is the analysis with a Parseval frame of Hann windows, hop a quarter of the window, all of them inside the span;
M weighs every bin with the share of it that lies in the band. Near the ends of the span fewer windows overlap, so the
operator fades in and out there and nothing at all happens outside. It is self-adjoint, and its norm is at most one.

A window of length L blurs the box by about L in time and by about 1/L in frequency. For a box of T seconds and F hertz
both are the same share of the box when L = sqrt(T / F); twice that halves what the window costs the sound beside the
band, which is worth more than the ends of the span.

References:
    D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE TASSP, 1984.
"""

from __future__ import annotations

__all__ = ["band_part", "bin_shares", "windows"]

import numpy as np
from numpy.typing import NDArray

SHORTEST_SPAN = 8  # samples; a shorter one has no spectrum to speak of
OVERLAP = 4
RELATIVE_LENGTH = 2.0  # of the window, to the length that blurs time and frequency by the same share


def band_part(x: NDArray[np.float64], low: float, high: float, sample_rate: int) -> NDArray[np.float64]:
    """What of `x` lies between `low` and `high`.

    Args:
        x: the span (channels, samples).
        low: lower edge in hertz.
        high: upper edge in hertz.
        sample_rate: hertz.

    Returns:
        (channels, samples).
    """
    starts, window = windows(x.shape[-1], low, high, sample_rate)
    n_fft = 2 * window.size  # bins half as wide, so that a narrow band has several
    kept = bin_shares(n_fft, low / sample_rate, high / sample_rate)
    part = np.zeros_like(x)
    for start in starts:
        span = slice(start, start + window.size)
        spectrum = kept * np.fft.rfft(x[:, span] * window, n_fft)
        part[:, span] += np.fft.irfft(spectrum, n_fft)[:, : window.size] * window
    return part


def windows(samples: int, low: float, high: float, sample_rate: int) -> tuple[range, NDArray[np.float64]]:
    """Where the windows of a box lie in its span.

    Args:
        samples: length of the span.
        low: lower edge in hertz.
        high: upper edge in hertz.
        sample_rate: hertz.

    Returns:
        first sample of every window, and the window, whose squares add up to one where four of them overlap.
    """
    if samples < SHORTEST_SPAN:
        raise ValueError(f"a box needs at least {SHORTEST_SPAN} samples, got {samples}: make it longer")
    width = (min(high, sample_rate / 2) - low) / sample_rate
    wanted = RELATIVE_LENGTH * np.sqrt(samples / width) if width > 0.0 else samples
    hop = int(max(min(wanted, samples / 2) // OVERLAP, 1))  # at most half the span: its middle is then taken out whole
    length = OVERLAP * hop
    window = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2
    window /= np.sqrt(1.5)  # squared Hann windows a quarter apart add up to 3/2
    first = (samples - length) % hop // 2
    return range(first, samples - length + 1, hop), window


def bin_shares(n_fft: int, low: float, high: float) -> NDArray[np.float64]:
    """Share of every bin that lies in a band; a bin reaches from half a bin below its centre to half a bin above.

    Args:
        n_fft: length of the transform.
        low: lower edge in cycles per sample.
        high: upper edge in cycles per sample.

    Returns:
        (n_fft // 2 + 1,), from 0 to 1.
    """
    centres = np.arange(n_fft // 2 + 1)
    lower, upper = np.maximum(centres - 0.5, 0.0), np.minimum(centres + 0.5, n_fft / 2)
    inside = np.minimum(upper, high * n_fft) - np.maximum(lower, low * n_fft)
    return np.asarray(np.clip(inside / (upper - lower), 0.0, 1.0))
