"""Compressed files through libsndfile: FLAC, Ogg Vorbis and Opus, MP3, and the rarer containers W64, CAF and AU.

Stated behaviour: the length is checked by decoding the last sample; where that fails (a file that is cut off, a FLAC
stream without a length) the file is decoded once to count what is there.
"""

from __future__ import annotations

__all__ = ["LibraryReader", "failure"]

import os
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from caesura.audio.layout import AudioError, Info, check_format
from caesura.audio.pcm import Floats, Integers, dequantise
from caesura.audio.reader import Reader

LOSSLESS = ("PCM_", "ALAC_", "FLOAT", "DOUBLE")
INTEGER = ("PCM_", "ALAC_")
COUNTING_BLOCK = 4096  # frames; what follows the last whole block of a damaged file is given up


class LibraryReader(Reader):
    """Reads whatever libsndfile decodes.

    Args:
        path: the file.
        container: its name where libsndfile's is not wanted.

    Raises:
        AudioError: libsndfile does not understand the file, or it holds no samples.
    """

    def __init__(self, path: Path, container: str | None = None) -> None:
        self._path = path
        self._file = _open(path)
        self._position = 0
        self._integer = self._file.subtype.startswith(INTEGER)
        channels, rate = self._file.channels, self._file.samplerate
        check_format(path, channels, rate)
        claimed = self._file.frames
        frames = claimed if self._reaches(claimed) else self._count(claimed)
        unknown = claimed >= 2**62
        note = "" if frames == claimed else f"the header promises {claimed} frames, {frames} decode: those are used"
        self.info = Info(
            path, container or self._file.format, self._file.subtype, rate, channels, frames,
            not self._file.subtype.startswith(LOSSLESS), frames != claimed and not unknown,
            "its header gives no length: its frames were counted" if unknown else note,
        )  # fmt: skip

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, start: int, stop: int) -> Floats:
        if self._integer:
            return dequantise(self._codes(start, stop))
        samples: Floats = self._decoded(start, stop, "float64")
        return samples

    def _codes(self, start: int, stop: int) -> Integers:
        codes: Integers = self._decoded(start, stop, "int32" if self._integer else "float64")
        return codes if self._integer else codes.view(np.int64)

    def _decoded(self, start: int, stop: int, dtype: str) -> Any:
        """Samples (channels, stop - start), contiguous."""
        try:
            if start != self._position:
                self._seek(start)
            found = self._file.read(stop - start, dtype=dtype, always_2d=True)
        except soundfile.SoundFileError as error:
            self._position = -1
            raise AudioError(f"'{self._path}' cannot be decoded at frame {start}: {failure(error)}") from error
        self._position = start + len(found)
        if len(found) < stop - start:
            self._position = -1
            raise AudioError(f"'{self._path}' cannot be decoded beyond frame {start + len(found)}: it is damaged there")
        return np.ascontiguousarray(found.T)

    def _seek(self, frame: int) -> None:
        if self._file.subtype == "VORBIS":  # libsndfile 1.2.2 keeps old samples when it seeks after a read
            self._restart()
        try:
            self._file.seek(frame)
        except soundfile.SoundFileError:  # a decoder that has met the end of a damaged stream needs a fresh start
            self._restart()
            self._advance(frame)

    def _advance(self, frame: int) -> None:
        """Go to a frame from the beginning; by decoding where seeking fails, as near a tag behind the last frame."""
        try:
            self._file.seek(frame)
        except soundfile.SoundFileError:
            self._restart()
            for start in range(0, frame, COUNTING_BLOCK):
                self._file.read(min(COUNTING_BLOCK, frame - start), dtype="float32", always_2d=True)

    def _restart(self) -> None:
        self._file.close()
        self._file = _open(self._path)
        self._position = 0

    def _reaches(self, frames: int) -> bool:
        """Whether the last of `frames` frames can be decoded; the next read starts at the beginning again."""
        if not 0 < frames < 2**62:
            return False
        try:
            self._file.seek(frames - 1)
            found = len(self._file.read(1, dtype="float32"))
        except soundfile.SoundFileError:
            found = 0
        self._restart()
        return bool(found)

    def _count(self, most: int) -> int:
        """Frames that decode, from the first to the first error, and no more than `most`."""
        frames = 0
        try:
            while found := len(self._file.read(min(COUNTING_BLOCK, most - frames), dtype="float32", always_2d=True)):
                frames += found
        except soundfile.SoundFileError:
            pass
        self._restart()
        if not frames:
            raise AudioError(f"'{self._path}' holds no samples that can be decoded")
        return frames


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """A sound file that does not seek after every read, which costs time and fails at the end of damaged streams.

    It is opened by number, because a file is what its first bytes say and not what its name says.
    """

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        try:
            # libsndfile closes the number it is lent in some failures and not in others, so it must not close it.
            super().__init__(self._handle, closefd=False)
        except BaseException:
            self._release()
            raise

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        super().close()
        self._release()

    def _release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


def failure(error: Exception) -> str:
    """What libsndfile says, without its prefixes and its full stop."""
    return str(getattr(error, "error_string", error)).splitlines()[0].rstrip(". ")


def _open(path: Path) -> soundfile.SoundFile:
    try:
        return _Forward(path)
    except (soundfile.SoundFileError, ValueError, TypeError) as error:
        raise AudioError(f"'{path}' cannot be decoded: {failure(error)}") from error
