"""caesura verify, evaluate: proof that nothing else changed, and how good a method is."""

from __future__ import annotations

__all__ = ["evaluate", "verify"]

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import progress_bar


def verify(
    before: Annotated[Path, typer.Argument(help="The damaged file.")],
    after: Annotated[Path, typer.Argument(help="The repaired file.")],
    gaps: options.Gaps = None,
    gap: options.Gap = None,
    channel: options.Channel = None,
    fade: Annotated[float, typer.Option(metavar="MS", min=0.0, help="Crossfade that the repair was given.")] = 0.0,
    packet_ms: options.PacketMs = None,
    quiet: options.Quiet = False,
) -> int:
    """Prove that two files differ inside the gaps only.

    Samples and metadata are compared; without gaps nothing may differ.

    Exit code: 0 nothing differs, 1 something does, 2 bad usage or input.
    """
    from caesura.audio import open_audio
    from caesura.cli.files import required
    from caesura.cli.where import Where
    from caesura.repair import NOT_REPAIRED
    from caesura.verify import verify as compare

    where = Where.parsed(gap, None, file=gaps, channel=channel, packet_ms=packet_ms)
    with open_audio(required(before)) as reader:
        margin, frames = round(fade / 1000.0 * reader.info.sample_rate), reader.info.frames
    labels = where.labels(before, lambda fraction: None)
    regions = [
        dataclasses.replace(r, start=max(r.start - margin, 0), stop=min(r.stop + margin, frames))
        for r in (label.region for label in labels if label.kind not in NOT_REPAIRED)
    ]
    verdict = compare(before, required(after), regions)
    if not quiet:
        typer.echo("\n".join(verdict.lines()))
    return 0 if verdict.ok else 1


def evaluate(
    methods: Annotated[
        str,
        typer.Option(metavar="LIST", help="lsar,lpc,janssen:order=512 ...", autocompletion=options.complete_method),
    ],
    files: Annotated[list[str], typer.Option(metavar="FILE", help="A file, glob or folder; repeat for more.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Rows as JSON lines; those in it are kept.")],
    gaps: Annotated[str, typer.Option(metavar="LIST", help="Lengths of the gaps.")] = "10ms,20ms,50ms",
    seeds: Annotated[str, typer.Option(metavar="LIST", help="Of the places and the methods.")] = "0",
    protocol: Annotated[str, typer.Option(help="Where the gaps lie: sound, paper or given.")] = "sound",
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Processes.")] = 1,
    quiet: options.Quiet = False,
) -> int:
    """Measure methods on files with gaps.

    What FILE holds already is not measured again. The methods `silence` and `linear` are always among them.
    """
    from caesura.cli.files import STREAM, expand
    from caesura.evaluation.benchmark import run
    from caesura.evaluation.tables import table

    lengths = [_seconds(text) for text in _listed(gaps)]
    numbers = [_seed(text) for text in _listed(seeds)]
    found = [path for path, _ in expand(files, recursive=True)]
    if STREAM in found:
        raise ValueError("evaluate reads each file several times: name files, not the standard input")
    with progress_bar("evaluate", quiet=quiet) as progress:
        rows = run(_listed(methods), found, lengths, numbers, out, protocol=protocol, jobs=jobs, progress=progress)
    typer.echo(table(rows))
    return int(any(row.error for row in rows))


def _listed(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise ValueError(f"'{text}' is an empty list: separate values by commas")
    return parts


def _seconds(text: str) -> float:
    from caesura.cli.quantities import moment

    value, unit = moment(text)
    if unit != "s" or not value > 0.0:
        raise ValueError(f"--gaps {text} is not a length of time: write 10ms or 0.01")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"--seeds {text} is not a whole number")
    return int(text)
