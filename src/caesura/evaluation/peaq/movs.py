"""Model output variables of one channel: bandwidth, noise to mask, modulation, noise loudness, error harmonics.

    NMR   = 10 log10 mean over frames and bands of E_N / M,   E_N power of |X_R| - |X_T|, M masking threshold
    D_mod = 100 mean over bands of w |M_T - M_R| / (offset + M_R)
    NL    = (E_t / s_T)^0.23 [(1 + max(s_T E_T - s_R E_R, 0) / (E_t + s_R E_R b))^0.23 - 1],  s = 0.15 M + 0.5,
            b = exp(-1.5 (E_T - E_R) / E_R)
    EHS   = 1000 mean over frames of the highest peak after a valley in the spectrum of the autocorrelation of
            log |X_T|^2 / |X_R|^2

References:
    ITU-R BS.1387-1, annex 2, section 4; P. Kabal 2002, section 5.
"""

from __future__ import annotations

__all__ = [
    "bandwidths",
    "disturbed_frames",
    "harmonic_structure",
    "modulation_differences",
    "noise_loudness",
    "noise_to_mask",
]

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.peaq.ear import BANDS, FRAME_RATE, HOP, INTERNAL_NOISE, LEAST, STEP, Heard, group
from caesura.evaluation.peaq.patterns import adapt, loudness, modulation

Array = NDArray[np.float64]

SETTLING = 0.5  # seconds before patterns count
AFTER_ONSET = 0.05  # seconds of sound before noise loudness counts
AUDIBLE = 0.1  # sone of both signals: there is sound
NOISE_BIN, LOWEST_BIN = 921, 346  # 21.6 kHz: only noise is above; 8.1 kHz: a narrower reference does not count
REFERENCE_ABOVE, TEST_ABOVE = 10.0, 10.0**0.5  # powers over the noise: 10 dB and 5 dB
DISTURBED = 10.0**0.15  # noise to mask of 1.5 dB
LAGS = 256  # bins of autocorrelation: up to 9 kHz
SILENT = 8000.0  # energy of half a frame, in 16-bit units, under which its error has no structure


def bandwidths(r: Heard, t: Heard) -> tuple[float, float]:
    """BandwidthRef and BandwidthTest: mean number of bins over the noise, frames with a narrow reference left out."""
    noise = t.spectrum[:, NOISE_BIN:HOP].max(axis=1)
    own = _highest(r.spectrum[:, :NOISE_BIN] >= REFERENCE_ABOVE * noise[:, None])
    wide = own > LOWEST_BIN
    if not wide.any():
        return 0.0, 0.0
    below = np.arange(NOISE_BIN) < own[:, None]
    other = _highest((t.spectrum[:, :NOISE_BIN] >= TEST_ABOVE * noise[:, None]) & below)
    return float(own[wide].mean()), float(other[wide].mean())


def noise_to_mask(r: Heard, t: Heard) -> float:
    """Total NMR in decibels."""
    return float(10.0 * np.log10(_noise_to_mask(r, t).mean()))


def disturbed_frames(r: Heard, t: Heard) -> float:
    """RelDistFrames: share of frames with a band whose noise lies 1.5 dB over the mask."""
    return float(np.mean(_noise_to_mask(r, t).max(axis=1) >= DISTURBED))


def modulation_differences(r: Heard, t: Heard) -> tuple[float, float, float]:
    """WinModDiff1, AvgModDiff1 and AvgModDiff2."""
    first = _settled(len(r.excitation))
    m_r, average = modulation(r.unsmeared)
    m_t, _ = modulation(t.unsmeared)
    difference = np.abs(m_t - m_r)
    one = (100.0 * np.mean(difference / (1.0 + m_r), axis=1))[first:]
    weight = np.where(m_t > m_r, 1.0, 0.1)
    two = (100.0 * np.mean(weight * difference / (0.01 + m_r), axis=1))[first:]
    temporal = np.sum(average / (average + 100.0 * INTERNAL_NOISE**0.3), axis=1)[first:]
    return _windowed(one), float(np.average(one, weights=temporal)), float(np.average(two, weights=temporal))


