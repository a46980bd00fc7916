"""What a file says of its contents in words, carried from one kind of file into another.

    title, artist, album, date, ...   <->   INFO chunks of WAV, text chunks of AIFF, comments of FLAC, Ogg and MP3

References:
    Multimedia Programming Interface and Data Specifications 1.0, IBM and Microsoft, 1991 (INFO).
    Audio Interchange File Format, Apple Computer, 1989 (NAME, AUTH, (c), ANNO).
    RFC 9639, Free Lossless Audio Codec, 2024 (Vorbis comment).
"""

from __future__ import annotations

__all__ = ["comments", "left_behind", "tags_of", "texts"]

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple

import soundfile

from caesura.audio import aiff, riff
from caesura.audio.carrying import REBUILT
from caesura.audio.layout import Chunk
from caesura.audio.opening import layout_of

COMMENT = 4  # type of a FLAC block
VENDOR = b"caesura"


class _Names(NamedTuple):
    """Where a fact stands."""

    comment: str
    info: str
    text: str = "ANNO"


# By libsndfile's names.
NAMES = {
    "title": _Names("TITLE", "INAM", "NAME"),
    "artist": _Names("ARTIST", "IART", "AUTH"),
    "copyright": _Names("COPYRIGHT", "ICOP", "(c) "),
    "album": _Names("ALBUM", "IPRD"),
    "date": _Names("DATE", "ICRD"),
    "tracknumber": _Names("TRACKNUMBER", "ITRK"),
    "genre": _Names("GENRE", "IGNR"),
    "comment": _Names("COMMENT", "ICMT"),
    "software": _Names("ENCODER", "ISFT"),
}


def tags_of(path: Path) -> dict[str, str]:
    """Facts of a file by libsndfile's names; what libsndfile cannot read has none."""
    try:
        with soundfile.SoundFile(str(path)) as file:
            return {name: text for name, text in file.copy_metadata().items() if text and name in NAMES}
    except (soundfile.SoundFileError, TypeError, UnicodeDecodeError):
        return {}


def comments(tags: Mapping[str, str]) -> tuple[bytes, ...]:
    """A FLAC metadata block with its header; none where there is nothing to say."""
    if not tags:
        return ()
    lines = [f"{NAMES[name].comment}={text}".encode() for name, text in tags.items()]
    body = b"".join(struct.pack("<I", len(each)) + each for each in lines)
    contents = struct.pack("<I", len(VENDOR)) + VENDOR + struct.pack("<I", len(lines)) + body
    return (struct.pack(">I", COMMENT << 24 | len(contents)) + contents,)


def texts(tags: Mapping[str, str], container: str) -> list[bytes]:
    """Whole chunks for after the samples of a WAV or an AIFF file; none where there is nothing to say."""
    if container == "AIFF":
        return [aiff.chunk(NAMES[name].text, text.encode()) for name, text in tags.items()]
    parts = [riff.chunk(NAMES[name].info, text.encode() + b"\0") for name, text in tags.items()]
    return [riff.chunk("LIST", b"INFO" + b"".join(parts))] if parts else []


def left_behind(path: Path) -> str:
    """A note that names the chunks of a WAV or AIFF file that no other container has a place for; empty without any."""
    layout = layout_of(path)
    if layout is None:
        return ""
    said = [each.text for each in NAMES.values()]
    with path.open("rb") as file:
        names = {c.id.strip(): None for c in layout.chunks if c.id not in (*REBUILT, *said) and not _info(file, c)}
    return f"left behind, because another container has no place for them: {', '.join(names)}" if names else ""


def _info(file: BinaryIO, chunk: Chunk) -> bool:
    """Whether a chunk holds nothing but facts in words."""
    file.seek(chunk.offset)
    return chunk.id == "LIST" and file.read(4) == b"INFO"
