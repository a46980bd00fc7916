"""Damage with known edges: gaps, clicks, lost packets, dropouts and clipping, for tests and for measuring.

    gap      y = 0, or the last sample before it, over the span
    click    y = x + a w          w white Gaussian, a the local level times 10^(level/20)
    dropout  y = g x              g falls by `depth` dB and comes back over raised-cosine edges
    clip     y = max(-c, min(x, c))
    packets  a two-state Markov chain (Gilbert-Elliott): good -> lost with probability `loss`, lost -> good with
             `recovery`

Every function leaves its argument alone and returns the damaged copy with one label per damaged span. Damage of a
given count is put only where there is sound, so that it is damage and not a longer rest.

References:
    S. Godsill and P. Rayner, "Digital Audio Restoration", Springer, 1998 (noise-burst model of clicks).
    E. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal, 1960.
    E. Elliott, "Estimates of error rates for codes on burst-noise channels", Bell System Technical Journal, 1963.
"""

from __future__ import annotations

__all__ = ["Damaged", "add_clicks", "clip", "dropouts", "packet_loss", "punch_gaps", "sounding"]

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from caesura.labels import Label
from caesura.problem import Region, Span, merge, runs

LEVEL_SECONDS = 0.02  # window of the local level; shorter than a note, longer than a period of 50 Hz
SOUNDING_DB = -40.0  # below the loud parts by more than this is a pause or a tail
QUIETEST = 10.0 ** (-66.0 / 20.0)  # 16 steps of 16-bit audio: below, quantisation and sound cannot be told apart
LOUD_QUANTILE = 0.95

Damaged = tuple[NDArray[np.float64], list[Label]]
"""The damaged samples (channels, samples) and where they are damaged."""
Conceal = Literal["zero", "hold", "repeat"]


def punch_gaps(
    x: NDArray[np.float64],
    sample_rate: int,
    *,
    count: int,
    length: int | Span,
    rng: np.random.Generator,
    margin: int | None = None,
    hold: bool = False,
) -> Damaged:
    """Overwrite spans of every channel with zeros or with the last sample before them.

    Args:
        x: samples (channels, samples).
        sample_rate: hertz.
        count: how many gaps.
        length: samples of each gap, or the shortest and the longest of a uniform draw.
        rng: source of the positions and lengths.
        margin: fewest samples between two gaps and at either end; 50 ms when None.
        hold: repeat the last sample before the gap in place of zeros.

    Returns:
        The damaged samples and labels of kind `silence` or `held`.
    """
    y = np.array(x, dtype=np.float64, ndmin=2)
    spans = _place(y, sample_rate, _lengths(count, length, rng), rng, margin)
    for start, stop in spans:
        y[:, start:stop] = y[:, start - 1, None] if hold else 0.0
    return y, _labels(spans, "held" if hold else "silence")


