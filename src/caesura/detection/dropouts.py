"""Dropouts: the sound is turned down for a moment and comes back.

A dropout multiplies the sound by a gain, so all bands fall together, by the same number of decibels, within a few
milliseconds, and rise together to where they were. A note that ends falls slowly; a stop consonant falls faster, but
the bands fall by different amounts and what follows has another level and colour; a rest does not come back. With
L_j the level of band j in dB over the noise of 16 bits, every fall is paired with the rise that fits it best, and the
pair is weighed by six numbers:

    drop      the smaller one of fall and rise, weighted mean over the bands that carry sound (dB)
    mismatch  difference of level before and after (dB)
    speed     share of the fall, and of the rise, that happens within 6 ms (the smaller one)
    length    ms, at most 60
    uneven    rms over the bands of (fall of the band - fall of all), the larger one of both edges (dB)
    unequal   difference of fall and rise, each measured at its edge (dB)

    confidence = 1 / (1 + exp(-(c_0 + sum_i c_i x_i)))

The coefficients come from a logistic regression on music and speech with and without dropouts (none of it in the
test set of the table in docs/benchmarks/detection.md).
"""

from __future__ import annotations

__all__ = ["Dropout", "find_dropouts"]

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

HOP_SECONDS = 0.001
WINDOW_SECONDS = 0.004  # resolves an edge of 2 ms and is longer than a period of 250 Hz
BANDS = (0.0, 400.0, 1000.0, 2000.0, 3500.0, 5500.0, 8000.0)  # hertz
NOISE = 0.6 / 32768.0  # dither of 16-bit audio
SHORTEST, LONGEST = 8, 320  # hops
SUSPECTED = 8.0  # dB of fall and of rise that make an edge worth a look
FADING = 6.0  # dB that the level changes within 20 ms beside the edges of a rest between two fades
APART = 6  # hops between two edges of the same direction
INSIDE = 6.0  # dB that every moment of a dropout lies below the level before it
FAINT, CLEAR = 12.0, 15.0  # dB over the noise where a band starts to count, and over how many more it counts fully
LEAD = 12  # hops at either end of a block without an edge
START_SHIFT, STOP_SHIFT = -0.003, 0.003  # seconds from the steepest point to the end of an edge of 2 to 5 ms
INTERCEPT = -8.39
WEIGHTS = {"drop": 0.186, "mismatch": -0.063, "speed": 4.39, "length": 0.072, "uneven": -0.2, "unequal": -0.05}


@dataclass(frozen=True)
class Dropout:
    """A span of a block, and how sure it is that it was turned down."""

    start: int
    stop: int
    confidence: float


def find_dropouts(x: Array, sample_rate: int, sensitivity: float) -> list[Dropout]:
    """Dropouts of one channel.

    Args:
        x: samples of a block (samples,), finite.
        sample_rate: hertz.
        sensitivity: the odds of a dropout are multiplied by its fourth power.

    Returns:
        the dropouts in order of time with a confidence of 0.5 and more.
    """
    hop = max(round(HOP_SECONDS * sample_rate), 1)
    levels = _levels(x, sample_rate, hop)
    found = []
    for fall, rise in _pairs(levels):
        if _fades(levels, fall, rise):
            continue
        odds = INTERCEPT + sum(WEIGHTS[k] * v for k, v in _features(levels, fall, rise).items())
        confidence = 1.0 / (1.0 + math.exp(-odds - 4.0 * math.log(sensitivity)))
        if confidence >= 0.5:
            start = fall * hop + round(START_SHIFT * sample_rate)
            stop = rise * hop + round(STOP_SHIFT * sample_rate)
            found.append(Dropout(max(start, 0), min(stop, x.size), confidence))
    return _best(found)


