"""WAV files: RIFF, RIFX (big endian), RF64 and BW64.

    'RIFF' size 'WAVE' { id size contents [pad to even] }*

RF64 and BW64 hold 0xFFFFFFFF where a size does not fit into 32 bits and keep the real one in the chunk 'ds64'. Stated
behaviour: a data chunk of size 0xFFFFFFFF without ds64, or of size 0 where more bytes follow than the RIFF size
covers, was written to a pipe and reaches to the end of the file; a data chunk that is cut short holds the frames that
are there.

References:
    Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0, 1991.
    EBU Tech 3306, RF64: an extended file format for audio data, 2018.
    ITU-R BS.2088, Long-form file format for the international exchange of audio programme materials, 2019.
"""

from __future__ import annotations

__all__ = ["chunk", "header", "parse"]

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal

from caesura.audio.layout import MAX_CHUNKS, TRAILING, AudioError, Chunk, Layout, check_format, frames_in
from caesura.audio.pcm import Codec

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
UNKNOWN = 0xFFFFFFFF
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
AMBISONIC_TAIL = bytes.fromhex("00002107d3118644c8c1ca000000")
MAX_DS64 = 28 + 12 * 1024  # contents of a ds64 chunk that are looked at


@dataclass
class _Walk:
    """The chunks seen so far and the 64-bit sizes announced for them."""

    order: Literal["<", ">"]
    large: dict[str, int] = field(default_factory=dict)
    chunks: list[Chunk] = field(default_factory=list)
    promised: int = 0
    streamed: bool = False


