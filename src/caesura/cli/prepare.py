"""caesura prepare: the sounds and pictures that networks of our own learn from."""

from __future__ import annotations

__all__ = ["prepare_app"]

from pathlib import Path
from typing import Annotated

import typer

from caesura.cli import options
from caesura.cli.prepare_pairs import gtzan, musdb18, slakh2100
from caesura.cli.terminal import progress_bar, say

prepare_app = typer.Typer(help="Make training data.", no_args_is_help=True)


for command in (gtzan, musdb18, slakh2100):
    prepare_app.command()(command)


@prepare_app.callback()
def _start() -> None:
    """Make training data."""


@prepare_app.command()
def music(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; what is in it already is kept.")],
    scores: Annotated[Path, typer.Option(metavar="FOLDER", help="MIDI files.")],
    hours: Annotated[float, typer.Option(min=0.0, help="Of rendered music.")] = 10.0,
    rate: Annotated[int, typer.Option(min=8000, metavar="HZ", help="Sample rate.")] = 44100,
    mix: Annotated[
        list[Path] | None, typer.Option(metavar="FOLDER", help="Recordings that join, without its subfolders; repeat.")
    ] = None,
    soundfont: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Sound font (.sf2); repeat.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of how the scores are played.")] = 0,
    quiet: options.Quiet = False,
) -> int:
    """Render scores with FluidSynth, each time differently, and mix in recordings.

    Run it again to go on where it was stopped, or with more hours to make more.
    """
    from caesura.data.music import prepare

    with progress_bar("prepare", quiet=quiet) as progress:
        there = prepare(
            out, scores, hours=hours, sample_rate=rate, seed=seed, mix=mix or (), soundfonts=soundfont or (),
            progress=progress,
        )  # fmt: skip
    if not quiet:
        say(f"{there:.2f} hours of music at {rate} Hz in {out}")
    return 0


@prepare_app.command()
def notes(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; what is in it already is kept.")],
    step: Annotated[int, typer.Option(min=1, metavar="SEMITONES", help="From one pitch to the next.")] = 2,
    rate: Annotated[int, typer.Option(min=8000, metavar="HZ", help="Sample rate.")] = 16000,
    soundfont: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Sound font (.sf2); repeat.")] = None,
    quiet: options.Quiet = False,
) -> int:
    """Render notes of General MIDI instruments with FluidSynth, in NSynth's layout.

    Run it again to go on where it was stopped.
    """
    from caesura.data.notes import LOWEST, PITCHES, render_notes

    with progress_bar("prepare", quiet=quiet) as progress:
        there = render_notes(
            out, pitches=range(LOWEST, LOWEST + PITCHES, step), soundfonts=soundfont or (), sample_rate=rate,
            progress=progress,
        )  # fmt: skip
    if not quiet:
        say(f"{there} notes at {rate} Hz in {out}")
    return 0


@prepare_app.command()
def captions(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; what is in it already is kept.")],
    count: Annotated[int, typer.Option(min=1, help="Clips of eight seconds in all.")] = 6000,
    rate: Annotated[int, typer.Option(min=8000, metavar="HZ", help="Sample rate.")] = 16000,
    soundfont: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Sound font (.sf2).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is played.")] = 0,
    quiet: options.Quiet = False,
) -> int:
    """Render phrases of instruments with FluidSynth, each with a caption that says what is heard.

    Run it again to go on where it was stopped, or with more clips to make more.
    """
    from caesura.data.captions import prepare

    with progress_bar("prepare", quiet=quiet) as progress:
        there = prepare(out, count=count, sample_rate=rate, seed=seed, soundfonts=soundfont or (), progress=progress)
    if not quiet:
        say(f"{there} clips with captions at {rate} Hz in {out}")
    return 0


@prepare_app.command()
def stems(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where to; what is in it already is kept.")],
    count: Annotated[int, typer.Option(min=1, help="Pieces of eight seconds in all.")] = 1000,
    rate: Annotated[int, typer.Option(min=8000, metavar="HZ", help="Sample rate.")] = 16000,
    soundfont: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="Sound font (.sf2).")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what is played.")] = 0,
    quiet: options.Quiet = False,
) -> int:
    """Render short pieces of several instruments with FluidSynth, stem by stem, in the layout of Slakh2100.

    Run it again to go on where it was stopped, or with more pieces to make more.
    """
    from caesura.data.stems import prepare

    with progress_bar("prepare", quiet=quiet) as progress:
        there = prepare(out, count=count, sample_rate=rate, seed=seed, soundfonts=soundfont or (), progress=progress)
    if not quiet:
        say(f"{there} pieces with their stems at {rate} Hz in {out}")
    return 0
