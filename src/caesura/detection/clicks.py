"""Clicks and crackle: samples that a short-time autoregressive model cannot explain, amid samples that it can.

A click is *added* to a sound; an onset, a stroke or a glottal pulse *excites* it and rings on. Both stand out of
the prediction error. With e the forward error under the model a, the click that explains the samples s..t best is

    delta = B^-1 z,    B = Toeplitz(b_0 ... b_{w-1}),    b = a * a reversed,    z[n] = sum_k b_k x[n + k],

and taking it away lowers the error energy of s..t+p by z' delta. After a click the sound goes on as if nothing had
happened, after a stroke it does not. So four ratios weigh a suspected span:

    strength   sqrt(z' delta / w) / sigma          how far the click stands out of the ordinary error
    explained  error energy before / after         how much of what is unusual the click accounts for
    peak       max min(|e_f|, |e_b|) / the third highest peak of the neighbours: a voice has a pulse per period
    rest       error energy that remains / p sigma^2: a stroke rings on

    confidence = 1 / (1 + exp(-(c_0 + sum_i c_i log r_i)))

sigma is the larger one of the robust levels before and after, so that an onset is measured against its own tail.
The coefficients come from a logistic regression on music, speech and synthetic strokes with and without clicks (none
of it in the test set of the table in docs/benchmarks/detection.md).

References:
    S. Vaseghi and P. Rayner, "Detection and suppression of impulsive noise in speech communication systems",
    IEE Proceedings I, 1990.
    S. Godsill and P. Rayner, "Digital Audio Restoration", Springer, 1998, chapters 5 and 9.
    A. Janssen, R. Veldhuis and L. Vries, "Adaptive interpolation of discrete-time signals that can be modeled as
    autoregressive processes", IEEE TASSP, 1986.
"""

from __future__ import annotations

__all__ = ["Click", "find_clicks"]

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz

from caesura.detection._ar import Residuals, frame_shape, residuals
from caesura.problem import Span, merge, runs

Array = NDArray[np.float64]

PARTS = 4  # of a hop: the robust level is taken over 6 ms
NORMAL = 0.6745  # median of |e| of a Gaussian with deviation 1
CORE = 4.0  # deviations at which a sample is suspected
SKIRT = 2.5  # deviations down to which a suspected span is widened
PEAK = 1.4  # times the third highest peak of the neighbours
NEIGHBOURS = 5  # parts on either side: 30 ms, three periods of a low voice
WIDER = (3, 8)  # samples added on either side: the ends of a burst may be as faint as the sound
INTERCEPT = -7.86
WEIGHTS = (3.87, 0.46, 1.05, -1.82)  # of log strength, explained, peak, rest
MUCH = 2.0  # times the error that remains
ENDS = 0.1  # times the rms of the click: fainter samples at its ends are left alone
LONGEST_SECONDS = 0.0045
BRIDGE_SECONDS = 0.0003  # small samples inside a burst
FLOOR = 0.5 / 32768.0  # half a step of 16-bit audio


@dataclass(frozen=True)
class Click:
    """A span of a block, and how sure it is that something was added there."""

    start: int
    stop: int
    confidence: float


def find_clicks(x: Array, sample_rate: int, sensitivity: float) -> list[Click]:
    """Clicks of one channel.

    Args:
        x: samples of a block (samples,), finite; a whole number of hops.
        sample_rate: hertz.
        sensitivity: thresholds are divided by it.

    Returns:
        the clicks in order of time; a quarter of a frame at either end of the block is not searched.
    """
    shape = frame_shape(sample_rate)
    return _clicks(x, residuals(x, shape, floor=FLOOR**2), sample_rate, sensitivity)


def _clicks(x: Array, e: Residuals, sample_rate: int, sensitivity: float) -> list[Click]:
    part = e.shape.hop // PARTS
    u = np.minimum(np.abs(e.forward), np.abs(e.backward))
    rows = u.reshape(-1, part)
    level, peaks = _level(e.forward, part), _third_peak(rows.max(axis=1))
    core = np.maximum(CORE * level, PEAK * peaks) / sensitivity
    suspected = (rows > core[:, None]).ravel()
    if not suspected.any():
        return []
    skirt = (rows > np.minimum(SKIRT * level, core)[:, None]).ravel()
    bridge = max(round(BRIDGE_SECONDS * sample_rate), 2)
    clicks = []
    for start, stop in merge(runs(skirt), bridge):
        if stop - start <= LONGEST_SECONDS * sample_rate and suspected[start:stop].any():
            k = min((start + stop) // 2 // part, len(level) - 1)
            peak = float(u[start:stop].max() / max(peaks[k], FLOOR))
            clicks += _judge(x, e, (start, stop), float(level[k]), peak, sensitivity)
    return clicks


def _judge(x: Array, e: Residuals, span: Span, sigma: float, peak: float, sensitivity: float) -> list[Click]:
    """The span as a click, or nothing; taken wider when that explains much more."""
    a = e.models[min((span[0] + span[1]) // 2 // e.shape.hop, len(e.models) - 1)]
    tries = []
    for more in WIDER:
        start, stop = span[0] + e.shape.lead - more, span[1] + e.shape.lead + more
        tries.append((*_explain(x[start - e.shape.order : stop + e.shape.order], a), start))
    narrow, wide = tries
    before, rest, delta, gain, start = narrow if narrow[1] <= MUCH * wide[1] else wide
    ratios = (math.sqrt(gain / delta.size) / sigma, before / rest, peak, max(rest / sigma**2, 1.0))
    odds = INTERCEPT + sum(w * math.log(max(r, 1e-6)) for w, r in zip(WEIGHTS, ratios, strict=True))
    odds += 4.0 * math.log(sensitivity)
    if odds < 0.0:
        return []
    loud = np.flatnonzero(np.abs(delta) > ENDS * np.sqrt(np.mean(delta**2)))
    return [Click(start + int(loud[0]), start + int(loud[-1]) + 1, 1.0 / (1.0 + math.exp(-odds)))]


def _explain(y: Array, a: Array) -> tuple[float, float, Array, float]:
    """The click that explains all samples but `order` at either end best.

    Returns:
        Mean square of the error before and after it is taken away, the click, and its gain.
    """
    p = a.size - 1
    errors = np.convolve(y, a, mode="valid")
    z = np.convolve(errors, a[::-1], mode="valid")
    column = np.zeros(z.size)
    lags = np.correlate(a, a, mode="full")[p:]
    column[: p + 1] = lags[: z.size]
    delta = solve_toeplitz(column, z)
    gain = max(float(z @ delta), 0.0)
    energy = float(errors @ errors)
    return energy / p, max(energy - gain, FLOOR**2) / p, delta, gain


def _level(errors: Array, part: int) -> Array:
    """Robust deviation around each part: the larger one of before and after, the part itself left out."""
    m = np.median(np.abs(errors).reshape(-1, part), axis=1) / NORMAL
    padded = np.concatenate([m[:1], m[:1], m, m[-1:], m[-1:]])
    before = np.maximum(padded[:-4], padded[1:-3])
    after = np.maximum(padded[3:-1], padded[4:])
    return np.asarray(np.maximum(np.maximum(before, after), FLOOR))


def _third_peak(peaks: Array) -> Array:
    """Third highest peak among the neighbours of each part, itself and those that touch it left out."""
    padded = np.pad(peaks, NEIGHBOURS)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1)
    others = np.concatenate([around[:, : NEIGHBOURS - 1], around[:, NEIGHBOURS + 2 :]], axis=1)
    return np.asarray(np.partition(others, -3, axis=1)[:, -3])
