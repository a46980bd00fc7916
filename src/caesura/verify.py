"""Proof that nothing outside the regions changed.

Two files are decoded side by side and their samples compared as integers (a float by its bits, so NaN equals NaN);
metadata chunks are compared byte for byte. Where the first file is lossy the second cannot hold its samples exactly,
so two samples count as equal when their distance is at most half a step of the second file's integers:

    |clamp(before) - after| <= 2^-b for integers of b bits.
"""

from __future__ import annotations

__all__ = ["Verdict", "verify"]

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from caesura.audio import Chunk, Info, Reader, chunks, open_audio
from caesura.region import Region, merge

SAMPLES = ("data", "SSND", "STREAMINFO", "SEEKTABLE")  # chunks that hold the samples or describe their coding
PIECE = 1 << 20  # bytes compared at a time
FAMILY = {"RF64": "WAV", "BW64": "WAV", "RIFX": "WAV", "AIFC": "AIFF"}
SAME_VALUES = {"PCM_U8": "PCM_S8"}


@dataclass(frozen=True)
class Verdict:
    """What differs between two files."""

    changed_inside: int
    """Samples inside the regions that differ, all channels together."""
    changed_outside: int
    """Samples outside the regions that differ."""
    first: tuple[int, int, float] | None
    """Channel, sample and second of the first difference outside."""
    format: tuple[str, ...]
    """Sentences on differences of rate, channels, length or sample format."""
    metadata: tuple[str, ...]
    """Sentences on metadata that is missing, changed or added."""
    metadata_kept: bool | None
    """Whether every metadata chunk is the same byte for byte; None where the containers cannot be compared."""
    notes: tuple[str, ...] = ()
    """Sentences on what was compared and how."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs outside the regions."""
        return not (self.changed_outside or self.format or self.metadata)

    def lines(self) -> list[str]:
        """The verdict as plain sentences."""
        found = [*self.format, *self.metadata]
        if self.first is not None:
            channel, sample, second = self.first
            found.append(
                f"{self.changed_outside} samples outside the regions differ, the first one at {second:.6f} s "
                f"(sample {sample}, channel {channel})"
            )
        elif not self.format:
            found.append("no sample outside the regions differs")
        found.append(f"{self.changed_inside} samples inside the regions differ")
        if self.metadata_kept:
            found.append("every metadata chunk is the same")
        return [*found, *self.notes]


def verify(before: Path | str, after: Path | str, regions: Sequence[Region]) -> Verdict:
    """Compare two files outside some regions.

    Args:
        before: the damaged file.
        after: the repaired file.
        regions: where samples may differ; a region with a band covers its whole time span.

    Raises:
        ValueError: a file cannot be decoded, or a region lies outside the first file.
        OSError: a file cannot be read.
    """
    with open_audio(before) as old, open_audio(after) as new:
        _check(regions, old.info)
        spans = [merge((r.start, r.stop) for r in regions if r.channel in (None, c)) for c in range(old.info.channels)]
        format_, notes = _format(old.info, new.info)
        inside = outside = 0
        first = None
        if (old.info.channels, old.info.sample_rate) == (new.info.channels, new.info.sample_rate):
            for start, differs in _differences(old, new):
                allowed = _mask(spans, start, differs.shape[1])
                inside += int(np.count_nonzero(differs & allowed))
                wrong = differs & ~allowed
                outside += int(np.count_nonzero(wrong))
                if first is None and wrong.any():
                    first = _first(wrong, start, old.info.sample_rate)
        else:
            notes.append("so samples cannot be compared")
        metadata, kept, note = _metadata(old.info, new.info)
    return Verdict(inside, outside, first, tuple(format_), tuple(metadata), kept, (*notes, *note))


def _check(regions: Sequence[Region], info: Info) -> None:
    for region in regions:
        if region.stop > info.frames:
            raise ValueError(
                f"the region {region.start}-{region.stop} lies outside '{info.path}', which has {info.frames} samples"
            )
        if region.channel is not None and not 0 <= region.channel < info.channels:
            raise ValueError(f"channel {region.channel} does not exist, '{info.path}' has {info.channels} (from 0)")


