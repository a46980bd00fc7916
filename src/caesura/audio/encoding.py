"""New files, written block by block: WAV and AIFF by hand, FLAC, Ogg and MP3 through libsndfile."""

from __future__ import annotations

__all__ = ["Shape", "encode"]

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from caesura.audio import aiff, riff
from caesura.audio.layout import AudioError
from caesura.audio.library import failure
from caesura.audio.pcm import Floats, codec_for, quantise
from caesura.audio.targets import LOSSY, Target, family


class Shape(NamedTuple):
    """Rate in hertz, channels, and frames of a file."""

    sample_rate: int
    channels: int
    frames: int


def encode(
    path: Path,
    target: Target,
    shape: Shape,
    blocks: Iterable[Floats],
    *,
    before: Iterable[bytes] = (),
    after: Iterable[bytes] = (),
    tags: Mapping[str, str] | None = None,
) -> int:
    """Write a file.

    Args:
        path: where to; overwritten.
        target: container and sample format.
        shape: rate, channels and the number of frames that `blocks` has in all.
        blocks: samples (channels, frames), in order.
        before: whole chunks to put before the samples of WAV and AIFF.
        after: whole chunks to put after them.
        tags: title, artist and so on, by libsndfile's names, for the other containers.

    Returns:
        How many samples exceeded full scale and were clamped.

    Raises:
        AudioError: the container does not take this rate, these channels or these samples.
    """
    if family(target.container) in ("WAV", "AIFF"):
        return _uncompressed(path, target, shape, blocks, list(before), list(after))
    kind = "OGG" if target.container == "OPUS" else target.container
    try:
        with soundfile.SoundFile(
            str(path), "w", shape.sample_rate, shape.channels, target.subtype, format=kind
        ) as file:
            for name, text in (tags or {}).items():
                setattr(file, name, text)
            return _compressed(file.write, target, blocks)
    except (soundfile.SoundFileError, AssertionError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        reason = failure(error) or "not everything was written, is the disk full?"
        raise AudioError(
            f"{shape.channels} channels at {shape.sample_rate} Hz could not be written as {target.container} "
            f"({target.subtype}): {reason}"
        ) from error


def _uncompressed(
    path: Path, target: Target, shape: Shape, blocks: Iterable[Floats], before: list[bytes], after: list[bytes]
) -> int:
    wav = family(target.container) == "WAV"
    codec = codec_for(target.subtype, "<" if wav else ">")
    header = (riff if wav else aiff).header(codec, *shape, before=before, after=sum(map(len, after)))
    clipped = 0
    with path.open("wb") as file:
        file.write(header)
        for block in blocks:
            raw, beyond = codec.encode(block)
            file.write(raw.tobytes())
            clipped += int(np.count_nonzero(beyond))
        file.write(b"\0" * (shape.frames * shape.channels * codec.width % 2))
        file.writelines(after)
    return clipped


def _compressed(write: Callable[[Floats], None], target: Target, blocks: Iterable[Floats]) -> int:
    clipped = 0
    for block in blocks:
        if target.container in LOSSY:
            if not np.isfinite(block).all():
                raise AudioError(f"{target.container} cannot hold NaN or infinite samples: choose wav")
            write(block.T)
        else:
            codes, beyond = quantise(block, codec_for(target.subtype).bits)
            write(codes.T)  # type: ignore[arg-type]
            clipped += int(np.count_nonzero(beyond))
    return clipped
