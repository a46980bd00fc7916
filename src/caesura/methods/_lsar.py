"""What `lsar` needs for one gap: how far contexts count, the fill of given models, how loud innovations are, a guess.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
"""

from __future__ import annotations

__all__ = ["far_exponent", "fill_with", "levels", "sparse_guess"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import Level, Model, conditional_mean, extrapolate, innovations
from caesura.methods.spain import Spain
from caesura.problem import Region

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LONGEST = 16384  # samples of a gap that a Toeplitz solve can take, in a second or two; beyond, both sides are continued
WINDOW_PER_GAP = 4.0  # of the sparse fill
SHORTEST_WINDOW = 0.02  # seconds
REFERENCES = ((0.0232, 0.0058), (0.0465, 0.0116), (0.1858, 0.0232))  # seconds on either side, and of their orders
MOMENT = 0.006  # seconds over which a gap hears how loud they are
PASSAGE = 0.015  # seconds over which models hear it: shorter ones would follow single periods of a low pitch


def sparse_guess(x: Array, missing: Flags, start: int, stop: int, sample_rate: int) -> Array:
    """The channel (samples,) with a sparse fill in one gap."""
    guess: Array = np.array(x)
    window = max(WINDOW_PER_GAP * (stop - start) / sample_rate, SHORTEST_WINDOW)
    guess[start:stop] = Spain(window=window).fill(guess, ~missing, Region(start, stop), sample_rate)
    return guess


def far_exponent(seconds: float) -> float:
    """Exponent of the context's length in its weight: measured best 0 at 20 ms, 1/2 at 50 ms."""
    return min(max((seconds - 0.02) / 0.06, 0.0), 0.5)


def levels(x: Array, missing: Flags, start: int, stop: int, sample_rate: int, reach: int) -> tuple[Level, Level] | None:
    """How loud the innovations are around a gap: to solve it with, and to estimate models with; None in silence.

    Args:
        x: (samples,).
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        sample_rate: in hertz.
        reach: samples on either side to look at.
    """
    references = [(max(round(c * sample_rate), 2), max(round(p * sample_rate), 1)) for c, p in REFERENCES]
    widths = [seconds * sample_rate for seconds in (MOMENT, PASSAGE)]
    found = innovations(x, missing, (start, stop), reach=reach, references=references, widths=widths)
    return (found[0], found[1]) if found else None


def fill_with(
    x: Array, missing: Flags, start: int, stop: int, models: Sequence[Model], level: Level | None = None
) -> Array:
    """What given models put into one gap (stop - start,)."""
    if not models:
        return np.zeros(stop - start)
    if stop - start <= LONGEST:
        return conditional_mean(x, missing, start, stop, models, level)
    # Deep inside so long a gap the two sides do not feel each other.
    a = models[-1].a
    left, right = x[:start][-a.size :], x[stop:][: a.size][::-1]
    forward, backward = extrapolate(left, a, stop - start), extrapolate(right, a, stop - start)[::-1]
    if not (left.size and right.size):
        return forward + backward
    fade = np.cos(0.5 * np.pi * np.arange(1, stop - start + 1) / (stop - start + 1)) ** 2
    return fade * forward + (1.0 - fade) * backward
