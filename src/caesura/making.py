"""Sounds made from files into files: alone, past the end of a recording, or after the model of one.

    generate_file: nothing -> target,   continue_file: source -> source and more,   vary_file: regions of source anew
    add_file: source -> source + stem

What is copied stays as it is, bit for bit; a target is there whole or not at all.
"""

from __future__ import annotations

__all__ = ["Laid", "Wish", "add_file", "continue_file", "generate_file", "vary_file"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.addition import added
from caesura.audio import Audio, Info, Patch, Spliced, Written, append, open_audio, read, resample, splice, write
from caesura.audio.pcm import codec_for
from caesura.audio.targets import choose_for
from caesura.generation import continued, generate, varied
from caesura.inpainter import Accepts, Inpainter, Progress, silent
from caesura.problem import Hold, Region, gaps_of
from caesura.stem import write_stem
from caesura.verify import verify

LONGEST = 600.0  # seconds of a recording that is added to; all of it is held in memory
SPARE = 1.0  # seconds of a recording that are read beyond what a method makes use of


@dataclass(frozen=True)
class Wish:
    """What is to be made, and by what."""

    inpainter: Inpainter
    """The method."""
    text: str = ""
    """What should be heard, for methods that take a text."""
    seed: int = 0
    """The same seed gives the same sound."""


def generate_file(
    wish: Wish,
    target: Path,
    samples: int,
    sample_rate: int,
    *,
    channels: int = 1,
    subtype: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Written:
    """Write a sound from nothing; see `caesura.generation.generate`.

    Args:
        wish: what.
        target: where to; its suffix names the container.
        samples: length.
        sample_rate: hertz.
        channels: of the sound.
        subtype: sample format, see `caesura.audio.write`.
        force: overwrite an existing file.
        progress: called with the fraction done.
    """
    x = generate(
        wish.inpainter, samples,
        sample_rate=sample_rate, channels=channels, text=wish.text, seed=wish.seed, progress=progress,
    )  # fmt: skip
    return write(target, Audio(x, sample_rate), subtype=subtype, force=force)


def continue_file(
    wish: Wish,
    source: Path,
    target: Path,
    samples: int,
    *,
    longest: float | None = None,
    output_format: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Written:
    """Write a recording and what comes after it; see `caesura.generation.continued`.

    Args:
        wish: what.
        source: the recording.
        target: where both go.
        samples: how many to add.
        longest: seconds of the recording that a method without a limit hears at most; None: all of it.
        output_format: see `caesura.audio.append`.
        force: overwrite an existing file.
        progress: called with the fraction done.
    """
    with open_audio(source) as reader:
        info = reader.info
        heard = _heard(wish.inpainter.accepts, info, longest)
        end = np.nan_to_num(reader.read(max(info.frames - heard, 0), info.frames))
    longer = continued(
        end, samples, info.sample_rate, wish.inpainter, text=wish.text, seed=wish.seed, progress=progress
    )  # fmt: skip
    return append(source, target, longer[:, end.shape[1] :], force=force, output_format=output_format)


def vary_file(
    wish: Wish,
    source: Path,
    target: Path,
    regions: Sequence[Region] | Hold = (),
    *,
    guide: Path | None = None,
    output_format: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Spliced:
    """Write a recording with regions of it played again; see `caesura.generation.varied`.

    Args:
        wish: what.
        source: the recording.
        target: where to.
        regions: what is varied, or a mask that leaves it free; all of it where there are none.
        guide: a file to vary in place of the recording itself.
        output_format: see `caesura.audio.splice`.
        force: overwrite an existing file.
        progress: called with the fraction done.

    Raises:
        ValueError: the method cannot, or a sample outside the regions would not be as it was.
    """
    audio = read(source)
    x, rate = np.nan_to_num(audio.samples), audio.sample_rate
    hold = regions if isinstance(regions, Hold) else None
    spans = regions.regions(x.shape[1]) if isinstance(regions, Hold) else regions or [Region(0, x.shape[1])]
    done = varied(
        x, spans, rate, wish.inpainter,
        guide=None if guide is None else _model(guide, rate), hold=hold, text=wish.text, seed=wish.seed,
        progress=progress,
    )  # fmt: skip
    gaps = gaps_of((Region(r.start, r.stop, channel=r.channel) for r in spans), len(x))
    patches = [Patch(gap.start, done.samples[_rows(gap), gap.start : gap.stop], gap.channel) for gap in gaps]
    spliced = splice(source, target, patches, force=force, output_format=output_format)
    outside = verify(source, spliced.path, gaps).changed_outside
    if outside:
        raise ValueError(f"{outside} samples outside the regions changed: do not use {target}")
    return spliced


@dataclass(frozen=True)
class Laid:
    """A stem that was put over a recording."""

    written: Written
    """The mix."""
    level: float | None
    """Decibels of the stem over the recording, root mean square; None where one of them is silent."""
    turned_down: float
    """Decibels that the stem was turned down by at most, so that the mix stays within full scale."""
    share: float
    """Share of the time at which it was."""


def add_file(
    wish: Wish,
    source: Path,
    target: Path,
    *,
    stem: Path | None = None,
    output_format: str | None = None,
    force: bool = False,
    progress: Progress = silent,
) -> Laid:
    """Write a recording with something new over it; see `caesura.addition.added`.

    Args:
        wish: what.
        source: the recording.
        target: where the mix goes.
        stem: where what was added goes, as the difference of the two files; see `caesura.stem.write_stem`.
        output_format: see `caesura.audio.splice`.
        force: overwrite existing files.
        progress: called with the fraction done.

    Raises:
        Unsupported: the method cannot add to a recording.
        ValueError: the recording is too long to be held in memory.
    """
    with open_audio(source) as reader:
        if reader.info.duration > LONGEST:
            raise ValueError(
                f"'{source}' has {reader.info.duration:.6g} s: up to {LONGEST:g} s can be added to at once"
            )
        subtype = choose_for(target, reader.info, output_format).subtype
    bits = codec_for(subtype).bits if subtype.startswith("PCM") else math.inf
    audio = read(source)
    x = np.nan_to_num(audio.samples)
    done = added(
        x, audio.sample_rate, wish.inpainter,
        text=wish.text, seed=wish.seed, full=1.0 - 2.0 ** (1 - bits), progress=progress,
    )  # fmt: skip
    mix = np.where(np.isfinite(audio.samples), done.mix, audio.samples)  # what was no number stays none
    spliced = splice(source, target, [Patch(0, mix)], force=force, output_format=output_format)
    if stem is not None:
        write_stem(source, spliced.path, stem, force=force)
    power = [float(np.mean(part**2)) for part in (done.stem, x)]
    level = 10.0 * math.log10(power[0] / power[1]) if all(power) else None
    return Laid(spliced, level, done.turned_down, done.share)


def _model(path: Path, rate: int) -> NDArray[np.float64]:
    other = read(path)
    return resample(np.nan_to_num(other.samples), other.sample_rate, rate)


def _rows(region: Region) -> slice:
    return slice(None) if region.channel is None else slice(region.channel, region.channel + 1)


def _heard(accepts: Accepts, info: Info, longest: float | None) -> int:
    """Frames at the end of a recording that can make a difference to what follows."""
    if accepts.context is None and accepts.window is None:
        return info.frames if longest is None else round(longest * info.sample_rate)
    return round((max(accepts.context or 0.0, accepts.window or 0.0) + SPARE) * info.sample_rate)
