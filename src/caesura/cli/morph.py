"""caesura morph: from one text to another, from one seed to another, or both."""

from __future__ import annotations

__all__ = ["morph"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options

if TYPE_CHECKING:
    from caesura.audio.pcm import Floats
    from caesura.inpainter import Inpainter
    from caesura.morphing import Morph

LONGEST_SEQUENCE = 999


def morph(  # the options of the command; what follows takes them in groups
    output: options.Output = None,
    start: Annotated[str, typer.Option("--from", metavar="TEXT", help="What should be heard at the beginning.")] = "",
    end: Annotated[
        str | None, typer.Option("--to", metavar="TEXT", help="What at the end; the same if absent.")
    ] = None,
    seed: options.Seed = 0,
    to_seed: Annotated[int | None, typer.Option(min=0, help="Seed at the end; the same if it is absent.")] = None,
    method: Annotated[str, typer.Option("--method", metavar="NAME", help="A method that can.")] = "riffusion",
    duration: Annotated[str, typer.Option("--duration", metavar="TIME", help="Of the sound, or of each step.")] = "10",
    steps: Annotated[
        int | None,
        typer.Option(min=1, max=LONGEST_SEQUENCE, help="A sequence instead: out-001.wav ..., so many sounds."),
    ] = None,
    power: Annotated[
        float, typer.Option(metavar="P", help="1 evenly, above 1 longer in the middle, below 1 at the ends.")
    ] = 1.0,
    guide: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A loop that every stretch is a variation of.")
    ] = None,
    rate: Annotated[int | None, typer.Option(min=4000, max=384_000, help="Hz; the method's own if absent.")] = None,
    channels: Annotated[int, typer.Option(metavar="N", min=1, max=8, help="Of what is made.")] = 1,
    setting: options.Setting = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Make a sound that turns from one thing into another, or a sequence of sounds in between.

    Exit code: 0 done, 2 bad usage or input.
    """
    from caesura.cli.files import check_new
    from caesura.cli.making import length
    from caesura.cli.repairing import built
    from caesura.generation import own_rate
    from caesura.morphing import Morph

    if output is None or not output.suffix:
        raise ValueError("say where the result goes: -o FILE.wav")
    inpainter = built(method, setting or (), {})
    own = rate or own_rate(inpainter)
    wanted = Morph(
        texts=(start, start if end is None else end),
        seeds=(seed, seed if to_seed is None else to_seed),
        samples=length(duration, "--duration", own),
        sample_rate=own,
        channels=channels,
        guide=_loop(guide, own, channels),
        power=power,
    )
    targets = [output] if steps is None else [output.with_stem(f"{output.stem}-{k:03d}") for k in range(1, steps + 1)]
    for target in targets:
        check_new(target, force=force)
    _write(wanted, inpainter, targets, alone=steps is None, force=force, quiet=quiet)
    return 0


def _write(wanted: Morph, inpainter: Inpainter, targets: list[Path], *, alone: bool, force: bool, quiet: bool) -> None:
    from caesura.audio import Audio, write
    from caesura.cli.terminal import progress_bar, say
    from caesura.morphing import moved, sequence

    with progress_bar(str(targets[0]), quiet=quiet) as progress:
        if alone:
            sounds = iter([moved(wanted, inpainter, progress=progress)])
        else:
            sounds = sequence(wanted, inpainter, len(targets), progress=progress)
        for target, x in zip(targets, sounds, strict=True):
            write(target, Audio(x, wanted.sample_rate), force=force)
    if not quiet:
        seconds = f"{wanted.samples / wanted.sample_rate:.6g} s"
        say(f"{targets[0]}: {seconds}" if alone else f"{targets[0]} to {targets[-1].name}: {len(targets)} x {seconds}")


def _loop(guide: Path | None, rate: int, channels: int) -> Floats | None:
    """The guide at the rate and with as many channels as are wanted."""
    from caesura.audio import read, resample
    from caesura.cli.files import required

    if guide is None:
        return None
    audio = read(required(guide))
    x = resample(audio.samples, audio.sample_rate, rate)
    return x[[min(c, len(x) - 1) for c in range(channels)]]
