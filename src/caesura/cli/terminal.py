"""What a person sees: one line per message on stderr, plain tables, and a bar while something takes long."""

from __future__ import annotations

__all__ = ["columns", "label_table", "one_line", "progress_bar", "say"]

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from caesura.labels import Label


def say(message: str) -> None:
    """Write one line to stderr; stdout is kept for results."""
    typer.echo(one_line(message), err=True)


def one_line(message: object) -> str:
    """A message on one line, whatever it quotes."""
    return " ".join(str(message).split())


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of text in aligned columns, without a line feed at the end."""
    table = [header, *rows]
    widths = [max(len(row[k]) for row in table) for k in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    )


@contextmanager
def progress_bar(title: str, *, quiet: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar on stderr where that is a terminal; the callback takes the fraction done."""
    if quiet or not sys.stderr.isatty():
        yield lambda fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    shown = (TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*shown, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)


def label_table(labels: Sequence[Label], sample_rate: int) -> str:
    """Labels as a table, times in seconds."""
    rows = []
    for label in labels:
        region = label.region
        rows.append(
            (
                f"{region.start / sample_rate:.6f}",
                f"{region.stop / sample_rate:.6f}",
                f"{1000.0 * region.length / sample_rate:.2f}",
                "all" if region.channel is None else str(region.channel),
                "" if region.is_gap else f"{region.low:g}-{region.high:g}",
                label.kind,
                "" if label.confidence is None else f"{label.confidence:.2f}",
                one_line(label.text),
            )
        )
    return columns(("start s", "stop s", "length ms", "channel", "band Hz", "kind", "confidence", "text"), rows)
