"""The ear of PEAQ's basic version: from samples to power spectra, critical bands and excitation.

    |X|^2  Hann frames of 2048 samples, half overlapping; full scale 32768 at 1019.5 Hz is 92 dB SPL
    W      outer and middle ear, A(f) = -2.184 f^-0.8 + 6.5 exp(-0.6 (f - 3.3)^2) - 0.001 f^3.6 dB, f in kHz
    E_b    power in 109 bands of a quarter Bark, 80 Hz to 18 kHz, plus internal noise of 1.456 f^-0.8 dB
    E_s    spread over bands: 27 dB/Bark downwards, 24 + 230/f - 0.2 L dB/Bark upwards, powers added to the 0.4
    E      spread over time: E_f[n] = a E_f[n-1] + (1-a) E_s[n],  E = max(E_f, E_s)

References:
    ITU-R BS.1387-1, annex 2, section 2.1; P. Kabal 2002, sections 2 and 3.
"""

from __future__ import annotations

__all__ = [
    "BANDS",
    "CENTRES",
    "FRAME",
    "FRAME_RATE",
    "FULL_SCALE",
    "HOP",
    "INTERNAL_NOISE",
    "LEAST",
    "SAMPLE_RATE",
    "STEP",
    "Heard",
    "group",
    "hear",
    "smoothing",
]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SAMPLE_RATE = 48_000  # hertz; the only one of the recommendation
FRAME = 2048  # samples
HOP = FRAME // 2
FRAME_RATE = SAMPLE_RATE / HOP  # frames per second
FULL_SCALE = 32768.0  # of 16-bit samples, in which the recommendation counts
LEVEL = 92.0  # dB SPL of a sine at full scale
TEST_FREQUENCY = 1019.5  # hertz of that sine
STEP = 0.25  # Bark
LOWEST, HIGHEST = 80.0, 18_000.0  # hertz
LEAST = 1e-12  # power, so that silence has a logarithm
SPREADING = 0.4  # exponent at which spread powers add up
FALL_DOWN = 2.7  # powers of ten per Bark
TIME_CONSTANTS = (0.030, 0.008)  # seconds, of forward masking at 100 Hz and at high frequencies


@dataclass(frozen=True, eq=False)
class Heard:
    """What the ear makes of one channel; all arrays begin with frames."""

    samples: Array
    """(frames, 2048) samples of the frames in 16-bit units, before the window."""
    spectrum: Array
    """(frames, 1025) power spectrum, before the outer ear."""
    weighted: Array
    """(frames, 1025) power spectrum behind the outer and middle ear."""
    unsmeared: Array
    """(frames, bands) excitation spread over bands."""
    excitation: Array
    """(frames, bands) excitation spread over bands and time."""


def hear(x: Array) -> Heard:
    """Excitation of one channel.

    Args:
        x: (samples,) at 48 kHz, full scale 1.
    """
    padded = np.pad(x * FULL_SCALE, (0, max(FRAME - x.size, 0)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    spectrum = np.abs(np.fft.rfft(frames * WINDOW)) ** 2
    weighted = spectrum * OUTER_EAR
    unsmeared = _spread(group(weighted) + INTERNAL_NOISE) / SPREAD_OF_ONE
    return Heard(frames, spectrum, weighted, unsmeared, _smear(unsmeared))


def group(power: Array) -> Array:
    """Powers (frames, 1025) added up in bands (frames, bands), bins on an edge shared by width."""
    return np.maximum(power @ GROUPING, LEAST)


def smoothing(slow: float, fast: float) -> Array:
    """Factor (bands,) of a first-order low-pass with `slow` seconds at 100 Hz and `fast` at high frequencies."""
    seconds = fast + 100.0 / CENTRES * (slow - fast)
    return np.exp(-1.0 / (FRAME_RATE * seconds))


def _bark(hertz: float) -> float:
    return float(7.0 * np.arcsinh(hertz / 650.0))


def _hertz(bark: Array) -> Array:
    return np.asarray(650.0 * np.sinh(bark / 7.0))


def _edges() -> tuple[Array, Array, Array]:
    """Lower edges, centres and upper edges of the bands in hertz; the last band ends at 18 kHz."""
    low = np.arange(_bark(LOWEST), _bark(HIGHEST), STEP)
    high = np.minimum(low + STEP, _bark(HIGHEST))
    return _hertz(low), _hertz(0.5 * (low + high)), _hertz(high)


def _grouping(low: Array, high: Array) -> Array:
    """(1025, bands): which share of a bin's width lies in a band."""
    width = SAMPLE_RATE / FRAME
    bins = np.arange(FRAME // 2 + 1)[:, None]
    overlap = np.minimum(high, (bins + 0.5) * width) - np.maximum(low, (bins - 0.5) * width)
    return np.asarray(np.maximum(overlap, 0.0) / width)


def _scaled_window() -> Array:
    """Hann window with the gain that gives the loudest bin of the test sine its level."""
    span = FRAME - 1
    position = TEST_FREQUENCY / SAMPLE_RATE * FRAME
    off = abs(position - round(position)) / FRAME * span  # window bins between the sine and the nearest bin
    peak = np.sin(np.pi * off) / (np.pi * off * (1.0 - off**2))
    gain = 10.0 ** (LEVEL / 20.0) / (peak * FULL_SCALE / 4.0 * span)
    return np.asarray(gain * np.hanning(FRAME))


def _outer_ear() -> Array:
    kilohertz = np.arange(1, FRAME // 2 + 1) * SAMPLE_RATE / FRAME / 1000.0
    decibels = -2.184 * kilohertz**-0.8 + 6.5 * np.exp(-0.6 * (kilohertz - 3.3) ** 2) - 0.001 * kilohertz**3.6
    return np.concatenate([[0.0], 10.0 ** (decibels / 10.0)])


LOWER_EDGES, CENTRES, UPPER_EDGES = _edges()
BANDS = CENTRES.size
GROUPING = _grouping(LOWER_EDGES, UPPER_EDGES)
WINDOW = _scaled_window()
OUTER_EAR = _outer_ear()
INTERNAL_NOISE = 10.0 ** (0.1456 * (CENTRES / 1000.0) ** -0.8)


def _spread(power: Array) -> Array:
    """Spread (frames, bands) over bands with slopes that flatten upwards as the level rises."""
    down = 10.0 ** (-FALL_DOWN * STEP)
    up = 10.0 ** ((-2.4 - 23.0 / CENTRES) * STEP) * power ** (0.2 * STEP)
    below, above = np.arange(BANDS), BANDS - np.arange(BANDS)
    area = (1.0 - down ** (below + 1)) / (1.0 - down) + (1.0 - up**above) / (1.0 - up) - 1.0
    normalised = (power / area) ** SPREADING
    total = np.array(normalised)
    for steps in range(1, BANDS):
        total[:, :-steps] += normalised[:, steps:] * down ** (steps * SPREADING)
    rising, factor = np.array(normalised), up**SPREADING
    for steps in range(1, BANDS):
        rising = rising[:, :-1] * factor[:, : BANDS - steps]
        total[:, steps:] += rising
    return total ** (1.0 / SPREADING)


SPREAD_OF_ONE = _spread(np.ones((1, BANDS)))


def _smear(unsmeared: Array) -> Array:
    a = smoothing(*TIME_CONSTANTS)
    smeared, state = np.empty_like(unsmeared), np.zeros(BANDS)
    for n, now in enumerate(unsmeared):
        state = a * state + (1.0 - a) * now
        smeared[n] = np.maximum(state, now)
    return smeared
