"""Slakh2100 as pairs of what is played behind and the same with an instrument added.

    melody:    over all of drums, piano, bass that sound, two at least, one other instrument       at most 3 a stretch
    one of:    of more than four that sound, one over all the others                               at most 8
    duet:      of more than five, two over all the others                                          none, as later on

An instrument sounds where its power is above 0.4 of its mean. Songs are kept where most of their first minute has a
tempo between two bounds.

References:
    E. Manilow, G. Wichern, P. Seetharaman, J. Le Roux, "Cutting music source separation some Slakh: a dataset to study
        the impact of training data quality and quantity", IEEE WASPAA 2019.
    Z. Shah and co-authors, Riff-CNET and Riff-P2P (zachary-shah/riff-cnet, zachary-shah/riff-pix2pix), 2023.
"""

from __future__ import annotations

__all__ = ["METADATA", "Slakh2100", "read_stems"]

import importlib.util
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from caesura.data.datasets import Example, Rejected, Song, draw, read_mono, split_folders, split_songs
from caesura.data.instruments import MODES, Instrument, instrument, spoken
from caesura.data.onsets import tempi
from caesura.data.pairs import Split
from caesura.data.segments import consecutive, sounding

Array = NDArray[np.float64]
Wording = Literal["generate", "add"]
Choice = tuple[tuple[Instrument, ...], tuple[Instrument, ...]]  # what is added, over what

METADATA = "metadata.yaml"
ENDINGS = (".flac", ".wav")
# What lies in "omitted" repeats songs of other folders, so it would be heard in training and in testing.
SPLITS: dict[str, Split] = {"train": "train", "validation": "train", "test": "test"}
SAID = re.compile(r"^split: *(train|valid|test) *$", re.MULTILINE)  # what `caesura prepare stems` writes
HEARD = 60.0  # seconds of a song that its tempo is read from
MELODIES, ONES = 3, 8  # examples per stretch
FEWEST_BEHIND, FEWEST_FOR_ONE, FEWEST_FOR_TWO = 2, 5, 6  # instruments that must sound
GIVEN = 0.5  # share of the prompts that name what is played behind
FORMS = ("", " stem", " line", " part")


@dataclass(frozen=True)
class Slakh2100:
    """Two thousand songs synthesised from MIDI, a file per instrument."""

    source: Path
    """The folder that holds `train/Track00001`, or the tracks themselves."""
    wording: Wording = "generate"
    """Of the prompts: generate for Riff-CNET, add for Riff-P2P."""
    mode: int = 1
    """What may be added: 0 everything, 1 instruments that play melodies, 2 fewer of them."""
    duets: int = 0
    """Examples per stretch that add two instruments at once."""
    tempo: tuple[float, float] = (80.0, 120.0)
    """Bounds in beats per minute."""
    steady: float = 0.6
    """Least share of a song's first minute whose tempo lies within; 0 keeps every song."""
    share: float = 0.4
    """Least power of an instrument that sounds, in its mean power where it is not silent."""
    overlap: float = 0.0
    """Of one stretch with the next."""
    holdout: float = 0.01
    """Share of the songs that are not trained on, where they lie in no folder `train`, `validation` or `test`."""
    seed: int = 0
    """Of what is drawn."""

    def __post_init__(self) -> None:
        if self.mode not in MODES or self.wording not in get_args(Wording):
            raise ValueError(
                f"mode={self.mode}, wording='{self.wording}': "
                f"{', '.join(map(str, MODES))}, and {' or '.join(get_args(Wording))}"
            )
        if not 0.0 < self.tempo[0] < self.tempo[1] or not 0.0 <= self.overlap < 1.0 or self.duets < 0:
            raise ValueError(
                f"tempo={self.tempo}, overlap={self.overlap}, duets={self.duets}: "
                "rising bounds above 0, from 0 to below 1, and 0 or more"
            )

    def songs(self) -> tuple[Song, ...]:
        """See `Dataset`."""
        if importlib.util.find_spec("yaml") is None:
            raise ValueError(f"reading {METADATA} needs PyYAML: pip install 'caesura[train]'")
        found = {
            path.parent.relative_to(self.source).as_posix(): path.parent
            for folder in (self.source, *(self.source / name for name in SPLITS))
            for path in folder.glob(f"*/{METADATA}")
        }
        if not found:
            raise ValueError(f"there is no train/Track00001/{METADATA} or Track00001/{METADATA} in '{self.source}'")
        said = _said(found) | split_folders(found, SPLITS)
        return split_songs(found, said, self.holdout, self.seed)

    def examples(self, song: Song, sample_rate: int, length: int) -> Iterator[Example]:
        """See `Dataset`."""
        stems = read_stems(song.path, sample_rate)
        self._check_tempo(_mix(song.path, stems, sample_rate), sample_rate)
        starts = consecutive(next(iter(stems.values())).size, length, self.overlap)
        if not starts:
            raise Rejected(f"it is shorter than a picture's {length / sample_rate:.2f} s")
        heard = {name: sounding(x, starts, length, self.share) for name, x in stems.items()}
        for frame, start in enumerate(starts):
            there = [name for name in stems if heard[name][frame]]
            rng = draw(song.name, self.seed, frame)
            for number, (added, over) in enumerate(self._choices(there, rng)):
                source, part = (_sum([stems[one][start : start + length] for one in group]) for group in (over, added))
                new, old = (tuple(one.name for one in group) for group in (added, over))
                yield Example(frame, 0, number, source, part, self._words(new, old, rng), new, old)

    def settings(self) -> dict[str, Any]:
        """See `Dataset`."""
        return {
            "dataset": "slakh2100", "wording": self.wording, "mode": self.mode, "duets": self.duets,
            "tempo": list(self.tempo), "steady": self.steady, "share": self.share, "overlap": self.overlap,
            "holdout": self.holdout, "seed": self.seed,
        }  # fmt: skip

    def _check_tempo(self, mix: Array, sample_rate: int) -> None:
        low, high = self.tempo
        found = tempi(mix[: round(HEARD * sample_rate)], sample_rate)
        share = float(np.mean((found >= low) & (found <= high)))
        if share < self.steady:
            raise Rejected(f"{share:.0%} of its first minute has a tempo of {low:g} to {high:g} beats per minute")

    def _choices(self, there: Sequence[Instrument], rng: np.random.Generator) -> list[Choice]:
        """What is added over what in a stretch where these sound."""
        allowed = MODES[self.mode]
        may = [one for one in there if allowed is None or one.name in allowed]
        behind = tuple(one for one in there if one.behind)
        melodies = [one for one in may if not one.behind]
        found: list[Choice] = []
        if len(behind) >= FEWEST_BEHIND:
            found += [((one,), behind) for one in _some(melodies, MELODIES, rng)]
        if len(there) >= FEWEST_FOR_ONE:
            found += [((one,), _without(there, one)) for one in _some(may, ONES, rng)]
        if len(there) >= FEWEST_FOR_TWO:
            found += [
                (two, _without(there, *two)) for two in _some(list(itertools.combinations(may, 2)), self.duets, rng)
            ]
        return list(dict.fromkeys(found))

    def _words(self, added: tuple[str, ...], over: tuple[str, ...], rng: np.random.Generator) -> str:
        if self.wording == "add":
            return f"add in {spoken(added, article=True)}"
        if added == ("Drums",):
            said = ("Generate a drum rhythm.", "Generate drums.")[int(rng.integers(2))]
        elif len(added) > 1:
            said = f"Generate {spoken(added)}."
        else:
            said = f"Generate {spoken(added, article=True)}{FORMS[int(rng.integers(len(FORMS)))]}."
        return f"Given {spoken(over)}: {said}" if rng.random() < GIVEN else said


