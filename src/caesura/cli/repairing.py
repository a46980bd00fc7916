"""What `restore` does with each file: find the labels, repair, report, and say in a line what was done."""

from __future__ import annotations

__all__ = ["Repair", "Style", "built", "each", "preview", "renamed"]

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from caesura.cli.denoise import denoised
from caesura.cli.files import STREAM, Job, incoming, outgoing
from caesura.cli.terminal import columns, label_table, progress_bar, say
from caesura.cli.where import Where

if TYPE_CHECKING:
    from caesura.inpainter import Inpainter
    from caesura.report import Report
    from caesura.restoration import Fill

DETECTION_SHARE = 0.3  # of the bar, when damage is searched for
MOST_ROWS = 24  # of the table on a terminal; the report has them all


@dataclass(frozen=True)
class Style:
    """How to fill, whatever the method."""

    text: str
    guide: Path | None
    seed: int
    fade: float
    """Milliseconds."""
    output_format: str | None
    force: bool
    denoise: bool = False
    """Whether noise is taken out before anything else."""


@dataclass(frozen=True)
class Repair:
    """The repair of one file after the other; call it with a job."""

    where: Where
    inpainter: Inpainter
    style: Style
    report: Path | None
    """A file for one input, a folder for many."""
    picture: Path | None
    """The same for pictures."""
    many: bool
    quiet: bool

    def __call__(self, job: Job) -> int:
        """Repair a file; the exit code is 1 when a region was refused."""
        title = "standard input" if job.source == STREAM else job.source.name
        with (
            incoming(job.source) as source,
            progress_bar(title, quiet=self.quiet) as progress,
            outgoing(job, self._suffix(job, source)) as target,
            denoised(source, self.style.denoise, self._format(job)) as (clean, taken),
        ):
            done, skipped = self._repaired(clean, target, job, progress)
            done = dataclasses.replace(done, source=str(source), denoised=taken)
            self._write_beside(done, source, target, job)
        if not self.quiet:
            _summarise(done, job, skipped)
        return int(done.refused > 0)

    def beside(self, job: Job) -> tuple[Path | None, Path | None]:
        """Where the report and the picture of a file go."""
        return self._place(self.report, job, ".json"), self._place(self.picture, job, ".png")

    def _place(self, at: Path | None, job: Job, suffix: str) -> Path | None:
        return at / f"{job.target.name}{suffix}" if at is not None and self.many else at

    def _format(self, job: Job) -> str | None:
        return self.style.output_format or ("wav" if job.target == STREAM else None)

    def _suffix(self, job: Job, source: Path) -> str:
        from caesura.audio import output_suffix

        return output_suffix(source, self._format(job)) if job.target == STREAM else ""

    def _repaired(
        self, source: Path, target: Path, job: Job, progress: Callable[[float], None]
    ) -> tuple[Report, Counter[str]]:
        """The report, and how many labels of each kind were passed over."""
        from caesura.audio import open_audio
        from caesura.repair import NOT_REPAIRED, repair_file

        share = DETECTION_SHARE if self.where.auto else 0.0
        labels = self.where.labels(source, lambda fraction: progress(share * fraction))
        with open_audio(source) as reader:
            fade = round(self.style.fade / 1000.0 * reader.info.sample_rate)
        done = repair_file(
            source, target, labels, self.inpainter, seed=self.style.seed, fade=fade, text=self.style.text,
            guide=self.style.guide, force=self.style.force, output_format=self._format(job),
            progress=lambda fraction: progress(share + (1.0 - share) * fraction),
        )  # fmt: skip
        if done.changed_outside:
            raise ValueError(f"{done.changed_outside} samples outside the regions changed: do not use {job.target}")
        return done, Counter(label.kind for label in labels if label.kind in NOT_REPAIRED)

    def _write_beside(self, done: Report, source: Path, target: Path, job: Job) -> None:
        report, picture = self.beside(job)
        named = dataclasses.replace(
            done,
            source="-" if job.source == STREAM else done.source,
            target="-" if job.target == STREAM else done.target,
        )
        for place in (report, picture):
            if place is not None and self.many:
                place.parent.mkdir(parents=True, exist_ok=True)
        if report is not None:
            from caesura.report import write_report

            write_report(report, named, force=self.style.force)
        if picture is not None and done.fills:
            from caesura.picture import draw

            draw(source, target, done.fills, picture, force=self.style.force)