def _levels(x: Array, sample_rate: int, hop: int) -> Array:
    """(bands, hops): dB over the noise of 16-bit audio."""
    length = round(WINDOW_SECONDS * sample_rate)
    size = 2 ** math.ceil(math.log2(length))
    window = np.hanning(length + 2)[1:-1]
    padded = np.pad(x, (length // 2, length))
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[: x.size : hop]
    power = np.concatenate(
        [_band_power(frames[first : first + 1024] * window, size, sample_rate) for first in range(0, len(frames), 1024)]
    )
    noise = float(window @ window) * NOISE**2
    return 10.0 * np.log10(power.T / noise + 1.0)


def _band_power(frames: Array, size: int, sample_rate: int) -> Array:
    power = np.abs(np.fft.rfft(frames, size)) ** 2
    edges = [edge for edge in BANDS if edge <= sample_rate / 2.0]
    bins = np.round(np.array(edges) * size / sample_rate).astype(int)
    sums = np.add.reduceat(power, bins, axis=1)[:, : len(bins) - 1]
    return sums / np.diff(bins)


def _pairs(levels: Array) -> list[tuple[int, int]]:
    """For every fall the rise that fits it best."""
    falls, rises = _edges(levels)
    fall_at, rise_at = _peaks(falls), _peaks(rises)
    pairs = []
    for t in fall_at:
        near = rise_at[(rise_at >= t + SHORTEST) & (rise_at <= t + LONGEST)]
        if near.size:
            fits = [(fit, int(r)) for fit, r in _fits(levels, falls, rises, int(t), near)]
            if fits:
                pairs.append((int(t), max(fits)[1]))
    return pairs


def _fits(levels: Array, falls: Array, rises: Array, t: int, near: NDArray[np.intp]) -> list[tuple[float, int]]:
    before = levels[:, t - 10 : t - 2].mean(axis=1)
    loud = _weights(before)
    inside = loud @ levels[:, t + 4 : near[-1] - 3]
    too_high = np.flatnonzero(inside > loud @ before - INSIDE)
    end = t + 4 + int(too_high[0]) if too_high.size else int(near[-1])
    fits = []
    for r in near[near - 3 <= end]:
        after = levels[:, r + 3 : r + 11].mean(axis=1)
        mismatch = float(_weights(np.maximum(before, after)) @ (before - after))
        fits.append((min(falls[t], rises[r]) - 0.5 * abs(mismatch), int(r)))
    return fits


def _edges(levels: Array) -> tuple[Array, Array]:
    """How far the level falls, and rises, around each hop, in the bands that carry sound before, or after."""
    before, later = _mean(levels, -8, -2), _mean(levels, 3, 8)
    earlier, after = _mean(levels, -7, -2), _mean(levels, 3, 9)
    fall, rise = _weights(before), _weights(after)
    return (fall * (before - later)).sum(axis=0), (rise * (after - earlier)).sum(axis=0)


def _mean(levels: Array, low: int, high: int) -> Array:
    """Mean over the hops t + low to t + high - 1 for every t."""
    total = np.concatenate([np.zeros((len(levels), 1)), np.cumsum(levels, axis=1)], axis=1)
    t = np.arange(levels.shape[1])
    first, last = np.clip(t + low, 0, t.size), np.clip(t + high, 0, t.size)
    return np.asarray((total[:, last] - total[:, first]) / np.maximum(last - first, 1))


def _weights(level: Array) -> Array:
    """Share of each band: those that rise out of the noise; nothing where there is no sound at all."""
    share = np.clip((level - FAINT) / CLEAR, 1e-6, 1.0)
    heard = share.max(axis=0) > 0.2
    return np.asarray(share / share.sum(axis=0) * heard)


def _peaks(v: Array) -> NDArray[np.intp]:
    """Where `v` is high enough and highest among its neighbours."""
    if v.size <= 2 * LEAD:
        return np.zeros(0, dtype=np.intp)
    around = np.lib.stride_tricks.sliding_window_view(v, 2 * APART + 1).max(axis=1)
    middle = v[APART : v.size - APART]
    at = np.flatnonzero((middle == around) & (middle > SUSPECTED)) + APART
    return at[(at >= LEAD) & (at < v.size - LEAD)]


def _features(levels: Array, t: int, r: int) -> dict[str, float]:
    before, after = levels[:, t - 9 : t - 2].mean(axis=1), levels[:, r + 3 : r + 10].mean(axis=1)
    first = levels[:, t + 3 : min(t + 10, r - 2)].mean(axis=1)
    last = levels[:, max(r - 9, t + 3) : r - 2].mean(axis=1)
    fall, uneven_fall = _depth(before, first)
    rise, uneven_rise = _depth(after, last)
    falls, rises = _edges(levels[:, max(t - 12, 0) : t + 13]), _edges(levels[:, r - 12 : r + 13])
    drop, lift = float(falls[0][min(t, 12)]), float(rises[1][12])
    return {
        "drop": min(drop, lift),
        "mismatch": min(abs(float(_weights(np.maximum(before, after)) @ (before - after))), 30.0),
        "speed": min(_speed(levels, t, _weights(before)) / drop, -_speed(levels, r, _weights(after)) / lift, 1.0),
        "length": float(min(r - t, 60)),
        "uneven": min(max(uneven_fall, uneven_rise), 15.0),
        "unequal": min(abs(fall - rise), 20.0),
    }


def _fades(levels: Array, t: int, r: int) -> bool:
    """Whether the level was falling long before and goes on rising after: a rest between two fades."""
    before, after = levels[:, max(t - 9, 0) : t - 2].mean(axis=1), levels[:, r + 3 : r + 10].mean(axis=1)
    earlier, later = levels[:, max(t - 30, 0) : max(t - 15, 1)], levels[:, r + 16 : r + 31]
    if not later.size:
        return False
    fall = float(_weights(earlier.mean(axis=1)) @ (earlier.mean(axis=1) - before))
    rise = float(_weights(later.mean(axis=1)) @ (later.mean(axis=1) - after))
    return min(fall, rise) > FADING


def _speed(levels: Array, t: int, weights: Array) -> float:
    """Fall within 6 hops around t."""
    return float(weights @ (levels[:, t - 4 : t - 1].mean(axis=1) - levels[:, t + 2 : t + 5].mean(axis=1)))


def _depth(outside: Array, inside: Array) -> tuple[float, float]:
    """Fall of all bands at an edge, and how far single bands stray from it; a band cannot fall below the noise."""
    weights = _weights(outside)
    falls = outside - inside
    heard = (inside > 4.0) & (weights > 0.0)
    use = weights * heard if (weights * heard).max() > 0.05 else weights
    total = float(use.sum())
    depth = max(float(use @ falls) / total, 1.0) if total > 0.0 else 1.0
    strays = falls - np.minimum(depth, outside - 2.0)
    return depth, float(np.sqrt(weights @ strays**2))


def _best(found: list[Dropout]) -> list[Dropout]:
    """Of dropouts that overlap the surest one."""
    kept: list[Dropout] = []
    for dropout in sorted(found, key=lambda d: -d.confidence):
        if all(dropout.stop <= k.start or dropout.start >= k.stop for k in kept):
            kept.append(dropout)
    return sorted(kept, key=lambda d: d.start)
