"""Markers and regions inside sound files: WAV cue points with their names and lengths, AIFF markers.

'cue ': count { id position 'data' chunk-start block-start frame }
'LIST' 'adtl': 'labl' id name, 'ltxt' id length ...
"""

from __future__ import annotations

__all__ = ["cue_regions"]

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

from caesura.audio.layout import Chunk
from caesura.audio.opening import layout_of

MAX_CONTENTS = 1 << 24  # bytes of a chunk that are looked at; a hundred thousand markers take 5 MB


def cue_regions(path: Path | str) -> list[tuple[int, int, str]]:
    """The regions that a WAV or AIFF file carries, as (start, stop, label) in frames, sorted; none for other files.

    A marker without a length has start == stop. Entries that are cut off are passed over.

    Raises:
        AudioError: the file is damaged.
        OSError: the file does not exist or cannot be read.
    """
    layout = layout_of(path)
    if layout is None:
        return []
    with Path(path).open("rb") as file:
        if layout.container in ("AIFF", "AIFC"):
            marks = (_contents(file, chunk) for chunk in layout.chunks if chunk.id == "MARK")
            found = [marker for contents in marks for marker in _marks(contents)]
        else:
            found = _cues(file, layout.chunks, ">" if layout.container == "RIFX" else "<")
    return sorted(found)


def _cues(file: BinaryIO, chunks: tuple[Chunk, ...], order: Literal["<", ">"]) -> list[tuple[int, int, str]]:
    starts: dict[int, int] = {}
    lengths: dict[int, int] = {}
    names: dict[int, str] = {}
    for chunk in chunks:
        if chunk.id == "cue ":
            points = _contents(file, chunk)[4:]
            for name, _, _, _, _, frame in struct.iter_unpack(order + "II4sIII", points[: len(points) // 24 * 24]):
                starts[name] = frame
        elif chunk.id == "LIST":
            for kind, name, contents in _associated(_contents(file, chunk), order):
                if kind == b"labl":
                    names[name] = _text(contents)
                elif kind == b"ltxt" and len(contents) >= 4:
                    lengths[name] = struct.unpack(order + "I", contents[:4])[0]
    return [(start, start + lengths.get(name, 0), names.get(name, "")) for name, start in starts.items()]


def _associated(contents: bytes, order: str) -> Iterator[tuple[bytes, int, bytes]]:
    """Entries of an associated data list: kind, cue id, contents."""
    if contents[:4] != b"adtl":
        return
    position = 4
    while position + 12 <= len(contents):
        kind, size, name = struct.unpack_from(order + "4sII", contents, position)
        yield kind, name, contents[position + 12 : position + 8 + size]
        position += 8 + size + size % 2


def _marks(contents: bytes) -> Iterator[tuple[int, int, str]]:
    """Markers of AIFF: id, frame, and a name that begins with its length."""
    position = 2
    while position + 7 <= len(contents):
        frame, length = struct.unpack_from(">IB", contents, position + 2)
        yield frame, frame, _text(contents[position + 7 : position + 7 + length])
        position += 7 + length + (1 - length % 2)


def _contents(file: BinaryIO, chunk: Chunk) -> bytes:
    file.seek(chunk.offset)
    return file.read(min(chunk.size, MAX_CONTENTS))


def _text(raw: bytes) -> str:
    """Text up to its null; UTF-8 where it is, Latin-1 where it is not."""
    raw = raw.split(b"\0")[0]
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError:
        return raw.decode("latin-1").strip()
