"""What pairs are made from: songs of a dataset, and the examples in each.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["Dataset", "Example", "Rejected", "Song", "draw", "read_mono", "split_folders", "split_songs"]

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.audio import read, resample
from caesura.data.pairs import Split, split_of

Array = NDArray[np.float64]


class Rejected(Exception):
    """A song that has nothing to learn from, and why; it is not asked again."""


@dataclass(frozen=True)
class Song:
    """A recording and what it belongs to."""

    name: str
    """Its path below the source, which is its name in the manifest."""
    path: Path
    """A file, or a folder of stems."""
    split: Split
    """Given by the dataset's folders, or drawn."""


@dataclass(frozen=True, eq=False)
class Example:
    """What one pair is drawn from."""

    frame: int
    """Which stretch of the song."""
    key: int
    """Semitones it was transposed by."""
    number: int
    """Which example of this stretch and key."""
    source: Array
    """What is played behind (samples,)."""
    part: Array
    """What is added to it (samples,)."""
    text: str
    """Which part."""
    adds: tuple[str, ...]
    """Its instruments."""
    over: tuple[str, ...]
    """Instruments of the source."""


class Dataset(Protocol):
    """Songs, and what can be learned from each of them."""

    def songs(self) -> tuple[Song, ...]:
        """All there are, sorted by name; ValueError where the folder has another layout or something is missing."""

    def examples(self, song: Song, sample_rate: int, length: int) -> Iterator[Example]:
        """Examples of `length` samples; `Rejected`, or ValueError and OSError where a file cannot be read."""

    def settings(self) -> dict[str, Any]:
        """Everything that the examples depend on besides the recordings, as JSON has it."""


def draw(song: str, *place: object) -> np.random.Generator:
    """Random numbers that belong to a place in a song, whatever else is drawn."""
    words = hashlib.sha256(":".join(map(str, (song, *place))).encode()).digest()
    return np.random.default_rng(int.from_bytes(words))


def split_songs(found: Mapping[str, Path], said: Mapping[str, Split], holdout: float, seed: int) -> tuple[Song, ...]:
    """Songs by name, in the split that is said of them, or that is drawn."""
    return tuple(
        Song(name, path, said.get(name) or split_of(name, holdout, seed)) for name, path in sorted(found.items())
    )


def split_folders(found: Iterable[str], folders: Mapping[str, Split]) -> dict[str, Split]:
    """Which songs lie in folders that say their split."""
    return {name: folders[name.split("/")[0]] for name in found if name.split("/")[0] in folders}


def read_mono(path: Path, sample_rate: int) -> Array:
    """The mean of all channels at another rate (samples,); errors as in `caesura.audio.read`."""
    audio = read(path)
    return np.asarray(resample(audio.samples.mean(axis=0, keepdims=True), audio.sample_rate, sample_rate)[0])
