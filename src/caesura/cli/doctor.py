"""caesura doctor: what is installed, what could be, and what the machine offers."""

from __future__ import annotations

__all__ = ["doctor"]

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import typer

from caesura.cli.terminal import columns

BASE = ("numpy", "scipy", "soundfile", "soxr", "typer", "rich")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
HIDDEN = ("all", "dev")  # extras that are made of others, or are not for users


def doctor() -> int:
    """Show versions, optional parts, formats, processors and folders."""
    rows = [*_versions(), *_extras(), *_formats(), *_machine(), *_folders()]
    typer.echo(columns(("what", "state"), rows))
    return 0


def _versions() -> Iterator[tuple[str, str]]:
    import platform

    import caesura

    yield "caesura", f"{caesura.__version__} in {Path(caesura.__file__).parent}"
    yield "python", f"{platform.python_version()} ({platform.system()} {platform.machine()}), {sys.executable}"
    for name in BASE:
        yield name, _version(name) or "missing: pip install caesura"


def _extras() -> Iterator[tuple[str, str]]:
    """Each optional part with its packages, as the metadata of the installed package lists them."""
    from importlib.metadata import requires

    packages: dict[str, list[str]] = defaultdict(list)
    for line in requires("caesura") or ():
        match = re.fullmatch(r"([\w.-]+)[^;]*;.*extra\s*==\s*['\"]([\w-]+)['\"].*", line)
        if match and match[1] != "caesura" and match[2] not in HIDDEN:
            packages[match[2]].append(match[1])
    for extra, names in sorted(packages.items()):
        missing = [name for name in names if _version(name) is None]
        have = ", ".join(f"{name} {_version(name)}" for name in names if name not in missing)
        hint = f"missing {', '.join(missing)}: pip install 'caesura[{extra}]'" if missing else ""
        yield f"[{extra}]", "; ".join(filter(None, (have, hint)))


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _formats() -> Iterator[tuple[str, str]]:
    import soundfile

    yield "libsndfile", f"{soundfile.__libsndfile_version__}: {', '.join(sorted(soundfile.available_formats()))}"


def _machine() -> Iterator[tuple[str, str]]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield "processors", f"{os.cpu_count()}, of which {usable} may be used"
    yield "threads", ", ".join(f"{name}={os.environ.get(name, 'not set')}" for name in THREADS)


def _folders() -> Iterator[tuple[str, str]]:
    import tempfile

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caesura"
    for name, folder in (("temporary files", Path(tempfile.gettempdir())), ("cache", cache)):
        nearest = next(path for path in (folder, *folder.parents) if path.exists())
        yield name, f"{folder} ({'writable' if os.access(nearest, os.W_OK) else 'NOT writable'})"
