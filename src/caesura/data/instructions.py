"""What is said about songs: a file of prompts that somebody wrote, a JSON object per line.

    {"file": "blues.00000.wav", "prompt": "..."}    or    {"file": "Artist - Title", "edit_prompt": "..."}

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["Prompts"]

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from caesura.data.music import SUFFIXES

WORDS = ("prompt", "edit_prompt")
ENDINGS = (".stem.mp4", ".au", *SUFFIXES)


@dataclass(frozen=True)
class Prompts:
    """Prompts by song; a song may have several."""

    said: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What was written for each song, by the last part of its path without the ending."""
    digest: str = ""
    """Of the file, to see that it is the same."""

    @classmethod
    def read(cls, path: Path | None) -> Prompts:
        """Prompts of a file; none of no file.

        Raises:
            ValueError: a line is none.
        """
        if path is None:
            return cls()
        text = path.read_text(encoding="utf-8")
        said: dict[str, tuple[str, ...]] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                name, prompt = _parsed(path, number, line)
                said[name] = (*said.get(name, ()), prompt)
        return cls(said, hashlib.sha256(text.encode()).hexdigest()[:16])

    def choose(self, song: str, otherwise: str, rng: np.random.Generator) -> str:
        """One prompt of a song, or another where it has none."""
        written = self.said.get(_name(song), (otherwise,))
        return written[int(rng.integers(len(written)))]

    def __contains__(self, song: str) -> bool:
        """Whether something was written for a song."""
        return _name(song) in self.said


def _parsed(path: Path, number: int, line: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} of '{path}' is no JSON: {error.msg}") from None
    prompt = next((row[name] for name in WORDS if name in row), None) if isinstance(row, dict) else None
    if not isinstance(prompt, str) or not isinstance(row.get("file"), str):
        raise ValueError(f'line {number} of \'{path}\' is not {{"file": "...", "prompt": "..."}}: {line[:60]}')
    return _name(row["file"]), prompt


def _name(song: str) -> str:
    """The last part of a path, without the ending of a sound file."""
    last = song.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1].lower()
    return next((last.removesuffix(end) for end in ENDINGS if last.endswith(end)), last)
