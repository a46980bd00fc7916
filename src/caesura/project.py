"""A project: a recording and what is to be done to it, step by step, so that anyone gets the same bytes again.

    {"format": "caesura-project", "version": 1, "source": {"name": "take.wav", "sha256": "..."},
     "steps": [{"method": "lsar", "settings": {"order": 512}, "regions": {"format": "caesura-labels", ...},
                "seed": 0, "fade_ms": 0.0, "text": "", "guide": null}]}

    source -> step 1 -> step 2 -> ... -> result, each step a repair of the file before it

A project names files, never places: the source and the guides are found beside the project or where the caller says,
and must have the hash they had.
"""

from __future__ import annotations

__all__ = ["Named", "Project", "Step", "apply", "as_text", "deliver", "fill", "hashed", "named", "parsed", "plain"]

import dataclasses
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caesura.audio import open_audio, output_suffix, splice
from caesura.inpainter import Inpainter, Progress, silent
from caesura.labels import Label
from caesura.labels.document import read_document, write_document
from caesura.labels.label import Timeline
from caesura.methods import build
from caesura.repair import repair_file
from caesura.report import Report

FORMAT, VERSION = "caesura-project", 1
LARGEST = 64 << 20  # bytes of a project file
BLOCK = 1 << 20  # bytes that are hashed at a time


@dataclass(frozen=True)
class Named:
    """A file by its name and content."""

    name: str
    sha256: str


@dataclass(frozen=True)
class Step:
    """A repair."""

    method: str
    settings: Mapping[str, Any]
    """Values by field name, as JSON has them."""
    labels: tuple[Label, ...]
    seed: int = 0
    fade_ms: float = 0.0
    text: str = ""
    guide: Named | None = None

    def inpainter(self) -> Inpainter:
        """The method with its settings.

        Raises:
            ValueError: there is no such method or setting, or a value does not fit.
        """
        return build(self.method, {key: as_text(value) for key, value in self.settings.items()})


@dataclass(frozen=True)
class Project:
    """A recording and its repairs."""

    source: Named
    sample_rate: int
    """Hertz."""
    steps: tuple[Step, ...] = field(default=())


def apply(
    project: Project, source: Path, target: Path, find: Callable[[Named], Path], *, output_format: str | None = None,
    force: bool = False, progress: Progress = silent,
) -> list[Report]:  # fmt: skip
    """Do every step of a project and write the result.

    Args:
        project: what to do.
        source: the recording.
        target: where the result goes.
        find: where a guide is.
        output_format: container of the result; see `splice`.
        force: overwrite an existing target.
        progress: called with the fraction done; raising from it cancels.

    Returns:
        one report per step.

    Raises:
        ValueError: a file is not the one that the project was made with, or a step does not fit it.
    """
    _check(source, project.source)
    reports: list[Report] = []
    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        current = source
        for number, step in enumerate(project.steps):
            guide = None if step.guide is None else find(step.guide)
            if guide is not None and step.guide is not None:
                _check(guide, step.guide)
            result = Path(folder) / f"{number}{output_suffix(current)}"

            def part(fraction: float, number: int = number) -> None:
                progress((number + fraction) / len(project.steps))

            reports.append(fill(step, current, result, guide, progress=part))
            current = result
        deliver(current, target, output_format=output_format, force=force)
    return [dataclasses.replace(report, source=project.source.name, target=target.name) for report in reports]


def fill(step: Step, source: Path, target: Path, guide: Path | None, *, progress: Progress = silent) -> Report:
    """Do one step; the target gets the container that a repair of the source has."""
    with open_audio(source) as reader:
        fade = round(step.fade_ms / 1000.0 * reader.info.sample_rate)
    return repair_file(
        source, target, step.labels, step.inpainter(), seed=step.seed, fade=fade, text=step.text, guide=guide,
        force=True, progress=progress,
    )  # fmt: skip


def deliver(result: Path, target: Path, *, output_format: str | None = None, force: bool = False) -> str:
    """Copy a result, byte for byte where its container stays, and return what one should know about the copy."""
    return splice(result, target, (), output_format=output_format, force=force).note


def hashed(path: Path) -> str:
    """The SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def named(path: Path, name: str = "") -> Named:
    """A file as projects name it."""
    return Named(name or path.name, hashed(path))


def plain(project: Project) -> dict[str, Any]:
    """A project as JSON has it."""
    timeline = Timeline(project.sample_rate)
    steps = [
        {
            "method": step.method,
            "settings": dict(step.settings),
            "regions": json.loads(write_document(step.labels, timeline)),
            "seed": step.seed,
            "fade_ms": step.fade_ms,
            "text": step.text,
            "guide": None if step.guide is None else dataclasses.asdict(step.guide),
        }
        for step in project.steps
    ]
    source = {**dataclasses.asdict(project.source), "sample_rate": project.sample_rate}
    return {"format": FORMAT, "version": VERSION, "source": source, "steps": steps}


def parsed(path: Path) -> Project:
    """Read a project file.

    Raises:
        ValueError: it is no project; the message says where.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"{path}: a project has at most {LARGEST >> 20} MiB: is this a recording?")
    try:
        return _project(json.loads(content))
    except (KeyError, TypeError, AttributeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} is no project file: {type(error).__name__} {error}") from None
    except ValueError as error:
        raise ValueError(f"{path} is no project file: {error}") from None


def _project(document: Mapping[str, Any]) -> Project:
    if document.get("format") != FORMAT:
        raise ValueError(f'it needs "format": "{FORMAT}"')
    if document.get("version") != VERSION:
        raise ValueError(f"version {document.get('version')} is not known, only {VERSION}: update caesura")
    source = document["source"]
    timeline = Timeline(int(source["sample_rate"]))
    return Project(_file(source), timeline.sample_rate, tuple(_step(entry, timeline) for entry in document["steps"]))


def _step(entry: Mapping[str, Any], timeline: Timeline) -> Step:
    return Step(
        str(entry["method"]),
        dict(entry["settings"]),
        tuple(read_document(json.dumps(entry["regions"]), timeline)),
        int(entry["seed"]),
        float(entry["fade_ms"]),
        str(entry["text"]),
        None if entry["guide"] is None else _file(entry["guide"]),
    )


def _file(entry: Mapping[str, Any]) -> Named:
    name = str(entry["name"])
    if not name or Path(name).name != name or "\\" in name:
        raise ValueError(f"'{name}' is no file name: a project names files beside it, without folders")
    return Named(name, str(entry["sha256"]))


def _check(path: Path, wanted: Named) -> None:
    if hashed(path) != wanted.sha256:
        raise ValueError(f"'{path}' is not the file '{wanted.name}' that the project was made with: name that one")


def as_text(value: Any) -> Any:
    """A JSON value as text that `build` converts, so that a list becomes the tuple and 1 the float of a field."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