def _said(found: Mapping[str, Path]) -> dict[str, Split]:
    """Which songs say their split in their metadata."""
    lines = {name: SAID.search((path / METADATA).read_text(errors="replace")) for name, path in found.items()}
    return {name: "test" if line[1] == "test" else "train" for name, line in lines.items() if line}


def read_stems(path: Path, sample_rate: int) -> dict[Instrument, NDArray[np.float32]]:
    """What plays, equally long (samples,), in the order of the metadata; stems of one instrument are one."""
    import yaml

    try:
        facts = yaml.safe_load((path / METADATA).read_text(encoding="utf-8"))
        listed = dict(facts["stems"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"'{path / METADATA}' does not list stems: {error}") from None
    stems: dict[Instrument, NDArray[np.float32]] = {}
    for name, said in listed.items():
        file = _sound(path / "stems", str(name))
        if file is None:  # of some MIDI tracks nothing was rendered
            continue
        x, kind = read_mono(file, sample_rate).astype(np.float32), instrument(said)
        stems[kind] = _overlaid(stems[kind], x) if kind in stems else x
    if not stems:
        raise ValueError(f"there is no stem of '{METADATA}' in '{path / 'stems'}'")
    samples = max(x.size for x in stems.values())
    return {kind: np.pad(x, (0, samples - x.size)) for kind, x in stems.items()}


def _overlaid(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    samples = max(a.size, b.size)
    return np.pad(a, (0, samples - a.size)) + np.pad(b, (0, samples - b.size))


def _mix(path: Path, stems: dict[Instrument, NDArray[np.float32]], sample_rate: int) -> Array:
    """The whole song (samples,)."""
    file = _sound(path, "mix")
    if file is not None:
        return read_mono(file, sample_rate)
    return _sum(list(stems.values()))


def _sum(parts: Sequence[NDArray[np.float32]]) -> Array:
    return np.asarray(np.sum(parts, axis=0, dtype=np.float64))


def _sound(folder: Path, name: str) -> Path | None:
    return next((folder / f"{name}{end}" for end in ENDINGS if (folder / f"{name}{end}").is_file()), None)


def _some(choices: Sequence[Any], most: int, rng: np.random.Generator) -> list[Any]:
    """At most so many, in their order."""
    kept = sorted(rng.permutation(len(choices))[:most])
    return [choices[k] for k in kept]


def _without(there: Sequence[Instrument], *added: Instrument) -> tuple[Instrument, ...]:
    return tuple(one for one in there if one not in added)
