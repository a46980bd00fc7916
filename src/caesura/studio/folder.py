"""Recordings of a folder that the studio was started with; a client sees names and opaque ids, never a path."""

from __future__ import annotations

__all__ = ["Folder", "Found"]

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset({
    ".wav", ".wave", ".bwf", ".rf64", ".w64", ".aiff", ".aif", ".aifc", ".flac", ".ogg", ".oga", ".opus", ".mp3",
    ".m4a", ".aac", ".mp4", ".webm", ".mkv", ".caf", ".au",
})  # fmt: skip
MOST = 5000  # files that are listed
DEEPEST = 6  # subfolders that are looked into


@dataclass(frozen=True)
class Found:
    """A file."""

    id: str
    path: Path
    name: str
    """With its subfolders."""
    bytes: int
    modified: float


class Folder:
    """The files with the suffix of a sound in a folder and its subfolders; links are not followed."""

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root is not None else None
        self._key = secrets.token_bytes(32)

    def list(self) -> list[Found]:
        """What there is, in order of names."""
        if self._root is None:
            return []
        return sorted(self._found(self._root), key=lambda each: each.name.lower())

    def get(self, key: str) -> Found | None:
        """The file of an id."""
        return next((each for each in self.list() if hmac.compare_digest(each.id, key)), None)

    def _found(self, root: Path) -> Iterator[Found]:
        count = 0
        for folder, subfolders, files in os.walk(root):
            here = Path(folder)
            subfolders[:] = [s for s in subfolders if not s.startswith(".")]
            if len(here.relative_to(root).parts) >= DEEPEST:
                subfolders.clear()
            for name in files:
                path = here / name
                if path.suffix.lower() not in SUFFIXES or path.is_symlink() or not path.is_file():
                    continue
                count += 1
                if count > MOST:
                    return
                facts = path.stat()
                shown = path.relative_to(root).as_posix()
                yield Found(
                    self._id(shown), path, os.fsencode(shown).decode("utf-8", "replace"), facts.st_size, facts.st_mtime
                )

    def _id(self, shown: str) -> str:
        return hmac.new(self._key, os.fsencode(shown), hashlib.sha256).hexdigest()[:24]
