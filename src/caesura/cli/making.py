"""What `generate`, `continue`, `vary` and `add` do with a method and files: make, write, and say what was made."""

from __future__ import annotations

__all__ = ["Make", "add_over", "each_candidate", "go_on", "length", "make_alone", "play_again", "where_to"]

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caesura.cli.files import STREAM, Job, check_new, outgoing, required
from caesura.cli.quantities import moment
from caesura.cli.terminal import progress_bar, say

if TYPE_CHECKING:
    from caesura.inpainter import Inpainter, Progress
    from caesura.problem import Hold, Region

LONGEST = 600.0  # seconds that are made at once; they are held in memory

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
    from caesura.making import Wish, generate_file

    def make(seed: int, target: Path, progress: Progress) -> str:
        wish = Wish(inpainter, text, seed)
        done = generate_file(wish, target, samples, rate, channels=channels, force=force, progress=progress)
        return f"{samples / rate:.6g} s at {rate} Hz" + _held(done.clipped)

    return make


def go_on(
    source: Path, inpainter: Inpainter, duration: str, *, text: str, output_format: str | None, force: bool
) -> Make:
    """A recording and more."""
    from caesura.audio import open_audio
    from caesura.making import Wish, continue_file

    with open_audio(source) as reader:
        info = reader.info
    samples = length(duration, "--duration", info.sample_rate)

    def make(seed: int, target: Path, progress: Progress) -> str:
        wish = Wish(inpainter, text, seed)
        done = continue_file(
            wish, source, target, samples, output_format=output_format, force=force, progress=progress
        )  # fmt: skip
        said = f"{samples / info.sample_rate:.6g} s added from {info.duration:.6g} s on" + _held(done.clipped)
        return said + _noted(info.note, done.note)

    return make


def play_again(
    source: Path,
    inpainter: Inpainter,
    regions: Sequence[Region] | Hold,
    *,
    guide: Path | None,
    text: str,
    output_format: str | None,
    force: bool,
) -> Make:
    """A recording with regions varied, or what a mask leaves free; where there is neither, all of it."""
    from caesura.audio import open_audio
    from caesura.making import Wish, vary_file
    from caesura.problem import Hold, Region, gaps_of

    with open_audio(source) as reader:
        info = reader.info
    model = None if guide is None else required(guide)
    spans = regions.regions(info.frames) if isinstance(regions, Hold) else regions
    gaps = gaps_of((Region(r.start, r.stop, channel=r.channel) for r in spans), info.channels)
    samples = sum(gap.length for gap in gaps) if spans else info.frames

    def make(seed: int, target: Path, progress: Progress) -> str:
        wish = Wish(inpainter, text, seed)
        done = vary_file(
            wish, source, target, regions,
            guide=model, output_format=output_format, force=force, progress=progress,
        )  # fmt: skip
        said = f"{samples / info.sample_rate:.6g} s varied" + _held(done.clipped)
        return said + _noted(info.note, done.note)

    return make


def add_over(
    source: Path, inpainter: Inpainter, stems: Sequence[Path], *, text: str, output_format: str | None, force: bool
) -> Make:
    """A recording with something new over it; the candidates' stems go to the files of `stems`, where there are any."""
    from caesura.audio import open_audio
    from caesura.making import Wish, add_file

    with open_audio(source) as reader:
        info = reader.info
    left = iter(stems)

    def make(seed: int, target: Path, progress: Progress) -> str:
        stem = next(left, None)
        done = add_file(
            Wish(inpainter, text, seed), source, target,
            stem=stem, output_format=output_format, force=force, progress=progress,
        )  # fmt: skip
        said = f"{info.duration:.6g} s, " + _over(done.level, done.turned_down, done.share)
        said += _held(done.written.clipped) + (f", stem in {stem}" if stem else "")
        return said + _noted(info.note, done.written.note)

    return make


def _over(level: float | None, turned_down: float, share: float) -> str:
    """What became of a stem."""
    if level is None:
        return "nothing to compare: the stem or the recording is silent"
    said = f"the stem {abs(level):.1f} dB {'above' if level > 0.0 else 'below'} the recording"
    if not share:
        return said
    much = "to nothing" if math.isinf(turned_down) else f"by up to {turned_down:.1f} dB"
    return f"{said}, turned down {much} for {100.0 * share:.2g} % of the time, where there was no room for it"


def _held(clipped: int) -> str:
    return f", {clipped} samples held at full scale" if clipped else ""


def _noted(*notes: str) -> str:
    """What is said of the file that was read and of the one that was written."""
    said = "; ".join(filter(None, notes))
    return f" ({said})" if said else ""
