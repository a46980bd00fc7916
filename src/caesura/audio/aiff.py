"""AIFF and uncompressed AIFC files.

    'FORM' size 'AIFF' { id size contents [pad to even] }*        (big endian)

The chunk COMM gives channels, frames, bits and the rate as an 80-bit float; SSND gives the samples after an offset
and a block size. Stated behaviour: samples beyond COMM's count are not read, and where SSND is cut short the frames
that are there are used.

References:
    Apple Computer, Audio Interchange File Format: "AIFF", version 1.3, 1989.
    Apple Computer, Audio Interchange File Format AIFF-C, draft, 1991.
"""

from __future__ import annotations

__all__ = ["chunk", "header", "parse"]

import math
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from caesura.audio.layout import MAX_CHUNKS, TRAILING, AudioError, Chunk, Layout, check_format, frames_in
from caesura.audio.pcm import Codec

FIXED = {  # AIFC compressions whose sample format does not depend on COMM's bits
    b"fl32": Codec("float", 4, 32, ">"),
    b"FL32": Codec("float", 4, 32, ">"),
    b"fl64": Codec("float", 8, 64, ">"),
    b"FL64": Codec("float", 8, 64, ">"),
    b"in24": Codec("signed", 3, 24, ">"),
    b"in32": Codec("signed", 4, 32, ">"),
    b"42ni": Codec("signed", 3, 24, "<"),
    b"23ni": Codec("signed", 4, 32, "<"),
    b"raw ": Codec("unsigned", 1, 8, ">"),
}
AIFC_VERSION = 0xA2805140
MAX_SIZE = 2**32 - 1
BIAS = 16383 + 63


def parse(file: BinaryIO, path: Path) -> Layout:
    """Find the chunks and the samples of an AIFF file.

    Raises:
        AudioError: the header is cut off or contradicts itself.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if len(head) < 12:
        raise AudioError(f"'{path}' ends after {end} bytes, inside its header: it is cut off, copy it again")
    chunks, promised = _collect(file, path, end)
    ids = [chunk.id for chunk in chunks]
    for needed in ("COMM", "SSND"):
        if needed not in ids:
            raise AudioError(f"'{path}' has no '{needed}' chunk: it is cut off, not an AIFF file, or holds no samples")
    channels, rate, codec, frames = _format(file, path, chunks[ids.index("COMM")], aifc=head[8:] == b"AIFC")
    data = chunks[ids.index("SSND")]
    file.seek(data.offset)
    prefix = file.read(min(data.size, 8))
    if len(prefix) < 8:
        raise AudioError(f"the 'SSND' chunk of '{path}' has {len(prefix)} bytes (8 are needed): the file is damaged")
    begin = 8 + min(struct.unpack(">II", prefix)[0], data.size - 8)
    align = channels * codec.width if codec else 1
    found = frames_in(data.size - begin, align, frames if codec else 0)
    truncated = found.truncated or promised > data.size
    return Layout(
        head[8:].decode("ascii"), codec, rate, channels, found.frames, data.offset + begin, tuple(chunks),
        ids.index("SSND"), truncated, found.note,
    )  # fmt: skip


def header(
    codec: Codec, sample_rate: int, channels: int, frames: int, *, before: Iterable[bytes] = (), after: int = 0
) -> bytes:
    """Everything that comes before the samples of a new AIFF file; AIFC where the samples are floats.

    Args:
        codec: how samples are stored; big endian.
        sample_rate: hertz.
        channels: number of channels.
        frames: samples per channel that will follow.
        before: whole chunks, padded, to put before the samples.
        after: bytes of the chunks that will follow the samples.

    Raises:
        AudioError: the samples do not fit into the format's 4 GiB.
    """
    size = frames * channels * codec.width
    common = struct.pack(">HIH", channels, min(frames, MAX_SIZE), codec.bits) + _extended(sample_rate)
    chunks = [*before]
    if codec.kind == "float":
        compression = b"fl32" if codec.width == 4 else b"fl64"
        version = chunk("FVER", struct.pack(">I", AIFC_VERSION))
        chunks = [version, chunk("COMM", common + compression + b"\0\0"), *chunks]
    else:
        chunks = [chunk("COMM", common), *chunks]
    total = 4 + sum(map(len, chunks)) + 16 + size + size % 2 + after
    if total > MAX_SIZE:
        raise AudioError(f"{size} bytes of samples do not fit into AIFF (4 GiB): choose WAV, which grows into RF64")
    form = b"AIFC" if codec.kind == "float" else b"AIFF"
    return b"FORM" + struct.pack(">I", total) + form + b"".join(chunks) + b"SSND" + struct.pack(">III", size + 8, 0, 0)


def chunk(name: str, contents: bytes) -> bytes:
    """A big-endian chunk with its header and its padding."""
    return name.encode("latin-1") + struct.pack(">I", len(contents)) + contents + b"\0" * (len(contents) % 2)


def _collect(file: BinaryIO, path: Path, end: int) -> tuple[list[Chunk], int]:
    """Every chunk up to the end of the file, and the size that SSND claims."""
    chunks: list[Chunk] = []
    position, promised = 12, 0
    while end - position >= 8:
        file.seek(position)
        name, size = struct.unpack(">4sI", file.read(8))
        if not (name.isascii() and name.decode("ascii").isprintable()):
            break
        if len(chunks) == MAX_CHUNKS:
            raise AudioError(f"'{path}' has more than {MAX_CHUNKS} chunks: it is damaged")
        position += 8
        if name == b"SSND":
            promised = size
        chunks.append(Chunk(name.decode("ascii"), position, min(size, end - position)))
        position += size + size % 2
    if position < end:
        chunks.append(Chunk(TRAILING, position, end - position))
    return chunks, promised


def _format(file: BinaryIO, path: Path, where: Chunk, *, aifc: bool) -> tuple[int, int, Codec | None, int]:
    """Channels, rate, codec and promised frames from the COMM chunk."""
    file.seek(where.offset)
    contents = file.read(min(where.size, 22))
    if len(contents) < (22 if aifc else 18):
        raise AudioError(f"the 'COMM' chunk of '{path}' has only {len(contents)} bytes: the file is damaged")
    channels, frames, bits = struct.unpack(">HIH", contents[:8])
    rate = _rate(contents[8:18])
    check_format(path, channels, rate)
    compression = contents[18:22] if aifc else b"NONE"
    if compression in FIXED:
        return channels, rate, FIXED[compression], frames
    if compression not in (b"NONE", b"twos", b"sowt"):
        return channels, rate, None, frames
    if not 1 <= bits <= 32:
        raise AudioError(f"'{path}' claims {bits} bits per sample (1 to 32 are read): its header is damaged")
    order = "<" if compression == b"sowt" else ">"
    return channels, rate, Codec("signed", (bits + 7) // 8, bits, order), frames  # type: ignore[arg-type]


def _rate(extended: bytes) -> int:
    """An 80-bit float rounded to an integer; 0 where it is no sensible rate."""
    exponent, mantissa = struct.unpack(">HQ", extended)
    if not BIAS - 64 < exponent < BIAS:
        return 0
    return round(math.ldexp(mantissa, exponent - BIAS))


def _extended(rate: int) -> bytes:
    """A positive integer as an 80-bit float."""
    shift = 64 - rate.bit_length()
    return struct.pack(">HQ", BIAS - shift, rate << shift)
