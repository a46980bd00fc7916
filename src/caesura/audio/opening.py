"""Which reader opens a file: decided by its first bytes, never by its name."""

from __future__ import annotations

__all__ = ["chunks", "layout_of", "open_audio"]

import contextlib
import errno
from pathlib import Path
from typing import BinaryIO

from caesura.audio import aiff, flac, riff
from caesura.audio.layout import AudioError, Chunk, Layout
from caesura.audio.library import LibraryReader
from caesura.audio.media import MediaReader, is_media
from caesura.audio.reader import PcmReader, Reader

SNIFFED = 64  # first bytes looked at
RIFF = (b"RIFF", b"RIFX", b"RF64", b"BW64")
RARER = (b"riff\x2e\x91\xcf\x11", b"caff", b".snd")  # W64, CAF, AU


def open_audio(path: Path | str) -> Reader:
    """Open a sound file for random access; use the reader as a context manager.

    Args:
        path: WAV, RF64, BW64, AIFF, AIFC, FLAC, OGG, Opus, MP3, W64, CAF or AU; AAC and video with `caesura[media]`.

    Raises:
        AudioError: the file is not sound, is damaged, or holds no samples.
        OSError: the file does not exist or cannot be read.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_open(path))
        head = file.read(SNIFFED)
        reader: Reader
        if layout := _layout(file, path, head):
            if layout.codec:
                reader = PcmReader(file, path, layout, layout.codec)
                stack.pop_all()
            else:
                reader = LibraryReader(path, layout.container)
        elif is_media(head):
            reader = MediaReader(path)
        elif flac.start_of_stream(file) is not None or head.startswith((b"OggS", *RARER)) or _is_mpeg(head):
            reader = LibraryReader(path)
        else:
            raise AudioError(f"'{path}' is not a sound file that is known here: it begins with {head[:8]!r}")
    if reader.info.frames == 0:
        reader.close()
        raise AudioError(f"'{path}' holds no samples (0 frames): there is nothing to repair")
    return reader


def layout_of(path: Path | str) -> Layout | None:
    """Where chunks and samples lie in a RIFF or AIFF file; None for other files; errors as in `open_audio`."""
    with _open(Path(path)) as file:
        return _layout(file, Path(path), file.read(SNIFFED))


def chunks(path: Path | str) -> list[Chunk]:
    """The chunks of a RIFF or AIFF file or the metadata blocks of a FLAC file, in order; none for others.

    Raises:
        AudioError: the file is damaged.
        OSError: the file does not exist or cannot be read.
    """
    path = Path(path)
    with _open(path) as file:
        layout = _layout(file, path, file.read(SNIFFED))
        if layout:
            return list(layout.chunks)
        start = flac.start_of_stream(file)
        if start is None:
            return []
        return flac.blocks(file, path, start)[0] + flac.tags(file, start)


def _open(path: Path) -> BinaryIO:
    try:
        if path.is_dir():
            raise AudioError(f"'{path}' is a folder: name a file in it")
        if path.exists() and not path.is_file():
            raise AudioError(f"'{path}' is not a regular file: copy it to one first")
        file = path.open("rb")
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "there is no such file, check its name", str(path)) from None
    except ValueError as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{str(path)!r} is no file name: {error}") from None  # a null byte in it
    if not file.seek(0, 2):
        file.close()
        raise AudioError(f"'{path}' is empty (0 bytes): copy it again from where it came")
    file.seek(0)
    return file


def _layout(file: BinaryIO, path: Path, head: bytes) -> Layout | None:
    if head.startswith(RIFF) and (head[8:12] == b"WAVE" or len(head) < 12):
        return riff.parse(file, path)
    if head.startswith(b"FORM") and (head[8:12] in (b"AIFF", b"AIFC") or len(head) < 12):
        return aiff.parse(file, path)
    return None


def _is_mpeg(head: bytes) -> bool:
    """An ID3 tag, or the header of an MPEG audio frame of layer I to III with a rate and a bit rate that exist."""
    if head.startswith(b"ID3"):
        return True
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return False
    return bool(head[1] & 0x18 != 0x08 and head[1] & 0x06 and head[2] >> 4 != 15 and head[2] >> 2 & 3 != 3)
