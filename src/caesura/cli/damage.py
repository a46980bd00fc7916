"""caesura detect, labels, punch: where damage is, in which file format, and how to make some for a test."""

from __future__ import annotations

__all__ = ["detect", "labels_app", "punch"]

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from caesura.cli import options
from caesura.cli.terminal import label_table, progress_bar, say

if TYPE_CHECKING:
    from caesura.labels import Label

labels_app = typer.Typer()


def detect(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A sound file, or - for stdin.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Labels as .txt (Audacity), .csv or .json; - prints them."),
    ] = None,
    kinds: options.Kinds = None,
    sensitivity: options.Sensitivity = 1.0,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Find damage: silence, held values, dropouts, clicks, clipping, NaN."""
    from caesura.audio import open_audio
    from caesura.cli.files import check_new, incoming
    from caesura.cli.where import chosen_kinds
    from caesura.detection import KINDS, detect_file

    chosen = chosen_kinds(kinds, KINDS)
    check_new(output, force=force)
    with incoming(source) as path, progress_bar(source.name, quiet=quiet) as progress:
        with open_audio(path) as reader:
            rate = reader.info.sample_rate
        found = detect_file(path, kinds=chosen, sensitivity=sensitivity, progress=progress)
    _deliver(found, rate, output, force=force)
    if not quiet:
        counts = Counter(label.kind for label in found)
        say(f"{source}: " + (", ".join(f"{n} {kind}" for kind, n in sorted(counts.items())) or "no damage found"))
    return 0


def _deliver(found: list[Label], rate: int, output: Path | None, *, force: bool) -> None:
    from caesura.cli.files import STREAM
    from caesura.labels import formatted, write

    if output is None:
        if found:
            typer.echo(label_table(found, rate))
    elif output == STREAM:
        typer.echo(formatted(found, ".txt", sample_rate=rate), nl=False)
    else:
        write(output, found, sample_rate=rate, force=force)


@labels_app.callback(invoke_without_command=True)
def labels(context: typer.Context) -> None:
    """Convert lists of regions between formats."""
    if context.invoked_subcommand is None:
        raise ValueError("say what to do with labels: caesura labels convert IN OUT")


@labels_app.command()
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="Labels: Audacity, CSV, JSON, a loss trace, a WAV's cues.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="A name in .txt (Audacity), .csv or .json.")],
    like: Annotated[Path | None, typer.Option(metavar="FILE", help="The recording that the labels refer to.")] = None,
    sample_rate: Annotated[int | None, typer.Option(min=1, metavar="HZ", help="Its sample rate, without it.")] = None,
    packet_ms: options.PacketMs = None,
    force: options.Force = False,
) -> int:
    """Convert a label file to the format that the suffix of OUT names."""
    from caesura.audio import open_audio
    from caesura.cli.files import check_new, required
    from caesura.labels import read, write

    if (like is None) == (sample_rate is None):
        raise ValueError("samples and seconds meet at a rate: pass --like RECORDING or --sample-rate HZ, one of them")
    check_new(target, force=force)
    samples = None
    if like is not None:
        with open_audio(required(like)) as reader:
            sample_rate, samples = reader.info.sample_rate, reader.info.frames
    rate = sample_rate or 0
    found = read(required(source), sample_rate=rate, samples=samples, packet_ms=packet_ms)
    write(target, found, sample_rate=rate, force=force)
    say(f"{target}: {len(found)} labels")
    return 0


def punch(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A sound file, or - for stdin.")],
    output: options.Output = None,
    gaps: Annotated[int, typer.Option("--gaps", min=1, help="How many.")] = 5,
    length: Annotated[str, typer.Option(metavar="TIME", help="Of each: 20ms, 0.02, 960smp.")] = "20ms",
    seed: Annotated[int, typer.Option(min=0, help="Of the places.")] = 0,
    hold: Annotated[bool, typer.Option("--hold", help="Repeat the last value before a gap in place of zeros.")] = False,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the gaps are, as .txt, .csv or .json.")
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
) -> int:
    """Make gaps to test a method on.

    They lie where there is sound; every other byte stays as it is.
    """
    import numpy as np

    from caesura.audio import Patch, output_suffix, read, splice
    from caesura.cli.files import STREAM, check_new, incoming, outgoing, plan
    from caesura.cli.quantities import moment
    from caesura.data.damage import punch_gaps
    from caesura.labels import write

    job = plan([(source, Path(source.name))], output, None, force=force)[0]
    check_new(labels, force=force)
    long = moment(length)
    with incoming(job.source) as path:
        audio = read(path)
        samples = max(round(long.samples(audio.sample_rate)), 1)
        damaged, found = punch_gaps(
            audio.samples, audio.sample_rate, count=gaps, length=samples, rng=np.random.default_rng(seed), hold=hold
        )
        patches = [Patch(r.start, damaged[:, r.start : r.stop]) for r in (label.region for label in found)]
        container = "wav" if job.target == STREAM else None
        with outgoing(job, output_suffix(path, container) if container else "") as target:
            splice(path, target, patches, force=force, output_format=container)
    if labels is not None:
        write(labels, found, sample_rate=audio.sample_rate, force=force)
    if not quiet:
        say(f"{job.target}: {len(found)} gaps of {1000.0 * samples / audio.sample_rate:g} ms")
    return 0
