"""caesura add: a new stem over a song, which itself stays as it is."""

from __future__ import annotations

__all__ = ["add"]

from pathlib import Path
from typing import Annotated

import typer

from caesura.cli import options
from caesura.cli.generate import Candidates, Format, In, alone, container

OURS = "mini_p2p"  # the method that is taken without --method: its weights come with the package


def add(
    source: In,
    output: options.Output = None,
    text: Annotated[str, typer.Option("--text", help='What to add: "airy female vocal".')] = "",
    method: Annotated[
        str,
        typer.Option("--method", metavar="NAME", help="One that adds stems.", autocompletion=options.complete_method),
    ] = "",
    stem: Annotated[
        Path | None,
        typer.Option("--stem", metavar="FILE", help="What was added, alone: a WAV of floats, mix = song + stem."),
    ] = None,
    setting: options.Setting = None,
    seed: options.Seed = 0,
    candidates: Candidates = 1,
    output_format: Format = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Put something new over a song: mix = song + stem, the song sample for sample as it was.

    Where the mix would exceed full scale the stem is turned down, never the song; the command says so. Without
    --method it is mini_p2p: instruments, by small weights that come along. riff_cnet keeps to the song's edges,
    riff_p2p is told "add a ..."; `caesura methods` lists all that add stems.

    Exit code: 0 done, 2 bad usage or input.
    """
    from caesura.addition import can_add, check_adds
    from caesura.cli.files import STREAM, incoming
    from caesura.cli.making import add_over, each_candidate, where_to
    from caesura.cli.repairing import built

    method = method or (OURS if OURS in can_add() else "")
    if not method:
        raise ValueError(f"say which method adds it: --method {' or '.join(can_add())}")
    if not text.strip():
        raise ValueError('say what to add: --text "airy female vocal"')
    targets = where_to(output, candidates, force=force)
    stems = [] if stem is None else where_to(stem, candidates, force=force)
    if STREAM in stems:
        raise ValueError("--stem - would mix with the messages: name a file")
    if {path.resolve() for path in stems} & {path.resolve() for path in targets}:
        raise ValueError(f"--stem {stem} is the mix as well: name another file")
    inpainter = built(method, setting or (), {})
    check_adds(inpainter)
    with incoming(alone(source, [*targets, *stems])) as path:
        form, suffix = container(path, targets[0], output_format)
        make = add_over(path, inpainter, stems, text=text, output_format=form, force=force)
        return each_candidate(targets, seed, make, suffix=suffix, quiet=quiet)
