"""Rows of a benchmark and the file they live in: JSON lines, appended whole, resumable.

One row is one method on one file with one gap length and one seed. A row is found again by what decides its content:
the method with its settings, the content of the file, the protocol, the gap length and the seed; not by the name under
which it was run. The code of a method is not part of it: `forget` its rows after it has changed.
"""

from __future__ import annotations

__all__ = ["GapScore", "Row", "append", "forget", "read", "repair"]

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class GapScore:
    """How one gap was filled. None where a measure is not defined."""

    start: int
    """First missing sample."""
    stop: int
    """One past the last."""
    snr: float | None
    """Decibels over the missing samples."""
    lsd: float | None
    """Log-spectral distance in decibels over the frames that touch the gap."""
    log_mel: float | None
    """Log-mel distance over the frames that touch the gap."""
    energy: float | None
    """Energy of the fill over that of the original in decibels; negative is too quiet."""
    seam: float | None
    """Seam score of `caesura.seam`."""
    confidence: float | None
    """What the method said of its fill."""
    method: str
    """The method that filled it, where one delegates to another."""
    filled: bool
    """False where the method refused; the gap then counts as silence."""


@dataclass(frozen=True)
class Row:
    """One method on one file with one gap length and one seed."""

    label: str
    """Name in tables."""
    method: str
    """Name of the method."""
    settings: Mapping[str, Any]
    """Its hyperparameters."""
    file: str
    """Name of the file."""
    digest: str
    """First 16 digits of the SHA-256 of the file's content."""
    protocol: str
    """Where the gaps lie, see `caesura.evaluation.protocols`."""
    gap_seconds: float
    """Length of each gap."""
    seed: int
    """Of positions and method."""
    gaps: tuple[GapScore, ...] = ()
    """In order of time."""
    snr: float | None = None
    """Mean over gaps of their SNR in decibels."""
    lsd: float | None = None
    """Mean over gaps."""
    log_mel: float | None = None
    """Mean over gaps."""
    energy: float | None = None
    """Mean over gaps."""
    odg: float | None = None
    """PEAQ grade of the whole file with all its gaps; None above two channels."""
    cpu_seconds: float | None = None
    """Processor time per gap."""
    error: str = ""
    """Why the method could not be run on this file."""

    @property
    def key(self) -> str:
        """What decides the content of the row."""
        settings = json.dumps(self.settings, sort_keys=True, default=str)
        return "|".join([self.method, settings, self.digest, self.protocol, f"{self.gap_seconds:.6f}", str(self.seed)])

    def line(self) -> str:
        """The row as one line of JSON."""
        return json.dumps(dataclasses.asdict(self), allow_nan=False, default=str) + "\n"

    @classmethod
    def parse(cls, line: str) -> Row:
        """A row from its line.

        Raises:
            ValueError: the line is not a row.
        """
        try:
            fields = json.loads(line)
            return cls(**{**fields, "gaps": tuple(GapScore(**gap) for gap in fields["gaps"])})
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ValueError(f"not a row of a benchmark: {line[:60]!r}") from error


def read(path: Path) -> list[Row]:
    """Rows of a file, none where it does not exist.

    Raises:
        ValueError: a line is not a row; the message names it.
    """
    if not path.exists():
        return []
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(Row.parse(line))
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}: delete the line or choose another file") from error
    return rows


def repair(path: Path) -> bool:
    """Cut off a last line that a crash left half written; returns whether there was one."""
    if not path.exists():
        return False
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole == len(content):
        return False
    with path.open("r+b") as file:
        file.truncate(whole)
    return True


def append(path: Path, row: Row) -> None:
    """Append a row with a single write, so that several runs may share a file."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        line = row.line().encode()
        if os.write(handle, line) != len(line):
            raise OSError(f"{path}: the disk is full, the last row was not written whole")
        os.fsync(handle)
    finally:
        os.close(handle)


def forget(path: Path, methods: Collection[str]) -> int:
    """Take the rows of methods out of a file in one step; returns how many there were.

    Args:
        path: the file.
        methods: names, which take all of a method's rows, or labels such as `auto:quality=best`, which take their own.
    """
    repair(path)
    found = read(path)
    kept = [row for row in found if row.method not in methods and row.label not in methods]
    if len(kept) < len(found):
        fresh = path.with_name(path.name + ".part")
        fresh.write_text("".join(row.line() for row in kept), encoding="utf-8")
        fresh.replace(path)
    return len(found) - len(kept)
