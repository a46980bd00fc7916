"""Detection block by block: the same answer for an array in memory and for an hour on a disk.

The recording is cut into blocks on a fixed grid. Each is read with a margin on either side, every detector looks at
one channel of it, and keeps what starts inside. What may be longer than a margin, a run of one value, is put together
from its parts. Memory depends on the sample rate and the number of channels, not on the length.
"""

from __future__ import annotations

__all__ = ["KINDS", "Read", "detect", "detect_blocks"]

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from caesura.detection.clicks import find_clicks
from caesura.detection.dropouts import find_dropouts
from caesura.detection.flat import Piece, clipped, flat_pieces, join, not_finite, weigh
from caesura.labels import Label
from caesura.problem import Region, Span, merge

Array = NDArray[np.float64]
Read = Callable[[int, int], Array]
"""Samples (channels, stop - start) from `start` to `stop`."""

KINDS = ("nan", "silence", "held", "dropout", "click", "clipping")
"""What can be found; where two overlap, the first one counts, and clipping never hides anything."""
MARGIN_SECONDS = 0.7  # longer than a dropout with its surroundings
MARGINS_PER_BLOCK = 16  # so that an eighth is read twice
DISTURBED_SECONDS = 0.003  # models are disturbed that far from the edge of a gap: no clicks there
JUST_DAMAGE = 0.5  # confidence


@dataclass(frozen=True)
class _Finding:
    start: int
    stop: int
    kind: str
    confidence: float


@dataclass
class _Channel:
    """What has been found in one channel so far."""

    found: list[_Finding] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    broken: list[Span] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class _Block:
    x: Array
    """(channels, margin + block + margin), zero outside the recording."""
    origin: int
    """Position of the first sample, negative for the first block."""
    core: Span
    """What this block is responsible for, as positions in the block."""
    inside: Span
    """What belongs to the recording."""


def detect(
    x: Array, sample_rate: int, *, kinds: Collection[str] | None = None, sensitivity: float = 1.0
) -> list[Label]:
    """Find what is damaged in an array.

    Args:
        x: samples (channels, samples) or (samples,), full scale 1; NaN and infinity are damage, not an error.
        sample_rate: hertz.
        kinds: which of `KINDS` to look for; all of them when None.
        sensitivity: 1 as measured; 2 finds fainter damage and more that is none, 0.5 the opposite.

    Returns:
        labels in order of time with their kind and a confidence from 0.5, just damage, to 1. The channel is None
        where all channels are damaged alike.

    Raises:
        ValueError: an unknown kind, or a sensitivity that is not positive.
    """
    channels = np.array(x, dtype=np.float64, ndmin=2, copy=None)

    def read(start: int, stop: int) -> Array:
        return channels[:, start:stop]

    return detect_blocks(read, channels.shape[1], sample_rate, kinds=kinds, sensitivity=sensitivity)


def detect_blocks(
    read: Read, samples: int, sample_rate: int, *, kinds: Collection[str] | None = None, sensitivity: float = 1.0
) -> list[Label]:
    """Find what is damaged in a recording of any length, reading some seconds at a time.

    Args:
        read: gives the samples (channels, stop - start) from `start` to `stop`.
        samples: length of the recording.
        sample_rate: hertz.
        kinds: see `detect`.
        sensitivity: see `detect`.

    Returns:
        see `detect`.

    Raises:
        ValueError: see `detect`.
    """
    wanted = _wanted(kinds)
    if not sensitivity > 0.0:
        raise ValueError(f"sensitivity is a positive number, got {sensitivity:g}")
    channels: dict[int, _Channel] = defaultdict(_Channel)
    for block in _blocks(read, samples, sample_rate):
        for index, row in enumerate(block.x):
            _look(row, block, sample_rate, wanted, sensitivity, channels[index])
    findings = [_settle(channel, sample_rate, wanted, sensitivity, samples) for channel in channels.values()]
    return _labels(_united(findings))


def _wanted(kinds: Collection[str] | None) -> frozenset[str]:
    wanted = frozenset(KINDS if kinds is None else [kinds] if isinstance(kinds, str) else kinds)
    unknown = sorted(wanted - set(KINDS))
    if unknown:
        raise ValueError(f"no kind of damage '{unknown[0]}': choose from {', '.join(KINDS)}")
    return wanted


