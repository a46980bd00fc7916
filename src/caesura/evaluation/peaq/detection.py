"""Whether a listener would notice: detection probability per frame and the variables made of it.

    p = 1 - 2^-(|e| / s)^b,   e difference of the excitations in dB, s the just noticeable step at the level
                              L = 0.3 max(E_R, E_T) + 0.7 E_T,  b = 4 where the test is softer, 6 where it is louder
    P = 1 - prod (1 - p),     Q = sum of whole steps |int e| / s

References:
    ITU-R BS.1387-1, annex 2, section 4.7; P. Kabal 2002, section 5.5.
"""

from __future__ import annotations

__all__ = ["average_distorted_block", "detection", "highest_probability"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FORGETTING = 0.9  # of the smoothed probability, per frame
NO_STEP = 1e30  # dB; nothing is noticeable at or below 0 dB
SOFTER, LOUDER = 4.0, 6.0  # exponents b
NOTHING_COUNTED = -0.5  # the recommendation's value where frames are distorted by less than one step


def detection(pairs: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Probability of detection and number of steps above threshold for each frame.

    Args:
        pairs: for each channel the excitations (frames, bands) of reference and test.

    Returns:
        two arrays (frames,); in each band the better ear decides.
    """
    found = [_in_bands(10.0 * np.log10(r), 10.0 * np.log10(t)) for r, t in pairs]
    probability = np.max([p for p, _ in found], axis=0)
    steps = np.max([q for _, q in found], axis=0)
    return 1.0 - np.prod(1.0 - probability, axis=1), np.sum(steps, axis=1)


def average_distorted_block(probability: Array, steps: Array) -> float:
    """ADB: logarithm of the mean number of steps in frames that are more likely heard than not."""
    heard = probability > 0.5
    if not heard.any():
        return 0.0
    total = float(steps[heard].sum())
    return float(np.log10(total / heard.sum())) if total > 0.0 else NOTHING_COUNTED


def highest_probability(probability: Array) -> float:
    """MFPD: maximum of the smoothed probability of detection."""
    smoothed = highest = 0.0
    for now in probability:
        smoothed = (1.0 - FORGETTING) * float(now) + FORGETTING * smoothed
        highest = max(highest, smoothed)
    return highest


def _in_bands(reference: Array, test: Array) -> tuple[Array, Array]:
    level = 0.3 * np.maximum(reference, test) + 0.7 * test
    audible = level > 0.0
    L = np.where(audible, level, 1.0)
    step = (
        5.95072 * (6.39468 / L) ** 1.71332
        + 9.01033e-11 * L**4
        + 5.05622e-6 * L**3
        - 0.00102438 * L**2
        + 0.0550197 * L
        - 0.198719
    )
    step = np.where(audible, step, NO_STEP)
    error = reference - test
    exponent = np.where(error > 0.0, SOFTER, LOUDER)
    # 2^-64 is 0 beside 1, and the power of a large ratio would overflow.
    ratio = np.minimum(np.abs(error) / step, 64.0)
    return 1.0 - 0.5 ** np.minimum(ratio**exponent, 64.0), np.abs(np.trunc(error)) / step