def _format(old: Info, new: Info) -> tuple[list[str], list[str]]:
    """Differences that no repair makes, and remarks on those that it does."""
    found = []
    for name, a, b in (
        ("the sample rate", f"{old.sample_rate} Hz", f"{new.sample_rate} Hz"),
        ("the number of channels", old.channels, new.channels),
        ("the length", f"{old.frames} samples", f"{new.frames} samples"),
    ):
        if a != b:
            found.append(f"{name} changed from {a} to {b}")
    notes = []
    if old.lossy:
        notes.append(
            f"'{old.path}' is lossy ({old.subtype}): samples are compared within the precision of {new.subtype}"
        )
    elif _values(old) != _values(new):
        found.append(f"the sample format changed from {old.subtype} to {new.subtype}")
    notes += [f"'{info.path}': {info.note}" for info in (old, new) if info.note]
    return found, notes


def _values(info: Info) -> str:
    """The sample format by the values that it can hold."""
    return SAME_VALUES.get(info.subtype, info.subtype).replace("ALAC_", "PCM_")


def _differences(old: Reader, new: Reader) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """For each block its first frame, and True (channels, frames) where samples differ."""
    exact = _values(old.info) == _values(new.info)
    step = _step(new.info.subtype)
    for start, stop in old.blocks():
        stop = min(stop, new.info.frames)
        if start >= stop:
            return
        if exact:
            yield start, old.codes(start, stop) != new.codes(start, stop)
        else:
            x, y = old.read(start, stop), new.read(start, stop)
            near = np.abs(np.clip(x, -1.0, 1.0 - step) - y) <= 0.5 * step if step else x.astype(np.float32) == y
            yield start, ~(near | (np.isnan(x) & np.isnan(y)))


def _step(subtype: str) -> float:
    """Distance of neighbouring integers when full scale is 1; 0 for floats."""
    digits = subtype.removeprefix("PCM_").removeprefix("ALAC_").lstrip("US")
    return 2.0 ** (1 - int(digits)) if digits.isdigit() else 0.0


def _mask(spans: Sequence[Sequence[tuple[int, int]]], start: int, length: int) -> NDArray[np.bool_]:
    """(channels, length), True inside a span."""
    mask = np.zeros((len(spans), length), dtype=bool)
    for row, own in zip(mask, spans, strict=True):
        first = bisect_right(own, start, key=lambda span: span[1])
        for a, b in takewhile(lambda span: span[0] < start + length, own[first:]):
            row[max(a - start, 0) : b - start] = True
    return mask


def _first(wrong: NDArray[np.bool_], start: int, sample_rate: int) -> tuple[int, int, float]:
    sample = int(np.flatnonzero(wrong.any(axis=0))[0])
    channel = int(np.flatnonzero(wrong[:, sample])[0])
    return channel, start + sample, (start + sample) / sample_rate


def _metadata(old: Info, new: Info) -> tuple[list[str], bool | None, list[str]]:
    """Differences, whether there are none, and a remark where the containers do not allow a comparison."""
    if FAMILY.get(old.container, old.container) != FAMILY.get(new.container, new.container):
        return [], None, [f"metadata cannot be compared between {old.container} and {new.container}"]
    if old.container not in ("FLAC", *FAMILY, *FAMILY.values()):
        return [], None, [f"metadata of {old.container} is not compared"]
    mine, theirs = _numbered(chunks(old.path)), _numbered(chunks(new.path))
    found = [f"the metadata chunk {name} is missing" for name in mine if name not in theirs]
    found += [f"the metadata chunk {name} was added" for name in theirs if name not in mine]
    with old.path.open("rb") as a, new.path.open("rb") as b:
        for name in mine:
            if name in theirs and not _equal(a, mine[name], b, theirs[name]):
                found.append(f"the metadata chunk {name} changed")
    return found, not found, []


def _numbered(found: Sequence[Chunk]) -> dict[str, Chunk]:
    """Chunks by name; a second one of the same name is called '#2'."""
    seen: Counter[str] = Counter()
    numbered = {}
    for chunk in found:
        seen[chunk.id] += 1
        if chunk.id not in SAMPLES:
            numbered[f"'{chunk.id}'" + (f" #{seen[chunk.id]}" if seen[chunk.id] > 1 else "")] = chunk
    return numbered


def _equal(a: BinaryIO, mine: Chunk, b: BinaryIO, theirs: Chunk) -> bool:
    """Whether two chunks have the same contents."""
    if mine.size != theirs.size:
        return False
    a.seek(mine.offset)
    b.seek(theirs.offset)
    pieces = (min(PIECE, mine.size - done) for done in range(0, mine.size, PIECE))
    return all(a.read(size) == b.read(size) for size in pieces)
