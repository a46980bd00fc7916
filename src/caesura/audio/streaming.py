"""A sound file as 16-bit WAV, any of whose bytes can be had at once: what a browser plays and seeks in.

    byte b of the samples belongs to frame b // (2 channels)

Nothing is written: a range of bytes is read, rounded to 16 bits and handed out.
"""

from __future__ import annotations

__all__ = ["WavStream"]

from collections.abc import Iterator

import numpy as np

from caesura.audio import riff
from caesura.audio.pcm import codec_for
from caesura.audio.reader import Reader

PIECE = 1 << 17  # bytes that are handed out at a time


class WavStream:
    """The bytes of a WAV with the samples of `reader`; samples that are no numbers are silent."""

    def __init__(self, reader: Reader) -> None:
        info = reader.info
        self._reader = reader
        self._codec = codec_for("PCM_16", "<")
        self._header = riff.header(self._codec, info.sample_rate, info.channels, info.frames, before=[], after=0)
        self._align = 2 * info.channels
        self.size = len(self._header) + self._align * info.frames
        """Bytes of the whole file."""

    def bytes(self, start: int, stop: int) -> Iterator[bytes]:
        """Bytes `start` to `stop`, in pieces."""
        if start < len(self._header):
            yield self._header[start : min(stop, len(self._header))]
        at, end = max(start - len(self._header), 0), stop - len(self._header)
        while at < end:
            until = min(at + PIECE, end)
            first, last = at // self._align, -(-until // self._align)
            raw = self._codec.encode(np.nan_to_num(self._reader.read(first, last)))[0].tobytes()
            yield raw[at - first * self._align : until - first * self._align]
            at = until