def noise_loudness(r: Heard, t: Heard) -> float:
    """RmsNoiseLoud: root mean square over frames of the loudness of what was added, in sone."""
    e_r, e_t = adapt(r.excitation, t.excitation)
    s_r, s_t = (0.15 * modulation(heard.unsmeared)[0] + 0.5 for heard in (r, t))
    masking = np.exp(-1.5 * (e_t - e_r) / e_r)
    added = np.maximum(s_t * e_t - s_r * e_r, 0.0) / (INTERNAL_NOISE + s_r * e_r * masking)
    specific = (INTERNAL_NOISE / s_t) ** 0.23 * ((1.0 + added) ** 0.23 - 1.0)
    total = np.maximum(24.0 / BANDS * np.sum(specific, axis=1), 0.0)
    sounding = np.flatnonzero((loudness(r.excitation) > AUDIBLE) & (loudness(t.excitation) > AUDIBLE))
    if not sounding.size:
        return 0.0
    first = max(_settled(len(total)), min(int(sounding[0]) + int(np.ceil(AFTER_ONSET * FRAME_RATE)), len(total) - 1))
    return float(np.sqrt(np.mean(total[first:] ** 2)))


def harmonic_structure(r: Heard, t: Heard) -> float:
    """EHS: how strongly the error repeats along the frequency axis."""
    loud = (np.sum(r.samples[:, HOP:] ** 2, axis=1) >= SILENT) | (np.sum(t.samples[:, HOP:] ** 2, axis=1) >= SILENT)
    if not loud.any():
        return 0.0
    size = slice(0, 2 * LAGS)
    d = np.log(np.maximum(t.weighted[loud, size], LEAST) / np.maximum(r.weighted[loud, size], LEAST))
    correlation = _normalised_correlation(d)
    window = np.sqrt(8.0 / 3.0) / LAGS * np.hanning(LAGS)
    power = np.abs(np.fft.rfft(window * (correlation - correlation.mean(axis=1, keepdims=True)), axis=1)) ** 2
    rising = np.diff(power, axis=1) > 0.0
    return float(1000.0 * np.mean(np.max(np.where(rising, power[:, 1:], 0.0), axis=1)))


def _highest(over: NDArray[np.bool_]) -> NDArray[np.int64]:
    """One more than the index of the last True of each row, 0 where there is none."""
    return np.where(over.any(axis=1), over.shape[1] - np.argmax(over[:, ::-1], axis=1), 0)


def _noise_to_mask(r: Heard, t: Heard) -> Array:
    bark = STEP * np.arange(BANDS)
    offset = 10.0 ** (np.where(bark <= 12.0, 3.0, 0.25 * bark) / 10.0)
    noise = group((np.sqrt(r.weighted) - np.sqrt(t.weighted)) ** 2)
    return np.asarray(noise * offset / r.excitation)


def _settled(frames: int) -> int:
    """First frame that counts; in recordings under half a second the last one."""
    return min(int(np.ceil(SETTLING * FRAME_RATE)), frames - 1)


def _windowed(x: Array, width: int = 4) -> float:
    """Root mean square over time of the squared mean root over 4 frames, so that what is bad for 85 ms counts more."""
    width = min(width, x.size)
    roots = np.lib.stride_tricks.sliding_window_view(np.sqrt(x), width).mean(axis=1)
    return float(np.sqrt(np.mean(roots**4)))


def _normalised_correlation(d: Array) -> Array:
    """Correlation (frames, 256) of the first 256 bins of `d` (frames, 512) with itself shifted by 0 to 255 bins."""
    size = 4 * LAGS
    cross = np.fft.irfft(np.conj(np.fft.rfft(d[:, :LAGS], size)) * np.fft.rfft(d, size), size)[:, :LAGS]
    energy = np.cumsum(np.pad(d**2, ((0, 0), (1, 0))), axis=1)
    shifted = energy[:, LAGS : 2 * LAGS] - energy[:, :LAGS]
    product = shifted[:, :1] * shifted
    known = product > 0.0
    return np.where(known, cross / np.sqrt(np.where(known, product, 1.0)), 1.0)
