"""caesura restore: fill what is marked or found, leave the rest as it is."""

from __future__ import annotations

__all__ = ["restore"]

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from caesura.cli import options

NOTHING_SAID = "say where: --auto, --gap 1.20-1.35, --gaps labels.txt, --box 12.3-12.9,800-3200 or --mask picture.png"


def restore(  # the options of the command; what follows takes them in groups
    inputs: Annotated[
        list[str] | None, typer.Argument(metavar="IN", help="Files, globs, folders, or - for stdin.")
    ] = None,
    output: options.Output = None,
    out_dir: Annotated[Path | None, typer.Option(metavar="FOLDER", help="Where results of many inputs go.")] = None,
    gap: options.Gap = None,
    gaps: options.Gaps = None,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="TIMES,BAND", help="Part of the spectrum: 12.3-12.9,800-3200 or 12.3-12.9,300Hz-2kHz."),
    ] = None,
    mask: options.Mask = None,
    auto: Annotated[bool, typer.Option("--auto", help="Look for damage and repair it.")] = False,
    denoise: Annotated[
        bool, typer.Option("--denoise", help="First take out steady noise, everywhere; damage is looked for after it.")
    ] = False,
    kinds: options.Kinds = None,
    channel: options.Channel = None,
    method: Annotated[
        str,
        typer.Option(metavar="NAME", help="See `caesura methods`.", autocompletion=options.complete_method),
    ] = "auto",
    quality: Annotated[str | None, typer.Option(metavar="default|best", help="Setting of auto.")] = None,
    max_gap: Annotated[str | None, typer.Option(metavar="SECONDS", help="Setting of auto: refuse longer gaps.")] = None,
    policy: Annotated[str | None, typer.Option(metavar="fill|flag", help="Setting of auto, for longer gaps.")] = None,
    setting: options.Setting = None,
    text: options.Text = "",
    guide: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A recording that steers the fill, for methods that take one.")
    ] = None,
    seed: options.Seed = 0,
    fade: Annotated[
        float,
        typer.Option(metavar="MS", min=0.0, help="Context given up to a crossfade on either side; 0 keeps it all."),
    ] = 0.0,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What was done, as JSON; a folder for many inputs.")
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Before and after as PNG; a folder for many inputs.")
    ] = None,
    project: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Do what a project file of the studio says, to the byte.")
    ] = None,
    output_format: Annotated[str | None, typer.Option(metavar="flac|wav", help="Container of the result.")] = None,
    packet_ms: options.PacketMs = None,
    sensitivity: options.Sensitivity = 1.0,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders inside folders.")] = False,
    force: options.Force = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be filled, write nothing.")] = False,
    quiet: options.Quiet = False,
) -> int:
    """Fill gaps and boxes, and leave every other sample as it is, bit for bit.

    Exit code: 0 done, 1 finished with something refused or failed, 2 bad usage or input.
    """
    if project is not None:
        from caesura.cli.project import restore_project

        if (
            gap
            or gaps
            or box
            or mask
            or auto
            or method != "auto"
            or setting
            or text
            or guide
            or out_dir
            or picture
            or dry_run
        ):
            raise ValueError(f"{project} says what to do: leave the options out that say where and how")
        return restore_project(project, inputs or (), output, output_format, report=report, force=force, quiet=quiet)
    from caesura.cli.files import Job, check_new, expand, plan, required
    from caesura.cli.repairing import Repair, Style, built, each, preview, renamed
    from caesura.cli.where import Where, chosen_kinds
    from caesura.labels import KINDS

    where = Where.parsed(
        gap, box, file=gaps, mask=mask, auto=auto, kinds=chosen_kinds(kinds, KINDS), channel=channel,
        packet_ms=packet_ms, sensitivity=sensitivity,
    )  # fmt: skip
    if not inputs:
        raise ValueError("name the recording to restore, or a --project")
    if not where.said:
        raise ValueError(NOTHING_SAID)
    short = {"quality": quality, "max_gap": max_gap, "policy": policy}
    if text and method == "auto" and not any(short.values()):
        method = options.TOLD
    inpainter = built(method, setting or (), {key: value for key, value in short.items() if value is not None})
    style = Style(text, guide and required(guide), seed, fade, output_format, force, denoise)
    sources = expand(inputs, recursive=recursive)
    if picture is not None and find_spec("matplotlib") is None:
        raise ValueError("--picture needs matplotlib: pip install 'caesura[picture]'")
    if dry_run:
        return each([Job(path, path) for path, _ in sources], lambda job: preview(job.source, where, denoise))
    if out_dir is not None:
        sources = [(path, renamed(path, kept, output_format)) for path, kept in sources]
    repair = Repair(where, inpainter, style, report, picture, len(sources) > 1, quiet)
    jobs = plan(sources, output, out_dir, force=force)
    for job in jobs:
        for beside in repair.beside(job):
            check_new(beside, force=force)
    return each(jobs, repair)
