"""Where notes begin, and how fast they follow each other.

    o_t = mean_f max(L_{t, f} - L_{t-1, f}, 0)                         how much begins between two frames
    tempo_t = argmax_b  p(b) sum_s w_s o_{t+s} o_{t+s-60/b},   p(b) = exp(-1/2 log2(b / 120)^2)

L is the logarithm of mel bands, w a window of eight seconds; the prior p decides between a tempo and its double.

References:
    P. Grosche, M. Müller, F. Kurth, "Cyclic tempogram: a mid-level tempo representation for music signals", IEEE
        ICASSP 2010.
    D. Ellis, "Beat tracking by dynamic programming", Journal of New Music Research 36, 2007 (the prior).
"""

from __future__ import annotations

__all__ = ["attacks", "onset_strength", "tempi"]

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from caesura.codecs.mel import Mel

Array = NDArray[np.float64]

FRAMES_PER_SECOND = 100
WINDOW_SECONDS = 0.046  # of a frame: notes a semitone apart need not be told apart here, times do
BANDS = 40
RANGE = 9.2  # nepers under the loudest band, 80 dB, below which nothing begins
RISE_SECONDS = 0.005  # before and after an attack that are compared to find it to the sample
HEARD_SECONDS = 8.0  # that a tempo is read from
STEP_SECONDS = 0.1  # from one reading to the next
USUAL, SLOWEST, FASTEST = 120.0, 30.0, 300.0  # beats per minute
STANDING_OUT = 3.0  # times the mean onset strength
SILENCE = 1e-9


def onset_strength(x: Array, sample_rate: int) -> Array:
    """How much begins at every hundredth of a second (frames,); the first is 0.

    Args:
        x: signal (samples,), more than a frame of it.
        sample_rate: hertz.
    """
    hop = sample_rate // FRAMES_PER_SECOND
    n_fft = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    level = Mel(sample_rate, n_fft, hop, BANDS).encode(x)
    level = np.maximum(level, level.max() - RANGE)
    return np.concatenate(([0.0], np.maximum(np.diff(level, axis=0), 0.0).mean(axis=1)))


def attacks(x: Array, sample_rate: int, apart: float) -> NDArray[np.int64]:
    """Samples at which something clearly begins.

    Args:
        x: signal (samples,).
        sample_rate: hertz.
        apart: least seconds from one to the next; of those nearer to each other the stronger one is kept.
    """
    strength = onset_strength(x, sample_rate)
    found: list[int] = []
    width = apart * FRAMES_PER_SECOND
    for frame in np.argsort(-strength, kind="stable"):
        if strength[frame] <= max(STANDING_OUT * strength.mean(), SILENCE):
            break
        if all(abs(frame - other) >= width for other in found):
            found.append(int(frame))
    hop = sample_rate // FRAMES_PER_SECOND
    return np.array(sorted(_steepest(x, frame * hop, sample_rate) for frame in found), dtype=np.int64)


def _steepest(x: Array, middle: int, sample_rate: int) -> int:
    """Where the energy rises most in the frame around `middle`, which sees what begins before its end."""
    short = round(RISE_SECONDS * sample_rate)
    first = max(middle - short, short)
    energy = np.cumsum(np.square(x[first - short : middle + round(WINDOW_SECONDS * sample_rate) // 2 + short]))
    if energy.size <= 2 * short:
        return middle
    rise = energy[2 * short :] - 2.0 * energy[short:-short] + energy[: -2 * short]
    return first + int(np.argmax(rise)) + 1


def tempi(x: Array, sample_rate: int) -> Array:
    """Tempo in beats per minute, read every tenth of a second; not a number where nothing begins.

    Args:
        x: signal (samples,).
        sample_rate: hertz.
    """
    strength = onset_strength(x, sample_rate)
    heard = min(round(HEARD_SECONDS * FRAMES_PER_SECOND), strength.size)
    step = round(STEP_SECONDS * FRAMES_PER_SECOND)
    parts = np.lib.stride_tricks.sliding_window_view(strength, heard)[::step] * np.hanning(heard)
    spectrum = np.abs(fft.rfft(parts - parts.mean(axis=1, keepdims=True), 2 * heard, axis=1)) ** 2
    alike = fft.irfft(spectrum, axis=1)[:, :heard]
    lags = np.arange(1, heard)
    beats = 60.0 * FRAMES_PER_SECOND / lags
    prior = np.where((beats >= SLOWEST) & (beats <= FASTEST), np.exp(-0.5 * np.log2(beats / USUAL) ** 2), 0.0)
    found = beats[np.argmax(np.maximum(alike[:, 1:], 0.0) * prior, axis=1)]
    return np.where(alike[:, 0] > SILENCE, found, np.nan)