def parse(file: BinaryIO, path: Path) -> Layout:
    """Find the chunks and the samples of a WAV file.

    Raises:
        AudioError: the header is cut off or contradicts itself.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if len(head) < 12:
        raise AudioError(f"'{path}' ends after {end} bytes, inside its header: it is cut off, copy it again")
    walk = _Walk(">" if head[:4] == b"RIFX" else "<")
    total = struct.unpack(walk.order + "I", head[4:8])[0]
    _collect(file, path, end, total, walk)
    container = "WAV" if head[:4] == b"RIFF" else head[:4].decode("ascii")
    ids = [chunk.id for chunk in walk.chunks]
    for needed in ("fmt ", "data"):
        if needed not in ids:
            raise AudioError(f"'{path}' has no '{needed}' chunk: it is cut off or not a WAV file")
    data = walk.chunks[ids.index("data")]
    channels, rate, codec, align = _format(file, path, walk.chunks[ids.index("fmt ")], walk.order)
    found = frames_in(data.size, align, walk.promised // align)
    piped = "its data chunk has no size (it was written to a pipe): it is read to the end"
    return Layout(
        container, codec, rate, channels, found.frames, data.offset, tuple(walk.chunks), ids.index("data"),
        found.truncated, piped if walk.streamed else found.note,
    )  # fmt: skip


def header(
    codec: Codec, sample_rate: int, channels: int, frames: int, *, before: Iterable[bytes] = (), after: int = 0
) -> bytes:
    """Everything that comes before the samples of a new WAV file; RF64 where the sizes need it.

    Args:
        codec: how samples are stored; little endian.
        sample_rate: hertz.
        channels: number of channels.
        frames: samples per channel that will follow.
        before: whole chunks, padded, to put before the samples.
        after: bytes of the chunks that will follow the samples.
    """
    align = channels * codec.width
    tag = FLOAT if codec.kind == "float" else PCM
    fmt = struct.pack("<HHIIHH", tag, channels, sample_rate, min(sample_rate * align, UNKNOWN), align, codec.bits)
    chunks = [chunk("fmt ", fmt + (b"\0\0" if tag == FLOAT else b"")), *before]
    if tag == FLOAT:
        chunks.insert(1, chunk("fact", struct.pack("<I", min(frames, UNKNOWN))))
    size = frames * align
    total = 4 + sum(map(len, chunks)) + 8 + size + size % 2 + after
    if total < UNKNOWN:
        return b"RIFF" + struct.pack("<I", total) + b"WAVE" + b"".join(chunks) + b"data" + struct.pack("<I", size)
    chunks.insert(0, chunk("ds64", struct.pack("<QQQI", total + 36, size, frames, 0)))
    elsewhere = struct.pack("<I", UNKNOWN)
    return b"RF64" + elsewhere + b"WAVE" + b"".join(chunks) + b"data" + elsewhere


def chunk(name: str, contents: bytes) -> bytes:
    """A little-endian chunk with its header and its padding."""
    return name.encode("latin-1") + struct.pack("<I", len(contents)) + contents + b"\0" * (len(contents) % 2)


def _collect(file: BinaryIO, path: Path, end: int, total: int, walk: _Walk) -> None:
    """Fill `walk` with every chunk up to the end of the file, whatever the RIFF size says."""
    position = 12
    while end - position >= 8:
        file.seek(position)
        name, size = struct.unpack(walk.order + "4sI", file.read(8))
        if not (name.isascii() and name.decode("ascii").isprintable()):
            break
        if len(walk.chunks) == MAX_CHUNKS:
            raise AudioError(f"'{path}' has more than {MAX_CHUNKS} chunks: it is damaged")
        position += 8
        size = _true_size(name.decode("ascii"), size, walk, end - position, position >= total + 8 or total == UNKNOWN)
        walk.chunks.append(Chunk(name.decode("ascii"), position, min(size, end - position)))
        if name == b"ds64":
            file.seek(position)
            _read_ds64(file.read(min(size, MAX_DS64)), walk)
        position += size + size % 2
    if position < end:
        walk.chunks.append(Chunk(TRAILING, position, end - position))


def _true_size(name: str, size: int, walk: _Walk, rest: int, beyond: bool) -> int:
    """The size of a chunk from its header, the ds64 table, or the end of the file."""
    if size == UNKNOWN and walk.large.get(name):
        size = walk.large[name]
    elif name == "data" and (size == UNKNOWN or (size == 0 and beyond)) and rest:
        walk.streamed, size = True, rest
    if name == "data" and not any(chunk.id == "data" for chunk in walk.chunks):
        walk.promised = size
    return size


def _read_ds64(contents: bytes, walk: _Walk) -> None:
    if len(contents) < 28:
        return
    _, data, _, entries = struct.unpack(walk.order + "QQQI", contents[:28])
    table = contents[28 : 28 + 12 * entries]
    for name, size in struct.iter_unpack(walk.order + "4sQ", table[: len(table) // 12 * 12]):
        walk.large.setdefault(name.decode("latin-1"), size)
    walk.large["data"] = data


def _format(file: BinaryIO, path: Path, where: Chunk, order: Literal["<", ">"]) -> tuple[int, int, Codec | None, int]:
    """Channels, rate, codec and bytes per frame from the fmt chunk."""
    file.seek(where.offset)
    contents = file.read(min(where.size, 40))
    if len(contents) < 16:
        raise AudioError(f"the 'fmt ' chunk of '{path}' has {len(contents)} bytes (16 are needed): the file is damaged")
    tag, channels, rate, _, align, bits = struct.unpack(order + "HHIIHH", contents[:16])
    valid = bits
    if tag == EXTENSIBLE and len(contents) >= 40:
        valid = struct.unpack(order + "H", contents[18:20])[0] or bits
        tag = struct.unpack(order + "H", contents[24:26])[0] if contents[26:40] in (GUID_TAIL, AMBISONIC_TAIL) else 0
    check_format(path, channels, rate)
    if tag not in (PCM, FLOAT):
        return channels, rate, None, max(align, 1)
    width = align // channels
    fits = width in ((4, 8) if tag == FLOAT else (1, 2, 3, 4)) and align == width * channels
    if not fits or not 1 <= bits <= 8 * width or (tag == FLOAT and bits != 8 * width):
        raise AudioError(
            f"'{path}' claims {bits} bits in frames of {align} bytes for {channels} channels: its header is damaged"
        )
    if tag == FLOAT:
        return channels, rate, Codec("float", width, bits, order), align
    valid = min(valid, bits)
    return channels, rate, Codec("unsigned" if width == 1 else "signed", width, valid, order), align
