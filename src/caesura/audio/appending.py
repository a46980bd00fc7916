"""A copy of a sound file with more samples at its end: what was there stays bit for bit, and so does its format."""

from __future__ import annotations

__all__ = ["append"]

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from caesura.atomic import replacing
from caesura.audio import flac
from caesura.audio.carrying import carried_chunks
from caesura.audio.encoding import Shape, encode
from caesura.audio.layout import AudioError, Info
from caesura.audio.opening import open_audio
from caesura.audio.pcm import Floats, codec_for
from caesura.audio.reader import Reader, block_length
from caesura.audio.splicing import destination, encode_flac
from caesura.audio.targets import LOSSY, Target, Written, choose_for, family


def append(
    source: Path | str, target: Path | str, samples: Floats, *, force: bool = False, output_format: str | None = None
) -> Written:
    """Write a copy of a sound file that goes on.

    Args:
        source: the file to copy.
        target: the file to write; its suffix must agree with what is written.
        samples: what comes after the last sample (channels, frames).
        force: overwrite an existing target, even the source itself.
        output_format: as in `caesura.audio.splice`.

    Raises:
        AudioError: a file or the samples are not as they should be; the target is as it was.
        OSError: a file cannot be read or written; the target is as it was.
    """
    source, target = Path(source), destination(target)
    with replacing(target, force=force) as partial, open_audio(source) as reader:
        info = reader.info
        if samples.ndim != 2 or samples.shape[0] != info.channels:
            raise AudioError(f"'{source}' has {info.channels} channels, samples of shape {samples.shape} do not fit it")
        chosen = choose_for(target, info, output_format)
        wanted = Target(family(chosen.container), chosen.subtype, False, chosen.note)
        note = _write(reader, wanted, partial, samples)
        clipped = 0 if wanted.container in LOSSY else _compare(info, wanted, partial, samples)
    return Written(target, wanted.container, wanted.subtype, clipped, "; ".join(filter(None, (chosen.note, note))))


def _write(reader: Reader, target: Target, partial: Path, samples: Floats) -> str:
    """Encode old and new samples; return a note on what was left behind."""
    info = reader.info
    shape = Shape(info.sample_rate, info.channels, info.frames + samples.shape[1])
    blocks = _blocks(reader, samples)
    note = ""
    if target.container == "FLAC":
        own = info.container == "FLAC"
        encode_flac(partial, target, shape, blocks, flac.kept(info.path, without=("CUESHEET",)) if own else flac.Kept())
    elif target.container in LOSSY or family(info.container) != target.container:
        encode(partial, target, shape, blocks)
    else:
        before, after, note = carried_chunks(info, target.container, shape, appended=True)
        encode(partial, target, shape, blocks, before=before, after=after)
    return note


def _blocks(reader: Reader, samples: Floats) -> Iterator[Floats]:
    for start, stop in reader.blocks():
        yield reader.read(start, stop)
    length = block_length(len(samples))
    for start in range(0, samples.shape[1], length):
        yield samples[:, start : start + length]


def _compare(info: Info, target: Target, partial: Path, samples: Floats) -> int:
    """Decode source and result; return how many of the new samples were held at full scale.

    Raises:
        AudioError: a sample of the source differs.
    """
    codec = codec_for(target.subtype)
    with open_audio(info.path) as old, open_audio(partial) as new:
        if new.info.frames != info.frames + samples.shape[1]:
            raise AudioError(f"'{info.path}' did not survive being written as {target.container}: nothing was written")
        for start, stop in old.blocks():
            if info.subtype == target.subtype:
                codes = old.codes(start, stop)
            else:
                raw, _ = codec.encode(old.read(start, stop))
                codes = codec.codes(np.ascontiguousarray(raw).reshape(-1), info.channels)
            if (codes != new.codes(start, stop)).any():
                raise AudioError(f"samples of '{info.path}' changed in {target.container}: nothing was written")
    return int(np.count_nonzero(codec.encode(samples)[1]))
