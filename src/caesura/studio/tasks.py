"""What a worker process does: plain data in, plain data out, progress on the way.

Nothing of the web is imported here, and torch only by the methods that need it.
"""

from __future__ import annotations

__all__ = ["Codes", "Detect", "Edit", "Fill", "Make", "Task", "run"]

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from caesura.inpainter import Progress
from caesura.project import Step


@dataclass(frozen=True)
class Detect:
    """Look for damage."""

    source: Path
    kinds: frozenset[str] | None
    sensitivity: float


@dataclass(frozen=True)
class Fill:
    """Do steps one after the other, once per seed; every step leaves a file."""

    source: Path
    steps: tuple[Step, ...]
    targets: tuple[tuple[Path, ...], ...]
    """Per candidate, one file per step."""
    guide: Path | None = None


@dataclass(frozen=True)
class Make:
    """Make a sound, once per target; the seed counts up."""

    kind: str
    method: str
    settings: dict[str, Any]
    targets: tuple[Path, ...]
    seconds: float
    sample_rate: int
    seed: int
    text: str = ""
    source: Path | None = None
    end: tuple[str, int] | None = None
    alpha: float = 0.0


@dataclass(frozen=True)
class Codes:
    """Read the codes of a note."""

    source: Path
    settings: dict[str, Any]


@dataclass(frozen=True)
class Edit:
    """Draw cells of a note again, group after group, once per candidate."""

    source: Path
    groups: tuple[tuple[str, dict[str, Any], tuple[tuple[int, int], ...]], ...]
    """Map, settings of the method and cells (row, column) of each group."""
    targets: tuple[tuple[Path, ...], ...]
    """Per candidate, one file per group."""
    seed: int


Task = Detect | Fill | Make | Codes | Edit


def run(task: Task, progress: Progress) -> Any:
    """Do a task.

    Returns:
        labels, reports per candidate and step (of an edit with its steps before), nothing, or the maps of codes.

    Raises:
        ValueError: it cannot be done; the message names the fix.
    """
    doing: dict[type, Callable[[Any, Progress], Any]] = {
        Detect: _detect, Fill: _fill, Make: _make, Codes: _codes, Edit: _edit,
    }  # fmt: skip
    return doing[type(task)](task, progress)


def _detect(task: Detect, progress: Progress) -> Any:
    from caesura.detection import detect_file

    return detect_file(task.source, kinds=task.kinds, sensitivity=task.sensitivity, progress=progress)


def _fill(task: Fill, progress: Progress) -> list[list[dict[str, Any]]]:
    import dataclasses

    from caesura.project import fill

    reports: list[list[dict[str, Any]]] = []
    total, done = sum(map(len, task.targets)), 0
    for number, targets in enumerate(task.targets):
        current, own = task.source, []
        for step, target in zip(task.steps, targets, strict=True):

            def part(fraction: float, done: int = done) -> None:
                progress((done + fraction) / total)

            drawn = dataclasses.replace(step, seed=step.seed + number)
            own.append(fill(drawn, current, target, task.guide, progress=part).to_json())
            current, done = target, done + 1
        reports.append(own)
    return reports


def _make(task: Make, progress: Progress) -> None:
    from caesura.studio.making import make

    for number, target in enumerate(task.targets):

        def part(fraction: float, number: int = number) -> None:
            progress((number + fraction) / len(task.targets))

        make(task, target, task.seed + number, part)


def _codes(task: Codes, progress: Progress) -> Any:
    from caesura.studio.making import codes

    return codes(task.source, task.settings)


def _edit(task: Edit, progress: Progress) -> tuple[tuple[Step, ...], list[list[dict[str, Any]]]]:
    from caesura.audio import open_audio
    from caesura.labels import Label
    from caesura.labels.label import default_kind
    from caesura.studio.making import codes, cut

    with open_audio(task.source) as reader:
        rate = reader.info.sample_rate
    grid = codes(task.source, task.groups[0][1])
    steps = []
    for layer, settings, cells in task.groups:
        labels = tuple(Label(region, default_kind(region)) for region in cut(grid[layer], cells, rate))
        steps.append(Step("notono", settings, labels, task.seed))
    return tuple(steps), _fill(Fill(task.source, tuple(steps), task.targets), progress)
