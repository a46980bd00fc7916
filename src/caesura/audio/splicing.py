"""Change samples of a file and nothing else.

An uncompressed file is copied byte for byte and only the sample bytes that really change are overwritten in the copy,
so everything else is the same by construction. FLAC, and what must change its container, is encoded again; then both
files are decoded and compared, and the result is kept only if every sample outside the patches is the same. In both
cases the target appears whole or not at all.
"""

from __future__ import annotations

__all__ = ["Spliced", "splice"]

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from caesura.atomic import replacing
from caesura.audio import flac, tagging
from caesura.audio.copying import copy
from caesura.audio.encoding import Shape, encode
from caesura.audio.layout import AudioError, Info
from caesura.audio.opening import open_audio
from caesura.audio.patches import Overlay, Patch, checked
from caesura.audio.pcm import Floats, codec_for
from caesura.audio.reader import PcmReader, Reader, block_length
from caesura.audio.targets import LOSSY, Target, Written, choose_for, family


@dataclass(frozen=True)
class Spliced(Written):
    """A file that was written with patches in it."""

    changed: int = 0
    """Samples that got another value; one that several patches change may count more than once."""


def splice(
    source: Path | str,
    target: Path | str,
    patches: Iterable[Patch],
    *,
    force: bool = False,
    output_format: str | None = None,
) -> Spliced:
    """Write a copy of a sound file with some samples replaced.

    Args:
        source: the file to copy.
        target: the file to write; its suffix must agree with what is written.
        patches: new samples, sorted by start; consumed once, while writing. Where patches overlap the later one counts.
        force: overwrite an existing target, even the source itself.
        output_format: 'wav', 'aiff', 'flac', 'ogg', 'opus' or 'mp3'; None: the lossless one that the target's name asks
            for, else that of the source.

    Raises:
        AudioError: a file or a patch is not as it should be; the target is as it was.
        OSError: a file cannot be read or written; the target is as it was.
    """
    source, target = Path(source), destination(target)
    with replacing(target, force=force) as partial, open_audio(source) as reader:
        chosen = choose_for(target, reader.info, output_format)
        if chosen.in_place and isinstance(reader, PcmReader):
            clipped, changed, note = _overwrite(reader, partial, patches)
        else:
            clipped, changed, note = _encode_again(reader, chosen, partial, patches)
        note = "; ".join(filter(None, (chosen.note, note)))
    return Spliced(target, chosen.container, chosen.subtype, clipped, note, changed)


def destination(target: Path | str) -> Path:
    """The file that a path leads to.

    Raises:
        AudioError: it exists and is not a regular file, as '/dev/null'.
    """
    target = Path(target).resolve()  # a symbolic link stays one
    if target.exists() and not target.is_file() and not target.is_dir():
        raise AudioError(f"'{target}' is not a regular file: name one")
    return target


def _overwrite(reader: PcmReader, partial: Path, patches: Iterable[Patch]) -> tuple[int, int, str]:
    """Copy the file of `reader` and overwrite samples; return samples clipped and changed, and a note."""
    info, layout, codec = reader.info, reader.layout, reader.codec
    copy(info.path, partial)
    clipped = changed = 0
    with partial.open("r+b") as file:
        for patch in _short(checked(patches, info), block_length(info.channels)):
            place = layout.offset + patch.start * info.channels * codec.width
            length = patch.stop - patch.start
            file.seek(place)
            raw = np.frombuffer(file.read(length * info.channels * codec.width), dtype=np.uint8)
            old = codec.decode(raw, info.channels)[patch.rows]
            new, beyond = codec.encode(patch.samples)
            moved = ~((old == patch.samples) | (np.isnan(old) & np.isnan(patch.samples))).T
            cells = raw.reshape(length, info.channels, codec.width).copy()
            before = cells[:, patch.rows].copy()
            cells[:, patch.rows][moved] = new[moved]
            file.seek(place)
            file.write(cells.tobytes())
            clipped += int(np.count_nonzero(beyond))
            changed += int(np.count_nonzero((cells[:, patch.rows] != before).any(axis=2)))
    stale = changed and any(chunk.id == "MD5 " for chunk in layout.chunks)
    return clipped, changed, "its 'MD5 ' chunk is kept and still describes the old samples" if stale else ""


def _short(patches: Iterable[Patch], length: int) -> Iterator[Patch]:
    """The same patches in pieces of at most `length` frames."""
    for patch in patches:
        for start in range(0, patch.samples.shape[1], length):
            yield dataclasses.replace(
                patch, start=patch.start + start, samples=patch.samples[:, start : start + length]
            )


def _encode_again(reader: Reader, target: Target, partial: Path, patches: Iterable[Patch]) -> tuple[int, int, str]:
    info = reader.info
    overlay = Overlay(patches, info)
    blocks = (overlay.apply(start, reader.read(start, stop)) for start, stop in reader.blocks())
    shape = Shape(info.sample_rate, info.channels, info.frames)
    tags, kind = tagging.tags_of(info.path), family(target.container)
    if kind in ("WAV", "AIFF"):
        clipped = encode(partial, target, shape, blocks, after=tagging.texts(tags, kind))
    elif target.container != "FLAC":
        clipped = encode(partial, target, shape, blocks, tags=tags)
    else:
        own = info.container == "FLAC"
        metadata = flac.kept(info.path) if own else flac.Kept(blocks=tagging.comments(tags))
        clipped = encode_flac(partial, target, shape, blocks, metadata)
    note = tagging.left_behind(info.path)
    if target.container in LOSSY:
        return clipped, info.frames * info.channels, note
    outside, changed = _compare(info, target, partial, overlay)
    held = f"{outside} samples outside the patches exceed full scale and were held there" if outside else ""
    return clipped - outside, changed, "; ".join(filter(None, (held, note)))


def encode_flac(path: Path, target: Target, shape: Shape, blocks: Iterable[Floats], metadata: flac.Kept) -> int:
    """Write a FLAC file that carries the metadata of another; arguments and result as in `encode`."""
    frames = path.with_name(path.name + ".frames")
    try:
        clipped = encode(frames, target, shape, blocks)
        flac.assemble(frames, path, metadata)
    finally:
        frames.unlink(missing_ok=True)
    return clipped


def _compare(info: Info, target: Target, partial: Path, overlay: Overlay) -> tuple[int, int]:
    """Decode source and result; return samples clamped outside the patches, and samples changed.

    Raises:
        AudioError: a sample outside the patches differs.
    """
    codec = codec_for(target.subtype)
    outside = changed = 0
    with open_audio(info.path) as old, open_audio(partial) as new:
        if (new.info.frames, new.info.channels, new.info.sample_rate) != (info.frames, info.channels, info.sample_rate):
            raise AudioError(f"'{info.path}' did not survive being written as {target.container}: nothing was written")
        for start, stop in old.blocks():
            mask = overlay.mask(start, stop, info.channels)
            x = old.read(start, stop)
            x[mask & ~np.isfinite(x)] = 0.0  # what was damaged need not fit the new sample format
            raw, beyond = codec.encode(x)
            differs = codec.codes(np.ascontiguousarray(raw).reshape(-1), info.channels) != new.codes(start, stop)
            if (differs & ~mask).any():
                raise AudioError(f"samples of '{info.path}' outside the patches changed in {target.container}")
            changed += int(np.count_nonzero(differs))
            outside += int(np.count_nonzero(beyond & ~mask))
    return outside, changed
