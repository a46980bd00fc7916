"""Pairs of pictures to learn from: what is played behind, the same with a part added, and words that say which part.

    a line of `manifest.jsonl`:  song, split, frame, key, example, source, target, text, adds, over

A song belongs to one split with everything that is cut from it, so that nothing is measured on what was heard:

    split = test where hash(seed, song) < holdout, else train

References:
    Z. Shah and co-authors, Riff-CNET and Riff-P2P (zachary-shah/riff-cnet, zachary-shah/riff-pix2pix), 2023.
"""

from __future__ import annotations

__all__ = ["MANIFEST", "SPLITS", "Pair", "Split", "manifest_rows", "pairs", "split_of"]

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

Split = Literal["train", "test"]

SPLITS: tuple[Split, ...] = get_args(Split)
MANIFEST = "manifest.jsonl"
FIELDS = {
    "song": str, "split": str, "frame": int, "key": int, "example": int, "source": str, "target": str, "text": str,
    "adds": list, "over": list,
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Two pictures with the same gain, so that what is in both is equally dark in both."""

    source: Path
    """What is played behind."""
    target: Path
    """The same with the part added."""
    text: str
    """Which part."""
    song: str
    """Where both were cut from."""
    frame: int = 0
    """Which stretch of the song."""
    key: int = 0
    """Semitones that both were transposed by."""
    adds: tuple[str, ...] = ()
    """Instruments that the target has and the source has not."""
    over: tuple[str, ...] = ()
    """Instruments of the source."""


def pairs(folder: Path, split: Split = "train") -> tuple[Pair, ...]:
    """Pairs of one split, in the order of the manifest.

    Args:
        folder: what `caesura prepare gtzan|musdb18|slakh2100` made.
        split: "train" or "test".

    Raises:
        ValueError: there is no manifest, a line of it is none, a song stands in both splits, a picture is missing, or
            there is no pair of that split.
    """
    if split not in SPLITS:
        raise ValueError(f"split '{split}' is not one of {', '.join(SPLITS)}")
    rows = manifest_rows(folder)
    _check_songs(folder, rows)
    found = tuple(_pair(folder, row) for row in rows if row["split"] == split)
    if not found:
        raise ValueError(f"'{folder / MANIFEST}' has no pair of split {split}: hold out more songs with --holdout")
    for pair in found:
        for path in (pair.source, pair.target):
            if not path.is_file():
                raise ValueError(f"'{folder / MANIFEST}' names '{path}', which is missing: prepare the folder again")
    return found


def manifest_rows(folder: Path) -> list[dict[str, Any]]:
    """Lines of a manifest, each with all its fields.

    Raises:
        ValueError: there is no manifest or a line of it is none.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise ValueError(f"there is no '{path}': `caesura prepare gtzan`, `musdb18` or `slakh2100` makes one")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_row(path, number, line) for number, line in enumerate(lines, 1)]


def split_of(song: str, holdout: float, seed: int = 0) -> Split:
    """Which split a song belongs to, whatever other songs there are.

    Args:
        song: its name.
        holdout: share of all songs that are not trained on, 0 to 1.
        seed: of the draw.
    """
    drawn = int.from_bytes(hashlib.sha256(f"{seed}:{song}".encode()).digest()[:8]) / 2.0**64
    return "test" if drawn < holdout else "train"


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {number} of '{path}' is no JSON ({error.msg}): prepare the folder again") from None
    for name, kind in FIELDS.items():
        if not isinstance(row, dict) or not isinstance(row.get(name), kind):
            raise ValueError(f"line {number} of '{path}' has no {name} ({kind.__name__}): prepare the folder again")
    if row["split"] not in SPLITS:
        raise ValueError(f"line {number} of '{path}': split '{row['split']}' is not one of {', '.join(SPLITS)}")
    return row  # type: ignore[no-any-return]


def _check_songs(folder: Path, rows: list[dict[str, Any]]) -> None:
    splits: dict[str, str] = {}
    for row in rows:
        if splits.setdefault(row["song"], row["split"]) != row["split"]:
            raise ValueError(f"song '{row['song']}' of '{folder / MANIFEST}' is in both splits: prepare it again")


def _pair(folder: Path, row: dict[str, Any]) -> Pair:
    return Pair(
        folder / row["source"], folder / row["target"], row["text"], row["song"], row["frame"], row["key"],
        tuple(row["adds"]), tuple(row["over"]),
    )  # fmt: skip
