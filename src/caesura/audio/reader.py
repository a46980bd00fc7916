"""Random access to the samples of a sound file in bounded memory.

A reader answers two questions about frames start to stop: their values as float64, and their *codes*, integers that
are equal exactly when the stored samples are equal (left-justified for integer formats, the bits for floats), so that
NaN can be compared.
"""

from __future__ import annotations

__all__ = ["PcmReader", "Reader", "block_length"]

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy as np

from caesura.audio.layout import AudioError, Info, Layout
from caesura.audio.pcm import Codec, Floats, Integers

BLOCK = 131_072  # samples, all channels together, in memory at a time when a whole file passes by


class Reader(ABC):
    """An open sound file; use it as a context manager."""

    info: Info
    """What the file says about itself."""

    def read(self, start: int, stop: int) -> Floats:
        """Samples (channels, stop - start) of frames `start` to `stop`.

        Raises:
            AudioError: the frames do not exist, or the file cannot be decoded there.
        """
        self._check(start, stop)
        return self._read(start, stop)

    def codes(self, start: int, stop: int) -> Integers:
        """Integers (channels, stop - start), equal exactly where stored samples are equal; errors as in `read`."""
        self._check(start, stop)
        return self._codes(start, stop)

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Consecutive spans (start, stop) that cover the file, short enough to be in memory."""
        size = block_length(self.info.channels)
        for start in range(0, self.info.frames, size):
            yield start, min(start + size, self.info.frames)

    @abstractmethod
    def close(self) -> None:
        """Give the file back."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def _read(self, start: int, stop: int) -> Floats: ...

    @abstractmethod
    def _codes(self, start: int, stop: int) -> Integers: ...

    def _check(self, start: int, stop: int) -> None:
        if not 0 <= start <= stop <= self.info.frames:
            raise AudioError(f"frames {start} to {stop} do not exist, '{self.info.path}' has {self.info.frames}")


def block_length(channels: int) -> int:
    """Frames to hold in memory at a time."""
    return max(BLOCK // channels, 1)


class PcmReader(Reader):
    """Reads the uncompressed samples of a RIFF or AIFF file where they lie."""

    def __init__(self, file: IO[bytes], path: Path, layout: Layout, codec: Codec) -> None:
        self.layout = layout
        self.codec = codec
        self.info = Info(
            path, layout.container, codec.subtype, layout.sample_rate, layout.channels, layout.frames, False,
            layout.truncated, layout.note,
        )  # fmt: skip
        self._file = file

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read(self, start: int, stop: int) -> Floats:
        return np.ascontiguousarray(self.codec.decode(self._raw(start, stop), self.layout.channels))

    def _codes(self, start: int, stop: int) -> Integers:
        return self.codec.codes(self._raw(start, stop), self.layout.channels)

    def _raw(self, start: int, stop: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        align = self.layout.channels * self.codec.width
        self._file.seek(self.layout.offset + start * align)
        raw = self._file.read((stop - start) * align)
        if len(raw) < (stop - start) * align:
            raise AudioError(f"'{self.info.path}' became shorter while it was read: copy it to a place of its own")
        return np.frombuffer(raw, dtype=np.uint8)
