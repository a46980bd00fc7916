"""Rooms and echoes for rendered sounds.

    reverb:  y = x + w (h * x),  h noise that falls by 60 dB in its decay;    echo:  y[t] = x[t] + k y[t - d]

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["EFFECTS", "wet"]

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Array = NDArray[np.float64]

EFFECTS = ("dry", "reverb", "echo")
DAMPING = 4000.0  # hertz that rooms let through


def wet(x: Array, effect: str, sample_rate: int, rng: np.random.Generator) -> Array:
    """A sound with an effect.

    Args:
        x: (samples,).
        effect: one of `EFFECTS`.
        sample_rate: hertz.
        rng: source of how much of it, and of the room.

    Returns:
        (samples,), louder than it was.
    """
    if effect == "reverb":
        return np.asarray(x + float(rng.uniform(0.6, 1.1)) * _room(x, float(rng.uniform(1.5, 3.0)), sample_rate, rng))
    if effect == "echo":
        delay, kept = round(float(rng.uniform(0.22, 0.45)) * sample_rate), float(rng.uniform(0.45, 0.65))
        heard = x.copy()
        for k in range(delay, x.size, delay):
            heard[k : k + delay] += kept * heard[k - delay : k][: x.size - k]
        return heard
    return x


def _room(x: Array, decay: float, sample_rate: int, rng: np.random.Generator) -> Array:
    """What a room answers, at the power of the sound itself.

    Args:
        x: (samples,).
        decay: seconds in which the answer falls by 60 dB.
        sample_rate: hertz.
        rng: source of the reflections.
    """
    time = np.arange(round(decay * sample_rate)) / sample_rate
    response = rng.standard_normal(time.size) * 10.0 ** (-3.0 * time / decay)
    response = signal.lfilter(*signal.butter(1, DAMPING, fs=sample_rate), response)
    response /= np.sqrt(np.sum(response**2))
    return np.asarray(signal.oaconvolve(x, response)[: x.size])
