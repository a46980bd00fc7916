"""Excitation patterns made comparable, their modulation and their loudness.

    level       the louder of the two signals is scaled down by (sum sqrt(P_R P_T) / sum P_T)^2, P smoothed over time
    pattern     each band is scaled by the smoothed ratio of the two, averaged over 3 bands below and 4 above
    modulation  M = D / (1 + L / 0.3), D smoothed |dL/dt|, L smoothed E_s^0.3
    loudness    N = c (E_t / (s E_0))^0.23 [(1 - s + s E / E_t)^0.23 - 1] sone per band, times 24 / bands in all

References:
    ITU-R BS.1387-1, annex 2, section 3; P. Kabal 2002, section 4.
"""

from __future__ import annotations

__all__ = ["adapt", "loudness", "modulation"]

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.peaq.ear import BANDS, CENTRES, FRAME_RATE, smoothing

Array = NDArray[np.float64]

TIME_CONSTANTS = (0.050, 0.008)  # seconds at 100 Hz and at high frequencies
BELOW, ABOVE = 3, 4  # bands over which corrections are averaged
LOUDNESS_EXPONENT = 0.23
SONE = 1.07664  # c of the recommendation for this version
REFERENCE_POWER = 1e4  # E_0

_kilohertz = CENTRES / 1000.0
_threshold = 10.0 ** (0.364 * _kilohertz**-0.8)
_index = 10.0 ** (0.1 * (-2.0 - 2.05 * np.arctan(_kilohertz / 4.0) - 0.75 * np.arctan((_kilohertz / 1.6) ** 2)))


def adapt(reference: Array, test: Array) -> tuple[Array, Array]:
    """Excitations (frames, bands) of both signals with differences of level and of slow linear filtering taken out."""
    a = smoothing(*TIME_CONSTANTS)
    slow_reference, slow_test = np.zeros(BANDS), np.zeros(BANDS)
    both, square = np.zeros(BANDS), np.zeros(BANDS)
    gain_reference, gain_test = np.zeros(BANDS), np.zeros(BANDS)
    adapted = np.empty((2, *reference.shape))
    for n, (e_r, e_t) in enumerate(zip(reference, test, strict=True)):
        slow_reference = a * slow_reference + (1.0 - a) * e_r
        slow_test = a * slow_test + (1.0 - a) * e_t
        level = (np.sum(np.sqrt(slow_reference * slow_test)) / np.sum(slow_test)) ** 2
        l_r, l_t = (e_r / level, e_t) if level > 1.0 else (e_r, e_t * level)
        both, square = a * both + l_t * l_r, a * square + l_r * l_r
        gain_reference = a * gain_reference + (1.0 - a) * _neighbours(np.minimum(both / square, 1.0))
        gain_test = a * gain_test + (1.0 - a) * _neighbours(np.minimum(square / both, 1.0))
        adapted[0, n], adapted[1, n] = l_r * gain_reference, l_t * gain_test
    return adapted[0], adapted[1]


def modulation(unsmeared: Array) -> tuple[Array, Array]:
    """Modulation and average loudness (frames, bands) of a signal's excitation before smearing over time."""
    a = smoothing(*TIME_CONSTANTS)
    compressed = unsmeared**0.3
    change = np.zeros(BANDS)
    average, before = np.zeros(BANDS), np.zeros(BANDS)
    modulations, averages = np.empty_like(unsmeared), np.empty_like(unsmeared)
    for n, now in enumerate(compressed):
        change = a * change + (1.0 - a) * FRAME_RATE * np.abs(now - before)
        average = a * average + (1.0 - a) * now
        modulations[n], averages[n] = change / (1.0 + average / 0.3), average
        before = now
    return modulations, averages


def loudness(excitation: Array) -> Array:
    """Total loudness in sone of each frame of (frames, bands)."""
    scale = SONE * (_threshold / (_index * REFERENCE_POWER)) ** LOUDNESS_EXPONENT
    specific = scale * ((1.0 - _index + _index * excitation / _threshold) ** LOUDNESS_EXPONENT - 1.0)
    return np.asarray(24.0 / BANDS * np.sum(np.maximum(specific, 0.0), axis=1))


def _neighbours(ratio: Array) -> Array:
    """Mean over up to 3 bands below and 4 above."""
    total = np.concatenate([[0.0], np.cumsum(ratio)])
    first = np.maximum(np.arange(BANDS) - BELOW, 0)
    last = np.minimum(np.arange(BANDS) + ABOVE + 1, BANDS)
    return np.asarray((total[last] - total[first]) / (last - first))
