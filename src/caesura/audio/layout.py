"""What is known about a sound file: its format, and where its samples and its metadata lie.

An uncompressed file is a row of chunks, one of which holds the samples; a *layout* gives their places in bytes:

    sample (channel c, frame t) begins at offset + (t channels + c) width.
"""

from __future__ import annotations

__all__ = ["AudioError", "Chunk", "Info", "Layout", "check_format", "frames_in"]

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from caesura.audio.pcm import Codec

MAX_CHANNELS = 1024  # libsndfile's limit too; a header that claims more is damaged
MAX_CHUNKS = 10_000  # a file of empty chunks must not fill the memory
TRAILING = "(trailing bytes)"


class AudioError(ValueError):
    """A file that cannot be read or written, in one line that says what to do."""


class Chunk(NamedTuple):
    """A piece of a file: a RIFF or AIFF chunk, or a FLAC metadata block."""

    id: str
    """Four characters for RIFF and AIFF; the block's name for FLAC."""
    offset: int
    """First byte of the contents."""
    size: int
    """Bytes of the contents, without header and padding; never beyond the end of the file."""


@dataclass(frozen=True)
class Info:
    """What a file says about itself."""

    path: Path
    container: str
    """'WAV', 'RF64', 'BW64', 'RIFX', 'AIFF', 'AIFC', 'FLAC', 'OGG', 'MP3', ..."""
    subtype: str
    """Sample format: 'PCM_24', 'FLOAT', 'VORBIS', ..."""
    sample_rate: int
    """Hertz."""
    channels: int
    frames: int
    """Samples per channel that are really there."""
    lossy: bool
    """Whether writing the same format again would change every sample."""
    truncated: bool = False
    """Whether the header promises more samples than the file holds."""
    note: str = ""
    """A sentence on anything unusual and what is done about it."""

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class Layout:
    """Where the samples and the chunks of a RIFF or AIFF file lie."""

    container: str
    codec: Codec | None
    """None when the samples are compressed."""
    sample_rate: int
    channels: int
    frames: int
    offset: int
    """First sample byte."""
    chunks: tuple[Chunk, ...]
    data: int
    """Index of the chunk that holds the samples."""
    truncated: bool = False
    note: str = ""


class Found(NamedTuple):
    """The outcome of looking for samples: how many frames there are, and whether more were promised."""

    frames: int
    truncated: bool
    note: str


def frames_in(size: int, align: int, promised: int) -> Found:
    """Count the whole frames of `align` bytes in `size` bytes where the header promises `promised`."""
    present = size // align
    if promised <= present:
        return Found(promised, False, "")
    return Found(present, True, f"the header promises {promised} frames, the file holds {present}: those are used")


def check_format(path: Path, channels: int, sample_rate: int) -> None:
    """Refuse channel counts and rates that no recording has.

    Raises:
        AudioError: either is out of range.
    """
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"'{path}' claims {channels} channels (1 to {MAX_CHANNELS} are read): its header is damaged")
    if not 1 <= sample_rate < 2**31:
        raise AudioError(f"'{path}' claims a rate of {sample_rate} Hz: its header is damaged")
