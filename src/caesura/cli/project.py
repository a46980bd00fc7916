"""What `restore --project` does: find the files that a project names, do its steps, and say what was done."""

from __future__ import annotations

__all__ = ["restore_project"]

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from caesura.cli.files import STREAM, check_new, required
from caesura.cli.terminal import progress_bar, say

if TYPE_CHECKING:
    from caesura.project import Named
    from caesura.report import Report


def restore_project(
    path: Path, inputs: Sequence[str], output: Path | None, output_format: str | None, *, report: Path | None,
    force: bool, quiet: bool,
) -> int:  # fmt: skip
    """Do the steps of a project file.

    Args:
        path: the project.
        inputs: its recording, or nothing when that lies beside the project.
        output: where the result goes.
        output_format: container of the result.
        report: where the reports of the steps go, or nowhere.
        force: overwrite existing files.
        quiet: say nothing but errors.

    Returns:
        the exit code: 1 when a region was refused, else 0.
    """
    from caesura.project import apply, parsed

    project = parsed(required(path))
    if len(inputs) > 1 or STREAM in map(Path, inputs):
        raise ValueError(f"a project belongs to one recording, '{project.source.name}': name that file alone")
    if output is None or output == STREAM:
        raise ValueError("name the result with -o: a project is written to a file")
    source = required(Path(inputs[0])) if inputs else _beside(path, project.source)
    for place in (output, report):
        check_new(place, force=force)
    with progress_bar(path.name, quiet=quiet) as progress:
        done = apply(
            project, source, output, lambda named: _beside(path, named), output_format=output_format, force=force,
            progress=progress,
        )  # fmt: skip
    if report is not None:
        _write_report(report, done, force=force)
    refused = sum(each.refused for each in done)
    if not quiet:
        say(f"{output}: {len(done)} steps, {sum(each.filled for each in done)} filled, {refused} refused")
    return int(refused > 0)


def _beside(path: Path, named: Named) -> Path:
    found = path.parent / named.name
    if not found.is_file():
        raise ValueError(f"'{named.name}' is not beside {path}: copy it there, or name the recording before --project")
    return found


def _write_report(path: Path, reports: Sequence[Report], *, force: bool) -> None:
    from caesura.atomic import replacing

    document = {"schema": 1, "steps": [report.to_json() for report in reports]}
    with replacing(path, force=force) as partial:
        partial.write_text(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
