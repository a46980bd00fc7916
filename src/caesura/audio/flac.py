"""The metadata blocks of a FLAC file.

    [ID3v2 tag] 'fLaC' STREAMINFO { last-flag type size contents }* frames

A file that is encoded again gets the new STREAMINFO and the new frames; every other block is carried over as it was,
except SEEKTABLE, which is an index into the old frames. An ID3v2 tag in front and an ID3v1 tag behind are kept.

References:
    RFC 9639, Free Lossless Audio Codec, 2024.
"""

from __future__ import annotations

__all__ = ["Kept", "assemble", "blocks", "kept", "start_of_stream", "tags"]

import shutil
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from caesura.audio.layout import MAX_CHUNKS, AudioError, Chunk

MARKER = b"fLaC"
NAMES = ("STREAMINFO", "PADDING", "APPLICATION", "SEEKTABLE", "VORBIS_COMMENT", "CUESHEET", "PICTURE")
REWRITTEN = ("STREAMINFO", "SEEKTABLE")  # they describe the frames
ID3V1 = 128  # bytes of the tag at the end of a file


class Kept(NamedTuple):
    """What is carried over from a FLAC file that is encoded again."""

    front: bytes = b""
    """An ID3v2 tag."""
    blocks: Sequence[bytes] = ()
    """Metadata blocks with their headers."""
    back: bytes = b""
    """An ID3v1 tag."""


def start_of_stream(file: BinaryIO) -> int | None:
    """Offset of the FLAC marker, past an ID3v2 tag; None where there is none."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        size = sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
        start = 10 + size + (10 if head[5] & 0x10 else 0)
    file.seek(start)
    return start if file.read(4) == MARKER else None


def blocks(file: BinaryIO, path: Path, start: int) -> tuple[list[Chunk], int]:
    """The metadata blocks of the stream at offset `start`, and the offset of its first frame.

    Raises:
        AudioError: the blocks run past the end of the file.
    """
    end = file.seek(0, 2)
    position, last = start + len(MARKER), False
    found: list[Chunk] = []
    while not last:
        file.seek(position)
        head = file.read(4)
        size = int.from_bytes(head[1:], "big")
        if len(head) < 4 or position + 4 + size > end or len(found) == MAX_CHUNKS:
            raise AudioError(f"'{path}' breaks off inside its metadata blocks: it is cut off or damaged")
        last, kind = bool(head[0] & 0x80), head[0] & 0x7F
        found.append(Chunk(NAMES[kind] if kind < len(NAMES) else f"TYPE_{kind}", position + 4, size))
        position += 4 + size
    if found[0].id != "STREAMINFO":
        raise AudioError(f"'{path}' begins with a block {found[0].id} instead of STREAMINFO: it is damaged")
    return found, position


def tags(file: BinaryIO, start: int) -> list[Chunk]:
    """ID3 tags in front of the stream at offset `start` and behind it."""
    found = [Chunk("ID3v2", 0, start)] if start else []
    end = file.seek(0, 2)
    file.seek(max(end - ID3V1, 0))
    return [*found, Chunk("ID3v1", end - ID3V1, ID3V1)] if file.read(3) == b"TAG" else found


def kept(path: Path, *, without: Iterable[str] = ()) -> Kept:
    """Everything in a FLAC file that is neither frames nor a description of them.

    Args:
        path: a FLAC file.
        without: names of blocks to leave behind besides STREAMINFO and SEEKTABLE.

    Raises:
        AudioError: the file is no FLAC file, or is damaged.
    """
    with path.open("rb") as file:
        start = start_of_stream(file)
        if start is None:
            raise AudioError(f"'{path}' is not a FLAC file")
        found = blocks(file, path, start)[0]
        around = {tag.id: _contents(file, tag.offset, tag.size) for tag in tags(file, start)}
        whole = [_contents(file, b.offset - 4, 4 + b.size) for b in found if b.id not in (*REWRITTEN, *without)]
    return Kept(around.get("ID3v2", b""), whole, around.get("ID3v1", b""))


def assemble(encoded: Path, target: Path, metadata: Kept) -> None:
    """Write a FLAC file from the frames of one and the metadata of another.

    Args:
        encoded: a FLAC file with the right samples.
        target: the file to write.
        metadata: what goes around the frames; the last-flags of the blocks are set anew.
    """
    with encoded.open("rb") as source, target.open("wb") as out:
        own, frames = blocks(source, encoded, 0)
        source.seek(own[0].offset)
        pieces = [struct.pack(">I", own[0].size) + source.read(own[0].size), *metadata.blocks]
        out.write(metadata.front + MARKER)
        for i, piece in enumerate(pieces):
            last = 0x80 if i == len(pieces) - 1 else 0
            out.write(bytes([piece[0] & 0x7F | last]) + piece[1:])
        source.seek(frames)
        shutil.copyfileobj(source, out, 1 << 20)
        out.write(metadata.back)


def _contents(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
