"""caesura notes: sounds to codes and back."""

from __future__ import annotations

__all__ = ["notes_app"]

from pathlib import Path
from typing import Annotated

import typer

from caesura.cli import options

notes_app = typer.Typer(name="notes", help="Notes as codes of `notono`.", rich_markup_mode=None, no_args_is_help=False)

Weights = Annotated[
    str, typer.Option("--weights", metavar="FOLDER", help="As of the method notono; the package's own by default.")
]


@notes_app.command("encode")
def encode(
    source: Annotated[str, typer.Argument(metavar="IN", help="A sound file, or - for stdin.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="note.json or note.npz.")],
    pitch: Annotated[int | None, typer.Option(metavar="MIDI", help="Of the note, where it is known.")] = None,
    family: Annotated[str | None, typer.Option(metavar="NAME", help="Of the instrument, where it is known.")] = None,
    velocity: Annotated[int | None, typer.Option(metavar="1..127", help="Of the note, where it is known.")] = None,
    weights: Weights = "",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Write the codes of a sound: both maps, labels, rate, length and level."""
    from caesura.audio import read
    from caesura.cli.files import check_new, incoming
    from caesura.cli.terminal import say
    from caesura.codes import encode, write_codes

    check_new(output, force=force)
    with incoming(Path(source)) as path:
        codes = encode(read(path), weights, pitch=pitch, family=family, velocity=velocity)
    write_codes(output, codes, force=force)
    if not quiet:
        say(f"{output}: {codes.top.size} coarse and {codes.bottom.size} fine codes of {codes.codes}")
    return 0


@notes_app.command("decode")
def decode(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A file of `caesura notes encode`.")],
    output: options.Output = None,
    weights: Weights = "",
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Write the sound of codes."""
    from caesura.audio import write
    from caesura.cli.files import Job, outgoing, required
    from caesura.cli.making import where_to
    from caesura.cli.terminal import say
    from caesura.codes import decode, read_codes

    (target,) = where_to(output, 1, force=force)
    audio = decode(read_codes(required(source)), weights)
    with outgoing(Job(source, target), ".wav") as path:
        write(path, audio, force=force)
    if not quiet:
        say(f"{target}: {audio.samples.shape[1] / audio.sample_rate:.6g} s at {audio.sample_rate} Hz")
    return 0
