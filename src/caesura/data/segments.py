"""Stretches of a song that are worth learning from.

    spread:       start_i = i floor((L - l) / (n - 1)),   i = 0 ... n - 1
    consecutive:  start_i = i (1 - overlap) l
    sounding:     mean(x^2 in the stretch) > share mean(x^2 where x is not 0)

Powers are those of floating-point samples: squares of 16-bit samples do not fit 16 bits.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["consecutive", "excerpt", "power", "sounding", "spread"]

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.data.transposition import MARGIN, transposed

Array = NDArray[np.float64]
Signal = NDArray[np.floating[Any]]


def spread(samples: int, length: int, count: int) -> tuple[int, ...]:
    """Starts of `count` stretches over the whole song, which overlap where it is short; none where it is too short."""
    if samples < length:
        return ()
    hop = (samples - length) // max(count - 1, 1)
    return tuple(dict.fromkeys(hop * i for i in range(count)))


def consecutive(samples: int, length: int, overlap: float = 0.0) -> tuple[int, ...]:
    """Starts of stretches one after the other; what is left at the end is dropped."""
    return tuple(range(0, samples - length + 1, max(round((1.0 - overlap) * length), 1)))


def power(x: Signal) -> float:
    """Mean square of (samples,); 0 of none."""
    return float(np.mean(np.square(x, dtype=np.float64))) if x.size else 0.0


def sounding(x: Signal, starts: Sequence[int], length: int, share: float) -> NDArray[np.bool_]:
    """Which stretches are louder than `share` of the power that a part has where it is not silent (stretches,)."""
    floor = share * power(x[x != 0.0])
    return np.array([power(x[start : start + length]) > floor for start in starts], dtype=np.bool_)


def excerpt(x: Array, start: int, length: int, semitones: int, sample_rate: int) -> Array:
    """A stretch of recordings that belong together, transposed; what is around it is heard for its edges.

    Args:
        x: (rows, samples).
        start: first sample.
        length: samples.
        semitones: up; negative is down.
        sample_rate: hertz.

    Returns:
        (rows, length).
    """
    margin = round(MARGIN * sample_rate)
    first = max(start - margin, 0)
    part = transposed(x[:, first : start + length + margin], semitones, sample_rate)
    return np.asarray(part[:, start - first : start - first + length])
