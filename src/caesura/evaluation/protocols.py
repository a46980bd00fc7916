"""Where the gaps of a benchmark lie, by name.

    sound   four gaps at random where there is sound; the seed moves them
    paper   four gaps with equal distances, as in the CQT-Diff+ paper; one that falls into silence moves to the nearest
            place where at least half of it is sound
    given   the gaps of `gaps.json` beside the file: {file name without suffix: {milliseconds: [[start, stop], ...]}}

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", JAES 2024 (four equally spaced gaps per segment).
"""

from __future__ import annotations

__all__ = ["PROTOCOLS", "NoRoom", "place"]

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Span

Array = NDArray[np.float64]

PROTOCOLS = ("sound", "paper", "given")
COUNT = 4  # gaps per file, as in the paper
APART = 0.2  # seconds from one gap to the next: an autoregressive method of usual order keeps its context
SOUNDING_SHARE = 0.5  # of a gap of the protocol `paper`


class NoRoom(ValueError):
    """Gaps of this length do not fit into this file where there is sound."""


def place(
    protocol: str, path: Path, x: Array, sample_rate: int, *, length: int, rng: np.random.Generator
) -> list[Span]:
    """Spans (start, stop) of the gaps, in order of time.

    Args:
        protocol: one of `PROTOCOLS`.
        path: the file that `x` was read from.
        x: (channels, samples).
        sample_rate: hertz.
        length: samples of each gap.
        rng: source of the positions.

    Raises:
        NoRoom: such gaps do not fit into the file.
        ValueError: no such protocol, or `gaps.json` does not say.
    """
    if protocol == "given":
        return _given(path, x.shape[1], length, sample_rate)
    if protocol == "paper":
        return _equally_spaced(path, x, sample_rate, length)
    if protocol == "sound":
        return _at_random(path, x, sample_rate, length, rng)
    raise ValueError(f"there is no protocol '{protocol}': choose from {', '.join(PROTOCOLS)}")


def _at_random(path: Path, x: Array, sample_rate: int, length: int, rng: np.random.Generator) -> list[Span]:
    from caesura.data.damage import punch_gaps

    margin = round(APART * sample_rate)
    for count in range(COUNT, 0, -1):
        try:
            _, labels = punch_gaps(x, sample_rate, count=count, length=length, rng=rng, margin=margin)
        except ValueError:
            continue  # fewer may fit
        return [(label.region.start, label.region.stop) for label in labels]
    milliseconds = length / sample_rate * 1e3
    raise NoRoom(f"{path.name}: no gap of {milliseconds:g} ms fits where there is sound: ask for shorter ones")


def _equally_spaced(path: Path, x: Array, sample_rate: int, length: int) -> list[Span]:
    from caesura.data.damage import sounding

    apart = round(APART * sample_rate)
    share = _window_means(sounding(x, sample_rate), length)
    taken = np.zeros(share.size, dtype=bool)
    taken[:apart] = taken[max(share.size - apart, 0) :] = True
    spans = []
    for k in range(COUNT):
        free = np.flatnonzero(~taken & (share >= SOUNDING_SHARE))
        if not free.size:
            raise NoRoom(
                f"{path.name}: {COUNT} gaps of {length / sample_rate * 1e3:g} ms do not fit where there is sound: "
                "ask for shorter ones or leave the file out"
            )
        wanted = round((k + 1) * x.shape[1] / (COUNT + 1) - length / 2)
        start = int(free[np.argmin(np.abs(free - wanted))])
        taken[max(start - length - apart, 0) : start + length + apart] = True
        spans.append((start, start + length))
    return sorted(spans)


def _window_means(flags: NDArray[np.bool_], length: int) -> Array:
    """Share of True in each window of `length` samples, by its first sample."""
    total = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray((total[length:] - total[:-length]) / length)


def _given(path: Path, samples: int, length: int, sample_rate: int) -> list[Span]:
    source = path.with_name("gaps.json")
    milliseconds = f"{length / sample_rate * 1e3:.0f}"
    try:
        known = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"the protocol 'given' needs {source}: write it or choose the protocol 'sound'") from error
    try:
        spans = [(int(start), int(stop)) for start, stop in known[path.stem][milliseconds]]
    except KeyError as missing:
        raise ValueError(f"{source} has no entry {missing} for {path.stem}, {milliseconds} ms: add it") from missing
    if any(not 0 <= start < stop <= samples for start, stop in spans):
        raise ValueError(f"{source} has a gap outside {path.name}, which has {samples} samples: correct it")
    return spans
