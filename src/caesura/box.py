"""The part of a signal that lies in a box of the time-frequency plane.

    band_part(x) = G* M G x

G is the analysis with a Parseval frame of Hann windows, hop a quarter of the window, all of them inside the span;
M keeps the bins whose centre lies in the band. Near the ends of the span fewer windows overlap, so the operator
fades in and out there and nothing at all happens outside. It is self-adjoint, and its norm is at most one.

References:
    D. Griffin and J. Lim, "Signal estimation from modified short-time Fourier transform", IEEE TASSP, 1984.
"""

from __future__ import annotations

__all__ = ["band_part"]

import numpy as np
from numpy.typing import NDArray

WINDOW_SECONDS = 0.046  # 2048 samples at 44.1 kHz: narrow enough to separate partials of one tone
SHORTEST_WINDOW = 8  # samples; a shorter span has no spectrum to speak of
OVERLAP = 4


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
    samples = x.shape[-1]
    window_length = _window_length(samples, sample_rate)
    hop = window_length // OVERLAP
    frames = (samples - window_length) // hop + 1
    window = np.sin(np.pi * (np.arange(window_length) + 0.5) / window_length) ** 2
    window /= np.sqrt(1.5)  # squared Hann windows a quarter apart add up to 3/2
    frequencies = np.fft.rfftfreq(window_length, 1.0 / sample_rate)
    kept = (frequencies >= low) & (frequencies <= high)
    part = np.zeros_like(x)
    for k in range(frames):
        span = slice(k * hop, k * hop + window_length)
        spectrum = np.where(kept, np.fft.rfft(x[:, span] * window), 0.0)
        part[:, span] += np.fft.irfft(spectrum, window_length) * window
    return part


def _window_length(samples: int, sample_rate: int) -> int:
    wanted = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    longest = samples // OVERLAP * OVERLAP
    if longest < SHORTEST_WINDOW:
        raise ValueError(f"a box needs at least {SHORTEST_WINDOW} samples, got {samples}")
    return int(min(wanted, longest))
