"""What `generate`, `continue` and `vary` do with a method and files: make, write, and say in a line what was made."""

from __future__ import annotations

__all__ = ["Make", "each_candidate", "go_on", "length", "make_alone", "play_again", "where_to"]

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caesura.cli.files import STREAM, Job, check_new, outgoing, required
from caesura.cli.quantities import moment
from caesura.cli.terminal import progress_bar, say

if TYPE_CHECKING:
    from caesura.audio import Info
    from caesura.inpainter import Accepts, Inpainter, Progress
    from caesura.region import Region

LONGEST = 600.0  # seconds that are made at once; they are held in memory
SPARE = 1.0  # seconds of a recording that are read beyond what the method makes use of

Make = Callable[[int, Path, "Progress"], str]
"""Makes one candidate, from its seed and the file it goes to, and says what it is."""


def length(text: str, option: str, rate: int) -> int:
    """A duration in samples.

    Raises:
        ValueError: it is no duration, or one that nobody wants.
    """
    samples = round(moment(text).samples(rate))
    if not 1 <= samples <= LONGEST * rate:
        raise ValueError(f"{option} {text} must lie between 1 sample and {LONGEST:g} s")
    return samples


def where_to(output: Path | None, candidates: int, *, force: bool) -> list[Path]:
    """The files of the candidates: `out.wav`, or `out-1.wav`, `out-2.wav` ... where there are several.

    Raises:
        ValueError: there is no name, or one of the files exists.
    """
    if output is None:
        raise ValueError("say where the result goes: -o FILE")
    if candidates > 1 and output == STREAM:
        raise ValueError(f"the standard output takes one result, not {candidates}: use -o FILE")
    numbers = range(1, candidates + 1)
    targets = [output] if candidates == 1 else [output.with_stem(f"{output.stem}-{k}") for k in numbers]
    for target in targets:
        check_new(target, force=force)
    return targets


def each_candidate(targets: Sequence[Path], seed: int, make: Make, *, suffix: str = ".wav", quiet: bool) -> int:
    """Make every candidate, with seeds that follow one another; `suffix` is that of what goes to the standard output.

    Returns:
        the exit code.
    """
    for k, target in enumerate(targets):
        name = "standard output" if target == STREAM else str(target)
        with progress_bar(name, quiet=quiet) as progress, outgoing(Job(STREAM, target), suffix) as path:
            said = make(seed + k, path, progress)
        if not quiet:
            say(f"{name}: {said}, seed {seed + k}")
    return 0


def make_alone(inpainter: Inpainter, samples: int, rate: int, *, channels: int, text: str, force: bool) -> Make:
    """Sounds from nothing."""
    from caesura.audio import Audio, write
    from caesura.generation import generate

    def make(seed: int, target: Path, progress: Progress) -> str:
        x = generate(
            inpainter, samples, sample_rate=rate, channels=channels, text=text, seed=seed, progress=progress
        )  # fmt: skip
        done = write(target, Audio(x, rate), force=force)
        return f"{samples / rate:.6g} s at {rate} Hz" + _held(done.clipped)

    return make


def go_on(
    source: Path, inpainter: Inpainter, duration: str, *, text: str, output_format: str | None, force: bool
) -> Make:
    """A recording and more."""
    from caesura.audio import append, open_audio
    from caesura.generation import continued

    with open_audio(source) as reader:
        info = reader.info
        samples = length(duration, "--duration", info.sample_rate)
        end = reader.read(max(info.frames - _heard(inpainter.accepts, info), 0), info.frames)

    def make(seed: int, target: Path, progress: Progress) -> str:
        longer = continued(end, samples, info.sample_rate, inpainter, text=text, seed=seed, progress=progress)
        done = append(source, target, longer[:, end.shape[1] :], force=force, output_format=output_format)
        said = f"{samples / info.sample_rate:.6g} s added from {info.duration:.6g} s on" + _held(done.clipped)
        return said + (f" ({done.note})" if done.note else "")

    return make


def play_again(
    source: Path,
    inpainter: Inpainter,
    regions: Sequence[Region],
    *,
    guide: Path | None,
    mask: Path | None,
    text: str,
    output_format: str | None,
    force: bool,
) -> Make:
    """A recording with regions varied, or what a mask leaves free; where there is neither, all of it."""
    from caesura.audio import Patch, read, resample, splice
    from caesura.codecs.image_files import read_mask
    from caesura.generation import varied
    from caesura.problem import Region, gaps_of
    from caesura.verify import verify

    audio = read(source)
    x, rate = audio.samples, audio.sample_rate
    hold = None if mask is None else read_mask(required(mask), x.shape[1])
    wanted = hold.regions(x.shape[1]) if hold else regions or [Region(0, x.shape[1])]
    gaps = gaps_of((Region(region.start, region.stop, channel=region.channel) for region in wanted), len(x))
    model = None
    if guide is not None:
        other = read(required(guide))
        model = resample(other.samples, other.sample_rate, rate)

    def make(seed: int, target: Path, progress: Progress) -> str:
        done = varied(x, wanted, rate, inpainter, guide=model, hold=hold, text=text, seed=seed, progress=progress)
        patches = [
            Patch(gap.start, done.samples[_rows(gap), gap.start : gap.stop], gap.channel) for gap in gaps
        ]  # fmt: skip
        spliced = splice(source, target, patches, force=force, output_format=output_format)
        outside = verify(source, spliced.path, gaps).changed_outside
        if outside:
            raise ValueError(f"{outside} samples outside the regions changed: do not use {target}")
        said = f"{sum(gap.length for gap in gaps) / rate:.6g} s varied" + _held(spliced.clipped)
        return said + (f" ({spliced.note})" if spliced.note else "")

    return make


def _rows(region: Region) -> slice:
    return slice(None) if region.channel is None else slice(region.channel, region.channel + 1)


def _heard(accepts: Accepts, info: Info) -> int:
    """Frames at the end of a recording that can make a difference to what follows."""
    if accepts.context is None and accepts.window is None:
        return info.frames
    return round((max(accepts.context or 0.0, accepts.window or 0.0) + SPARE) * info.sample_rate)


def _held(clipped: int) -> str:
    return f", {clipped} samples held at full scale" if clipped else ""
