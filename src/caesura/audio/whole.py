"""Whole recordings in memory: read, write, resample."""

from __future__ import annotations

__all__ = ["Audio", "read", "resample", "write"]

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from caesura.atomic import replacing
from caesura.audio import flac
from caesura.audio.carrying import carried_chunks
from caesura.audio.encoding import Shape, encode
from caesura.audio.layout import MAX_CHANNELS, AudioError, Info
from caesura.audio.opening import open_audio
from caesura.audio.patches import Patch
from caesura.audio.pcm import Floats
from caesura.audio.reader import block_length
from caesura.audio.splicing import destination, encode_flac, splice
from caesura.audio.targets import FORMATS, LOSSY, UNCOMPRESSED, Target, Written, family, sample_format

PLAIN = {"WAV": "FLOAT", "AIFF": "FLOAT", "FLAC": "PCM_24"} | LOSSY  # sample formats when there is no source to follow


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording in memory."""

    samples: Floats
    """(channels, frames)"""
    sample_rate: int
    """Hertz."""
    source: Path | None = None
    """The file it came from, where header, sample format and metadata can be found again."""


def read(path: Path | str) -> Audio:
    """Read a whole sound file; errors as in `open_audio`."""
    with open_audio(path) as reader:
        parts = [reader.read(start, stop) for start, stop in reader.blocks()]
        return Audio(np.concatenate(parts, axis=1), reader.info.sample_rate, Path(path))


def write(path: Path | str, audio: Audio, *, subtype: str | None = None, force: bool = False) -> Written:
    """Write a recording; nothing is normalised or dithered, and what had to be clamped is counted in the result.

    With `audio.source` in the same container, sample format and metadata are those of the source: byte for byte around
    the samples where the length is the same, else every chunk that does not speak of positions.

    Args:
        path: the file to write; its suffix names the container.
        audio: the recording.
        subtype: sample format such as 'PCM_24'; that of the source by default, else 32-bit float (24 bits in FLAC).
        force: overwrite an existing file, even the source.

    Raises:
        AudioError: the suffix or the sample format is unknown, or the samples do not fit it; nothing is written.
        OSError: a file cannot be read or written; nothing is written.
    """
    path = Path(path)
    samples = np.atleast_2d(np.asarray(audio.samples, dtype=np.float64))
    if samples.ndim != 2 or not samples.size or samples.shape[0] > MAX_CHANNELS:
        raise AudioError(f"a recording has shape (channels, frames), got {samples.shape}")
    container = _container(path)
    source = _info(audio.source)
    same = source is not None and family(source.container) == container
    chosen = subtype or _default(container, source)
    blocks = _blocks(samples)
    if (
        source is not None
        and same
        and container not in LOSSY
        and (source.subtype, source.sample_rate) == (chosen, audio.sample_rate)
        and (source.channels, source.frames) == samples.shape
    ):
        done = splice(source.path, path, blocks, force=force)
        return Written(done.path, done.container, done.subtype, done.clipped, done.note)
    _check_subtype(container, chosen)
    return _anew(path, Target(container, chosen, False), audio.sample_rate, samples, source if same else None, force)


def resample(x: Floats, old: int, new: int) -> Floats:
    """Change the sample rate with a linear-phase band-limited filter (soxr, high quality).

    Args:
        x: (channels, samples).
        old: hertz.
        new: hertz.

    Returns:
        (channels, round(samples * new / old)).
    """
    length = round(x.shape[1] * new / old)
    if old == new or not length:
        return np.array(x[:, :length], dtype=np.float64)
    y = soxr.resample(np.ascontiguousarray(x.T), old, new, quality="HQ").T[:, :length]
    return np.ascontiguousarray(np.pad(y, ((0, 0), (0, length - y.shape[1]))))


def _anew(path: Path, target: Target, sample_rate: int, samples: Floats, source: Info | None, force: bool) -> Written:
    channels, frames = samples.shape
    shape = Shape(sample_rate, channels, frames)
    blocks = (patch.samples for patch in _blocks(samples))
    note = ""
    with replacing(destination(path), force=force) as partial:
        if target.container == "FLAC":
            moved = source is not None and (source.frames, source.sample_rate) != (frames, sample_rate)
            metadata = flac.kept(source.path, without=("CUESHEET",) * moved) if source else flac.Kept()
            clipped = encode_flac(partial, target, shape, blocks, metadata)
        elif source is not None and target.container not in LOSSY:
            before, after, note = carried_chunks(source, target.container, shape)
            clipped = encode(partial, target, shape, blocks, before=before, after=after)
        else:
            clipped = encode(partial, target, shape, blocks)
    return Written(path, target.container, target.subtype, clipped, note)


def _blocks(samples: Floats) -> Iterator[Patch]:
    length = block_length(samples.shape[0])
    for start in range(0, samples.shape[1], length):
        yield Patch(start, samples[:, start : start + length])


def _info(path: Path | None) -> Info | None:
    if path is None:
        return None
    with open_audio(path) as reader:
        return reader.info


def _container(path: Path) -> str:
    for name, suffixes in FORMATS.items():
        if path.suffix.lower() in suffixes:
            return name
    known = ", ".join(suffix for suffixes in FORMATS.values() for suffix in suffixes)
    raise AudioError(f"'{path}' names no container that can be written: use one of {known}")


def _default(container: str, source: Info | None) -> str:
    return PLAIN[container] if source is None else sample_format(container, source)


def _check_subtype(container: str, subtype: str) -> None:
    allowed: dict[str, tuple[str, ...]] = {"FLAC": ("PCM_S8", "PCM_16", "PCM_24")}
    allowed |= {name: (kind,) for name, kind in LOSSY.items()}
    allowed["WAV"] = tuple(name for name in UNCOMPRESSED if name != "PCM_S8")
    allowed["AIFF"] = tuple(name for name in UNCOMPRESSED if name != "PCM_U8")
    if subtype not in allowed[container]:
        raise AudioError(f"'{subtype}' is not a sample format of {container}: choose {', '.join(allowed[container])}")