def _blocks(read: Read, samples: int, sample_rate: int) -> Iterator[_Block]:
    margin = 2 ** max(math.ceil(math.log2(MARGIN_SECONDS * sample_rate)), 10)
    size = MARGINS_PER_BLOCK * margin
    for start in range(0, samples, size):
        low, high = max(start - margin, 0), min(start + size + margin, samples)
        known = read(low, high)
        before = low - (start - margin)
        length = min(size, -(-(samples - start) // margin) * margin) + 2 * margin
        x = np.zeros((known.shape[0], length))
        x[:, before : before + known.shape[1]] = known
        inside = (before, before + known.shape[1])
        yield _Block(x, start - margin, (margin, min(margin + size, inside[1])), inside)


def _look(
    x: Array, block: _Block, sample_rate: int, wanted: frozenset[str], sensitivity: float, channel: _Channel
) -> None:
    """Add what is found in one channel of a block."""
    bad = not_finite(x)
    channel.broken += [_cut(span, block) for span in bad if span[0] < block.core[1] and span[1] > block.core[0]]
    if bad:
        x = _bridged(x, bad)
    pieces = flat_pieces(x, sample_rate, block.inside)
    channel.pieces += [_owned(p, block) for p in pieces if p.start < block.core[1] and p.stop > block.core[0]]
    found: list[_Finding] = []
    if wanted & {"clipping", "click", "held"}:
        tops = clipped(x, sample_rate, block.inside, block.core[0])
        found += [_Finding(start, stop, "clipping", _certainty(start, stop)) for start, stop in tops]
    if "dropout" in wanted:
        dips = find_dropouts(x, sample_rate, sensitivity)
        found += [_Finding(d.start, d.stop, "dropout", d.confidence) for d in dips]
    if "click" in wanted:
        found += [_Finding(c.start, c.stop, "click", c.confidence) for c in find_clicks(x, sample_rate, sensitivity)]
    channel.found += [
        _Finding(f.start + block.origin, f.stop + block.origin, f.kind, f.confidence)
        for f in found
        if block.core[0] <= f.start < block.core[1]
    ]


def _certainty(start: int, stop: int) -> float:
    """Three equal samples at the extreme level may be chance, ten are not."""
    return 1.0 - 0.5 ** (stop - start - 1)


def _bridged(x: Array, bad: list[Span]) -> Array:
    """A copy with straight lines in place of what is no number."""
    good = np.isfinite(x)
    if not good.any():
        return np.zeros_like(x)
    bridged = x.copy()
    at = np.arange(x.size)
    for start, stop in bad:
        bridged[start:stop] = 0.0
    bridged[~good] = np.interp(at[~good], at[good], x[good])
    return bridged


def _cut(span: Span, block: _Block) -> Span:
    return max(span[0], block.core[0]) + block.origin, min(span[1], block.core[1]) + block.origin


def _owned(piece: Piece, block: _Block) -> Piece:
    """The piece at its position in the recording, with the weights of the edges this block is responsible for."""
    low, high = block.core
    return Piece(
        piece.start + block.origin,
        piece.stop + block.origin,
        piece.value,
        piece.before if low <= piece.start < high else 0.0,
        piece.after if low < piece.stop <= high else 0.0,
    )


def _settle(
    channel: _Channel, sample_rate: int, wanted: frozenset[str], sensitivity: float, samples: int
) -> list[_Finding]:
    """Decide what counts where findings of one channel meet."""
    broken = [_Finding(*span, "nan", 1.0) for span in merge(channel.broken)]
    tops = {(f.start, f.stop) for f in channel.found if f.kind == "clipping"}
    bridges = [(f.start - 2, f.stop + 2) for f in broken]
    pieces = [p for p in join(channel.pieces) if (p.start, p.stop) not in tops]
    gaps = [_gap(p, weigh(p, sample_rate, sensitivity)) for p in pieces]
    gaps = _away([g for g in gaps if g.confidence >= JUST_DAMAGE], bridges)
    damaged = [(f.start, f.stop) for f in broken + gaps]
    found = [f for f in channel.found if f.kind == "clipping"]
    dropouts = _away([f for f in channel.found if f.kind == "dropout"], damaged)
    reach = round(DISTURBED_SECONDS * sample_rate)
    edges = [(p.start - reach, p.stop + reach) for p in pieces]
    edges += [(f.start - reach, f.stop + reach) for f in broken + gaps + found] + [(f.start, f.stop) for f in dropouts]
    edges += [(0, reach), (samples - reach, samples)]
    clicks = _away([f for f in channel.found if f.kind == "click"], edges)
    return [f for f in broken + gaps + found + dropouts + clicks if f.kind in wanted]


def _gap(piece: Piece, confidence: float) -> _Finding:
    if piece.value == 0.0:
        return _Finding(piece.start, piece.stop, "silence", confidence)
    return _Finding(piece.start + 1, piece.stop, "held", confidence)  # the sample that is held is genuine


def _away(findings: list[_Finding], spans: list[Span]) -> list[_Finding]:
    hit = _touches([(f.start, f.stop) for f in findings], spans)
    return [f for f, touched in zip(findings, hit, strict=True) if not touched]


def _touches(spans: list[Span], others: list[Span]) -> list[bool]:
    """Which of the spans overlap one of the others."""
    united = merge(others)
    if not united:
        return [False] * len(spans)
    starts, stops = np.array(united).T
    first = [int(np.searchsorted(stops, start, side="right")) for start, _ in spans]
    return [k < len(starts) and bool(starts[k] < stop) for k, (_, stop) in zip(first, spans, strict=True)]


def _united(channels: list[list[_Finding]]) -> list[list[_Finding]]:
    """Clicks that overlap in several channels are one event: each takes the span of all of them."""
    clicks = merge((f.start, f.stop) for own in channels for f in own if f.kind == "click")
    starts = np.array([start for start, _ in clicks])

    def whole(f: _Finding) -> _Finding:
        start, stop = clicks[int(np.searchsorted(starts, f.start, side="right")) - 1]
        return replace(f, start=start, stop=stop)

    return [[whole(f) if f.kind == "click" else f for f in own] for own in channels]


def _labels(channels: list[list[_Finding]]) -> list[Label]:
    """One label where all channels agree, one per channel elsewhere."""
    where: dict[tuple[int, int, str], dict[int, float]] = defaultdict(dict)
    for index, findings in enumerate(channels):
        for f in findings:
            where[f.start, f.stop, f.kind][index] = f.confidence
    labels = []
    for (start, stop, kind), sure in where.items():
        if len(sure) == len(channels):
            labels.append(Label(Region(start, stop), kind, round(min(sure.values()), 3)))
        else:
            labels += [Label(Region(start, stop, channel=c), kind, round(v, 3)) for c, v in sure.items()]
    return sorted(labels, key=_order)


def _order(label: Label) -> tuple[int, int, str, int]:
    return label.region.start, label.region.stop, label.kind, label.region.channel or 0