def add_clicks(
    x: NDArray[np.float64],
    sample_rate: int,
    *,
    count: int,
    length: int | Span,
    level: float,
    rng: np.random.Generator,
    margin: int | None = None,
) -> Damaged:
    """Add bursts of white noise to every channel.

    Args:
        x: samples (channels, samples).
        sample_rate: hertz.
        count: how many clicks.
        length: samples of each click, or the shortest and the longest of a uniform draw.
        level: rms of the burst above the rms of the 20 ms around it, in dB.
        rng: source of positions, lengths and bursts.
        margin: fewest samples between two clicks and at either end; 50 ms when None.

    Returns:
        The damaged samples and labels of kind `click`.
    """
    y = np.array(x, dtype=np.float64, ndmin=2)
    spans = _place(y, sample_rate, _lengths(count, length, rng), rng, margin)
    local = np.sqrt(_power(y, sample_rate))
    for start, stop in spans:
        burst = rng.standard_normal((1, stop - start))
        burst /= np.sqrt(np.mean(burst**2))
        y[:, start:stop] += burst * local[(start + stop) // 2] * 10.0 ** (level / 20.0)
    return y, _labels(spans, "click")


def dropouts(
    x: NDArray[np.float64],
    sample_rate: int,
    *,
    count: int,
    length: int | Span,
    depth: float,
    edge: int,
    rng: np.random.Generator,
) -> Damaged:
    """Turn every channel down for a moment, as a speck on a tape does.

    Args:
        x: samples (channels, samples).
        sample_rate: hertz.
        count: how many dropouts.
        length: samples of each dropout with its edges, or the shortest and the longest of a uniform draw.
        depth: loss of level in dB, a positive number.
        edge: samples over which the level falls, and over which it comes back.
        rng: source of the positions and lengths.

    Returns:
        The damaged samples and labels of kind `dropout`.

    Raises:
        ValueError: the two edges do not fit into the shortest dropout.
    """
    y = np.array(x, dtype=np.float64, ndmin=2)
    lengths = _lengths(count, length, rng)
    if depth <= 0.0 or edge < 1 or 2 * edge > int(lengths.min()):
        raise ValueError(f"depth {depth:g} dB, edge {edge} samples: pass depth > 0 and 1 <= edge <= half the length")
    spans = _place(y, sample_rate, lengths, rng, None)
    fall = 0.5 + 0.5 * np.cos(np.pi * np.arange(1, edge + 1) / (edge + 1))
    floor = 10.0 ** (-depth / 20.0)
    for start, stop in spans:
        gain = np.concatenate([fall, np.zeros(stop - start - 2 * edge), fall[::-1]])
        y[:, start:stop] *= floor + (1.0 - floor) * gain
    return y, _labels(spans, "dropout")


def packet_loss(
    x: NDArray[np.float64],
    sample_rate: int,
    *,
    rng: np.random.Generator,
    loss: float = 0.05,
    recovery: float = 0.7,
    packet: float = 20.0,
    conceal: Conceal = "zero",
) -> Damaged:
    """Lose packets of every channel in bursts.

    Args:
        x: samples (channels, samples).
        sample_rate: hertz.
        rng: source of the losses.
        loss: probability that a packet is lost when the one before it came.
        recovery: probability that a packet comes when the one before it was lost.
        packet: length of a packet in milliseconds.
        conceal: what a player puts in place: zeros, the last sample, or the last packet once more.

    Returns:
        The damaged samples and labels of kind `loss`, one per burst; the first packet always comes.
    """
    y = np.array(x, dtype=np.float64, ndmin=2)
    size = max(round(packet * 1e-3 * sample_rate), 1)
    lost, spans = False, []
    for start in range(size, y.shape[1], size):
        lost = bool(rng.random() < (1.0 - recovery if lost else loss))
        if lost:
            stop = min(start + size, y.shape[1])
            y[:, start:stop] = _concealment(y, start, stop, size, conceal)
            spans.append((start, stop))
    return y, _labels(merge(spans), "loss")


def clip(x: NDArray[np.float64], *, level: float) -> Damaged:
    """Limit every sample to `level`.

    Args:
        x: samples (channels, samples).
        level: largest magnitude that passes, full scale 1.

    Returns:
        The damaged samples and one label of kind `clipping` per run and channel.

    Raises:
        ValueError: the level is not positive.
    """
    if not level > 0.0:
        raise ValueError(f"a clipping level is a positive number, got {level:g}")
    y = np.array(x, dtype=np.float64, ndmin=2)
    labels = [
        Label(Region(start, stop, channel=None if len(y) == 1 else channel), kind="clipping")
        for channel, row in enumerate(y)
        for start, stop in runs(np.abs(row) > level)
    ]
    return np.clip(y, -level, level), sorted(labels, key=lambda label: label.region.start)


def sounding(x: NDArray[np.float64], sample_rate: int) -> NDArray[np.bool_]:
    """Where there is sound: the level of 20 ms lies at most 40 dB under the loud parts and over -66 dB full scale.

    Args:
        x: samples (channels, samples).
        sample_rate: hertz.

    Returns:
        (samples,), True where there is sound.
    """
    power = _power(np.atleast_2d(x), sample_rate)
    loud = float(np.quantile(power, LOUD_QUANTILE))
    return np.asarray(power > max(loud * 10.0 ** (SOUNDING_DB / 10.0), QUIETEST**2))


def _power(x: NDArray[np.float64], sample_rate: int) -> NDArray[np.float64]:
    """Mean square over 20 ms around each sample and over the channels."""
    width = max(round(LEVEL_SECONDS * sample_rate), 1)
    total = np.concatenate([[0.0], np.cumsum(np.mean(x**2, axis=0))])
    centre = np.arange(x.shape[1])
    low = np.clip(centre - width // 2, 0, None)
    high = np.clip(centre - width // 2 + width, None, x.shape[1])
    return np.asarray((total[high] - total[low]) / (high - low)).clip(0.0)


def _lengths(count: int, length: int | Span, rng: np.random.Generator) -> NDArray[np.int64]:
    shortest, longest = (length, length) if isinstance(length, int) else length
    if count < 1 or not 1 <= shortest <= longest:
        raise ValueError(f"count {count}, length {shortest} to {longest} samples: all must be at least 1, in order")
    return rng.integers(shortest, longest, size=count, endpoint=True)


def _place(
    x: NDArray[np.float64], sample_rate: int, lengths: NDArray[np.int64], rng: np.random.Generator, margin: int | None
) -> list[Span]:
    """Spans of the given lengths, apart from each other, with sound over and right beside each of them."""
    apart = max(round(0.05 * sample_rate) if margin is None else margin, 1)
    silent = np.concatenate([[0], np.cumsum(~sounding(x, sample_rate))])
    beside = min(apart, round(LEVEL_SECONDS * sample_rate))
    samples = x.shape[1]
    placed: list[Span] = []
    taken = np.zeros(samples, dtype=bool)
    for length in sorted((int(n) for n in lengths), reverse=True):
        starts = np.arange(apart, samples - apart - length + 1)
        starts = starts[silent[starts + length + beside] == silent[starts - beside]]
        crowded = np.concatenate([[0], np.cumsum(taken)])
        starts = starts[crowded[starts + length + apart] == crowded[starts - apart]]
        if not starts.size:
            raise ValueError(
                f"{lengths.size} spans of up to {lengths.max()} samples do not fit where there is sound: "
                "ask for fewer, shorter or closer ones"
            )
        start = int(rng.choice(starts))
        placed.append((start, start + length))
        taken[start : start + length] = True
    return sorted(placed)


def _concealment(y: NDArray[np.float64], start: int, stop: int, size: int, conceal: Conceal) -> NDArray[np.float64]:
    if conceal == "zero":
        return np.zeros((y.shape[0], stop - start))
    if conceal == "hold":
        return np.repeat(y[:, start - 1, None], stop - start, axis=1)
    if conceal == "repeat":
        return np.array(y[:, start - size : stop - size])
    raise ValueError(f"no concealment '{conceal}': choose zero, hold or repeat")


def _labels(spans: list[Span], kind: str) -> list[Label]:
    return [Label(Region(start, stop), kind=kind) for start, stop in spans]
