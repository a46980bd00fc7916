"""Which files go in and where results go: globs and folders, `-` for the standard streams, and no surprises.

Nothing is overwritten without being told, no output is an input, and two inputs never share an output.
"""

from __future__ import annotations

__all__ = ["STREAM", "Job", "check_new", "expand", "incoming", "outgoing", "plan", "required"]

import glob
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

STREAM = Path("-")
SUFFIXES = (  # what is taken from a folder; a file that is named may have any
    *(".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".aif", ".aiff", ".aifc", ".caf", ".au"),
    *(".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".mov", ".mkv"),
)
MAGIC = "*?["


class Job(NamedTuple):
    """One file to work on."""

    source: Path
    target: Path
    make_folder: bool = False
    """Whether the folder of the target is made where it does not exist."""


def expand(arguments: Sequence[str], *, recursive: bool = False) -> list[tuple[Path, Path]]:
    """Files that the arguments mean, in order and once each, with the part of the path that a folder's output keeps.

    Args:
        arguments: files, globs, folders or `-`.
        recursive: also look into folders inside folders.

    Raises:
        ValueError: an argument means no file.
    """
    found: dict[Path, Path] = {}
    for argument in arguments:
        for path, kept in _meant(argument, recursive):
            found.setdefault(path, kept)
    return list(found.items())


def _meant(argument: str, recursive: bool) -> Iterator[tuple[Path, Path]]:
    path = Path(argument)
    if path == STREAM or path.is_file():
        yield path, Path(path.name)
    elif path.is_dir():
        inside = [p for p in sorted(path.glob("**/*" if recursive else "*")) if _sounds(p)]
        if not inside:
            raise ValueError(
                f"there is no sound file in the folder {path}" + ("" if recursive else ": try --recursive")
            )
        yield from ((p, p.relative_to(path)) for p in inside)
    elif any(c in argument for c in MAGIC):
        matches = sorted(glob.glob(argument, recursive=True))
        if not matches:
            raise ValueError(f"no file matches '{argument}'")
        for match in matches:
            if Path(match).is_file():
                yield Path(match), Path(Path(match).name)
    else:
        raise ValueError(f"there is no file '{argument}'")


def _sounds(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


def plan(sources: Sequence[tuple[Path, Path]], out: Path | None, out_dir: Path | None, *, force: bool) -> list[Job]:
    """Where each result goes.

    Args:
        sources: files and their names in `out_dir`, from `expand`.
        out: the only result's file.
        out_dir: a folder for the results; made when it does not exist.
        force: whether existing files may be overwritten.

    Raises:
        ValueError: it cannot be told where, or a result would overwrite something.
    """
    if out is not None and out_dir is not None:
        raise ValueError("-o and --out-dir exclude each other: -o FILE for one input, --out-dir FOLDER for many")
    if out_dir is not None:
        jobs = [_inside(out_dir, source, kept) for source, kept in sources]
    elif out is None:
        raise ValueError("say where the result goes: -o FILE for one input, --out-dir FOLDER for many")
    elif len(sources) > 1:
        raise ValueError(f"-o {out} is one file and there are {len(sources)} inputs: use --out-dir FOLDER")
    else:
        jobs = [Job(sources[0][0], out)]
    _check_distinct(jobs)
    for job in jobs:
        check_new(job.target, force=force)
    return jobs


def _inside(out_dir: Path, source: Path, kept: Path) -> Job:
    if source == STREAM:
        raise ValueError("the standard input has no name that --out-dir could keep: use -o FILE or -o -")
    return Job(source, out_dir / kept, make_folder=True)


def _check_distinct(jobs: Sequence[Job]) -> None:
    sources = {job.source.resolve(): job.source for job in jobs if job.source != STREAM}
    targets: dict[Path, Path] = {}
    for job in jobs:
        if job.target == STREAM:
            continue
        place = job.target.resolve()
        if place in sources:
            raise ValueError(f"{job.target} is an input: choose another output, the original stays as it is")
        if place in targets:
            raise ValueError(f"{job.source} and {targets[place]} would both be written to {job.target}: rename one")
        targets[place] = job.source


def check_new(target: Path | None, *, force: bool) -> None:
    """Refuse to overwrite a file, before any work is done for it.

    Raises:
        ValueError: the file exists and `force` is not set, or it cannot be a file.
    """
    if target is None or target == STREAM:
        return
    if target.is_dir():
        raise ValueError(f"{target} is a folder: name a file in it")
    if target.exists() and not force:
        raise ValueError(f"{target} exists: pass --force to overwrite it, or choose another name")


@contextmanager
def incoming(source: Path) -> Iterator[Path]:
    """The file itself, or what comes on the standard input as a file that can be read twice."""
    if source != STREAM:
        yield required(source)
        return
    if sys.stdin.isatty():
        raise ValueError("the standard input is a terminal: pipe a sound file into it, or name one")
    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        path = Path(folder) / "stdin.wav"
        with path.open("wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield path


@contextmanager
def outgoing(job: Job, suffix: str) -> Iterator[Path]:
    """The target, or a file with this suffix that goes to the standard output when the block ends without an error."""
    if job.target != STREAM:
        if job.make_folder:
            job.target.parent.mkdir(parents=True, exist_ok=True)
        yield job.target
        return
    if sys.stdout.isatty():
        raise ValueError("the standard output is a terminal: redirect it, or name a file")
    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        path = Path(folder) / f"stdout{suffix}"
        yield path
        with path.open("rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def required(path: Path) -> Path:
    """The path of a file that must exist.

    Raises:
        ValueError: it does not, or is a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    if not path.exists():
        raise ValueError(f"there is no file '{path}'")
    return path
