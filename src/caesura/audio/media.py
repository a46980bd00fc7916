"""AAC, M4A, WMA and the sound of videos through FFmpeg (PyAV, the extra `caesura[media]`).

Codecs that predict across packets cannot be entered at any sample, so the first audio stream is decoded once into a
temporary file of 32-bit floats, in which reading is random access.
"""

from __future__ import annotations

__all__ = ["MediaReader", "is_media"]

import dataclasses
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from caesura.audio.layout import AudioError, Layout, check_format
from caesura.audio.pcm import NATIVE, Codec
from caesura.audio.reader import PcmReader

if TYPE_CHECKING:
    from av.container import InputContainer

EBML = b"\x1a\x45\xdf\xa3"  # Matroska and WebM
ASF = bytes.fromhex("3026b2758e66cf11")  # WMA
LOSSLESS = ("flac", "alac", "pcm_", "wavpack", "tta", "ape")
CODEC = Codec("float", 4, 32, NATIVE)  # type: ignore[arg-type]


def is_media(head: bytes) -> bool:
    """Whether a file that begins with these bytes is one for FFmpeg: MP4, Matroska, ASF, ADTS or AVI."""
    adts = len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return adts or avi or head[4:8] == b"ftyp" or head.startswith((EBML, ASF))


class MediaReader(PcmReader):
    """Reads the first audio stream of a file that FFmpeg decodes.

    Raises:
        AudioError: PyAV is not installed, or the file has no sound that can be decoded.
    """

    def __init__(self, path: Path) -> None:
        file = tempfile.TemporaryFile(prefix="caesura-")  # noqa: SIM115  (the reader closes it)
        try:
            container, subtype, rate, channels, frames = _decode(path, file)
        except BaseException:
            file.close()
            raise
        super().__init__(file, path, Layout(container, CODEC, rate, channels, frames, 0, (), 0), CODEC)
        lossy = not subtype.lower().startswith(LOSSLESS)
        self.info = dataclasses.replace(self.info, subtype=subtype, lossy=lossy)


def _decode(path: Path, out: IO[bytes]) -> tuple[str, str, int, int, int]:
    """Write interleaved floats; return container, codec, rate, channels and frames."""
    try:
        import av
    except ImportError:
        raise AudioError(f"'{path}' needs FFmpeg's decoders: pip install 'caesura[media]'") from None
    try:
        with av.open(str(path)) as media:
            if not media.streams.audio:
                raise AudioError(f"'{path}' has no sound in it")
            return _copy(media, path, out)
    except av.FFmpegError as error:
        raise AudioError(f"'{path}' cannot be decoded: {error.strerror or error}") from error


def _copy(media: InputContainer, path: Path, out: IO[bytes]) -> tuple[str, str, int, int, int]:
    import av

    stream = media.streams.audio[0]
    rate, channels = stream.rate, stream.channels
    check_format(path, channels, rate)
    resampler = av.AudioResampler(format="flt", layout=stream.layout, rate=rate)
    frames = 0
    for frame in media.decode(stream):
        for block in resampler.resample(frame):
            frames += _append(block, channels, out)
    for block in resampler.resample(None):
        frames += _append(block, channels, out)
    out.flush()
    return media.format.name.split(",")[0].upper(), stream.codec.name.upper(), rate, channels, frames


def _append(block: Any, channels: int, out: IO[bytes]) -> int:
    samples = np.ascontiguousarray(block.to_ndarray(), dtype=np.float32)
    out.write(samples.tobytes())
    return samples.size // channels
