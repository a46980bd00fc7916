"""GTZAN as pairs of accompaniment and song: separated, cut, transposed, and filtered by how much is sung.

    kept where ||vocals|| > 0.1 ||accompaniment||,   in twelve keys from five semitones down to six up

References:
    G. Tzanetakis, P. Cook, "Musical genre classification of audio signals", IEEE Trans. Speech and Audio Processing 10,
        2002.
    Z. Shah and co-authors, Riff-CNET and Riff-P2P (zachary-shah/riff-cnet, zachary-shah/riff-pix2pix), 2023.
"""

from __future__ import annotations

__all__ = ["Gtzan"]

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.data.datasets import Example, Rejected, Song, draw, read_mono, split_songs
from caesura.data.instructions import Prompts
from caesura.data.music import SUFFIXES
from caesura.data.segments import excerpt, power, spread
from caesura.data.separation import Demucs, Separator, vocals_and_rest

Array = NDArray[np.float64]

FOLDERS = ("genres", "genres_original", "Data/genres_original", ".")  # that hold the folders of the genres
ENDINGS = (".au", *SUFFIXES)
KEYS = tuple(range(-5, 7))
PREFIX = "Given background audio: "
REST = ("accompaniment", "no_vocals")  # what Spleeter and Demucs call it


@dataclass(frozen=True)
class Gtzan:
    """Thirty seconds of a thousand songs, one folder per genre."""

    source: Path
    """The folder that holds `genres/blues/blues.00000.wav`, or the genres themselves."""
    prompts: Path | None = None
    """What was written about the songs; see `Prompts`."""
    listed: bool = False
    """Take only the songs that have a prompt."""
    separator: Separator = field(default_factory=Demucs)
    """What takes a song apart."""
    stems: Path | None = None
    """Folder of songs that are taken apart already: `SONG/vocals.wav` and `SONG/accompaniment.wav`."""
    segments: int = 6
    """Stretches per song, evenly spread."""
    keys: tuple[int, ...] = KEYS
    """Semitones that each is transposed by."""
    ratio: float = 0.1
    """Least level of the vocals, in levels of the accompaniment."""
    prefixed: float = 0.1
    """Share of the prompts that say that a background is given."""
    holdout: float = 0.1
    """Share of the songs that are not trained on."""
    seed: int = 0
    """Of what is drawn."""

    def __post_init__(self) -> None:
        if self.segments < 1 or not 0.0 <= self.ratio < np.inf or not 0.0 <= self.prefixed <= 1.0:
            raise ValueError(
                f"segments={self.segments}, ratio={self.ratio}, prefixed={self.prefixed}: "
                "1 or more, 0 or more, and from 0 to 1"
            )

    def songs(self) -> tuple[Song, ...]:
        """See `Dataset`."""
        if self.stems is None and isinstance(self.separator, Demucs):
            self.separator.check()
        for name in FOLDERS:
            paths = sorted((self.source / name).glob("*/*"))
            found = {_song(path): path for path in paths if path.suffix.lower() in ENDINGS and path.name[0] != "."}
            if found:
                break
        else:
            raise ValueError(f"there is no genres/blues/blues.00000.wav or the like in '{self.source}'")
        wanted = {name: path for name, path in found.items() if not self.listed or name in self._prompts}
        if not wanted:
            raise ValueError(f"none of the {len(found)} songs of '{self.source}' has a prompt in '{self.prompts}'")
        return split_songs(wanted, {}, self.holdout, self.seed)

    def examples(self, song: Song, sample_rate: int, length: int) -> Iterator[Example]:
        """See `Dataset`."""
        rows = self._rows(song, sample_rate)
        starts = spread(rows.shape[1], length, self.segments)
        if not starts:
            raise Rejected(f"it is shorter than a picture's {length / sample_rate:.2f} s")
        for frame, start in enumerate(starts):
            rest, vocals = rows[:, start : start + length]
            # heard before it is transposed, so that a stretch is kept in all keys or in none
            if power(vocals) <= self.ratio**2 * power(rest):
                continue
            for key in self.keys:
                source, part = excerpt(rows, start, length, key, sample_rate)
                words = self._words(song.name, frame, key)
                yield Example(frame, key, 0, source, part, words, ("vocals",), ("accompaniment",))

    def settings(self) -> dict[str, Any]:
        """See `Dataset`."""
        return {
            "dataset": "gtzan", "prompts": self._prompts.digest, "listed": self.listed, "segments": self.segments,
            "keys": list(self.keys), "ratio": self.ratio, "prefixed": self.prefixed, "holdout": self.holdout,
            "seed": self.seed, "stems": "given" if self.stems else getattr(self.separator, "model", "own"),
        }  # fmt: skip

    def _rows(self, song: Song, sample_rate: int) -> Array:
        """Accompaniment and vocals (2, samples)."""
        if self.stems is None:
            vocals, rest = vocals_and_rest(self.separator, read_mono(song.path, sample_rate)[None], sample_rate)
            return np.concatenate((rest, vocals))
        folder = _separated(self.stems, song.name)
        vocals = read_mono(_one(folder, ("vocals",)), sample_rate)
        rest = read_mono(_one(folder, REST), sample_rate)
        if abs(vocals.size - rest.size) > sample_rate // 10:
            raise ValueError(f"the stems in '{folder}' differ in length: {vocals.size} and {rest.size} samples")
        samples = min(vocals.size, rest.size)
        return np.stack((rest[:samples], vocals[:samples]))

    def _words(self, song: str, frame: int, key: int) -> str:
        rng = draw(song, self.seed, frame, key)
        said = self._prompts.choose(song, f"Generate a sung {song.split('/')[0]} melody.", rng)
        return f"{PREFIX}{said}" if rng.random() < self.prefixed else said

    @cached_property
    def _prompts(self) -> Prompts:
        return Prompts.read(self.prompts)


def _song(path: Path) -> str:
    return f"{path.parent.name}/{path.name.removesuffix(path.suffix)}"


def _separated(stems: Path, song: str) -> Path:
    for folder in (stems / song, stems / song.split("/")[-1]):
        if folder.is_dir():
            return folder
    raise ValueError(f"there is no folder '{song}' or '{song.split('/')[-1]}' with separated stems in '{stems}'")


def _one(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        for ending in ENDINGS:
            if (folder / f"{name}{ending}").is_file():
                return folder / f"{name}{ending}"
    raise ValueError(f"there is no {' or '.join(names)} in '{folder}'")