def built(method: str, settings: Sequence[str], short: Mapping[str, str]) -> Inpainter:
    """The method with its settings.

    Args:
        method: its name.
        settings: texts such as `order=512`.
        short: values of the options that stand for settings, by their names.

    Raises:
        ValueError: there is no such method or setting, or a value does not fit.
    """
    from caesura.cli.quantities import key_values
    from caesura.methods import build, load

    known = {field.name for field in dataclasses.fields(load(method))}  # type: ignore[arg-type]
    for key, value in short.items():
        if key not in known:
            option = f"--{key.replace('_', '-')}"
            raise ValueError(f"{option} {value} is a setting that {method} does not have: leave it out")
    given = key_values(settings, "order=512", f"`caesura methods {method}` lists the keys")
    return build(method, {**given, **short})


def each(jobs: Sequence[Job], work: Callable[[Job], int]) -> int:
    """Do the work for every file; with several, one that fails does not stop the others.

    Returns:
        the exit code: 1 when one was refused or failed, else 0.
    """
    if len(jobs) == 1:
        return work(jobs[0])
    code = 0
    for job in jobs:
        try:
            code = max(code, work(job))
        except (ValueError, OSError) as error:
            say(f"caesura: {job.source}: {error}")
            code = 1
    return code


def preview(source: Path, where: Where, denoise: bool = False) -> int:
    """Print what would be filled in a file, without its noise if that is to be taken out first."""
    from caesura.audio import open_audio

    with (
        incoming(source) as path,
        progress_bar(source.name) as progress,
        denoised(path, denoise, None) as (clean, _),
    ):
        labels = where.labels(clean, progress)
        with open_audio(path) as reader:
            rate = reader.info.sample_rate
    typer.echo(f"{source}: {len(labels)} to fill")
    if labels:
        typer.echo(label_table(labels, rate))
    return 0


def renamed(source: Path, kept: Path, output_format: str | None) -> Path:
    """The name of a result in a folder: that of the source, with the suffix of what is written."""
    from caesura.audio import output_suffix

    if source == STREAM:
        return kept
    try:
        return kept.with_suffix(output_suffix(source, output_format))
    except (ValueError, OSError):
        return kept  # what cannot be read is reported when its turn comes


def _summarise(done: Report, job: Job, skipped: Counter[str]) -> None:
    target = "standard output" if job.target == STREAM else str(job.target)
    parts = [f"{done.filled} filled", f"{done.refused} refused", *(f"{n} {kind} left" for kind, n in skipped.items())]
    if done.clipped:
        parts.append(f"{done.clipped} samples held at full scale")
    if done.denoised is not None:
        parts.append(f"noise at {done.denoised['noise_dbfs']:.1f} dBFS taken out")
    reasons = {fill.why for fill in done.fills if not fill.filled and fill.why}
    if sys.stderr.isatty() and done.fills:
        typer.echo(_fill_table(done.fills, done.sample_rate), err=True)
    elif reasons:
        parts[1] += f" ({'; '.join(sorted(reasons)[:3])})"
    say(f"{target}: {', '.join(parts)}" + (f". Note: {done.note}" if done.note else ""))


def _fill_table(fills: Sequence[Fill], rate: int) -> str:
    rows = []
    for fill in fills[:MOST_ROWS]:
        region = fill.region
        rows.append(
            (
                f"{region.start / rate:.6f}",
                f"{1000.0 * region.length / rate:.2f}",
                "all" if region.channel is None else str(region.channel),
                fill.method if fill.filled else "refused",
                "" if fill.confidence is None else f"{fill.confidence:.2f}",
                "" if fill.seam is None else f"{fill.seam:.1f}",
                fill.why,
            )
        )
    table = columns(("start s", "length ms", "channel", "method", "confidence", "seam", "why"), rows)
    left = len(fills) - MOST_ROWS
    return table if left <= 0 else f"{table}\n... and {left} more, see --report"
