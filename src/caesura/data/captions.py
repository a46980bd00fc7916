"""Sounds with captions: phrases rendered by us, and many ways of saying in words what is heard.

    caption = words of (instrument, register, tempo, figure, mood, effect), some left out, in one of several orders

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["CAPTIONS", "Clip", "caption", "clips", "prepare"]

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from caesura.atomic import replacing
from caesura.audio import Audio, write
from caesura.data.phrases import Phrase, draw_phrase, render_phrases
from caesura.data.render import find_fluidsynth, find_soundfonts

Split = Literal["train", "valid", "test"]

CAPTIONS = "captions.jsonl"
BATCH = 20  # phrases that one process plays; one in BATCH is measured on, two are of held-out instruments
KEPT = {"family": 0.95, "register": 0.6, "tempo": 0.6, "figure": 0.65, "mood": 0.35, "effect": 0.45}  # probabilities

# What a family is called; an article is put before those that can have one.
NAMES = {
    "piano": ("piano", "piano", "keyboard"),
    "bells": ("bells", "bells", "mallets", "chimes"),
    "organ": ("organ", "organ", "pipe organ", "church organ"),
    "guitar": ("guitar", "guitar", "guitars"),
    "bass": ("bass", "bass", "bass guitar"),
    "strings": ("strings", "strings", "bowed strings", "string section"),
    "choir": ("choir", "choir", "voices", "singers"),
    "brass": ("brass", "brass", "horns"),
    "reed": ("reed", "woodwind", "saxophone", "clarinet"),
    "flute": ("flute", "flute", "flutes", "pipe"),
    "synth": ("synth", "synthesizer", "synth lead", "electronic lead"),
}
# What single instruments of a family are called, where that says more.
INSTRUMENTS = {
    2: ("electric grand piano",), 3: ("honky tonk piano",), 8: ("celesta",), 9: ("glockenspiel",), 10: ("music box",),
    11: ("vibraphone",), 12: ("marimba",), 14: ("tubular bells",), 16: ("drawbar organ",), 18: ("rock organ",),
    19: ("church organ", "pipe organ"), 20: ("reed organ", "harmonium"), 24: ("nylon guitar", "acoustic guitar"),
    26: ("jazz guitar",), 27: ("electric guitar",), 29: ("overdriven guitar",), 30: ("distorted guitar",),
    32: ("acoustic bass", "double bass"), 33: ("electric bass",), 34: ("electric bass",), 36: ("slap bass",),
    38: ("synth bass",), 40: ("violin",), 41: ("viola",), 42: ("cello",), 44: ("tremolo strings",),
    48: ("string ensemble", "orchestra strings"), 50: ("synth strings",), 52: ("choir aahs",), 54: ("synth voice",),
    56: ("trumpet",), 58: ("tuba",), 60: ("french horn", "horn"), 61: ("brass section",), 64: ("soprano saxophone",),
    65: ("alto saxophone", "saxophone"), 67: ("baritone saxophone",), 68: ("oboe",), 70: ("bassoon",),
    71: ("clarinet",), 72: ("piccolo",), 73: ("flute",), 75: ("pan flute",), 79: ("ocarina",),
    80: ("square lead",), 81: ("saw lead",), 84: ("charang lead",),
}  # fmt: skip
WORDS = {
    "low": ("low", "low", "deep", "low pitched"),
    "mid": ("mid", "middle", "medium pitched"),
    "high": ("high", "high", "high pitched"),
    "slow": ("slow", "slow", "calm", "gentle", "slowly played"),
    "fast": ("fast", "fast", "quick", "rapid", "lively"),
    "major": ("major", "happy", "bright", "cheerful"),
    "minor": ("minor", "sad", "dark", "melancholic"),
    "arpeggio": ("arpeggio", "arpeggio", "broken chords", "arpeggios"),
    "melody": ("melody", "melody", "tune", "line"),
    "chords": ("chords", "chords", "block chords", "harmonies"),
    "sustained": ("sustained notes", "long notes", "pad", "drone", "sustained chord"),
    "repeated": ("repeated notes", "repeated note", "pulse", "pulsing notes"),
    "dry": ("dry", "close", "without reverb"),
    "reverb": ("with reverb", "in a large hall", "in a cathedral", "reverberant", "with a lot of reverb"),
    "echo": ("with echo", "with delay", "echoing", "with echoes"),
}


@dataclass(frozen=True)
class Clip:
    """A sound file and what is heard on it."""

    path: Path
    split: Split
    phrase: Phrase


def caption(phrase: Phrase, rng: np.random.Generator) -> str:
    """One way of saying what is heard; another call says it in other words.

    Args:
        phrase: what is heard.
        rng: source of the words, of what is left out and of the order.
    """
    said = {name: rng.random() < share for name, share in KEPT.items()}
    if not (said["family"] or said["figure"]):
        said["family"] = True
    words = {
        name: _one(WORDS[getattr(phrase, name)], rng) if said[name] else ""
        for name in ("register", "tempo", "mood", "figure", "effect")
    }
    named = _one(NAMES[phrase.family], rng)
    if phrase.program in INSTRUMENTS and rng.random() < 0.5:
        named = _one(INSTRUMENTS[phrase.program], rng)
    name = named if said["family"] else ""
    before = [words[k] for k in rng.permutation(["register", "tempo", "mood"])]
    figure, effect = words["figure"], words["effect"]
    order = int(rng.integers(4))
    if order == 0:  # slow low piano arpeggio with reverb
        parts = [*before, name, figure, effect]
    elif order == 1 and name and figure:  # a slow low arpeggio on a piano with reverb
        by = _one(("on a", "on the", "played on a", "of", "played by a"), rng)
        parts = [_article(figure), *before, figure, by, name, effect]
    elif order == 2:  # piano, slow, low, arpeggio
        parts = [part + "," for part in (name, *before, figure, effect) if part]
    else:  # a slow low piano playing arpeggio
        parts = [_article(name), *before, name, "playing" if name and figure else "", figure, effect]
    return " ".join(part for part in parts if part).rstrip(",")


def clips(folder: Path, splits: Sequence[Split] = ("train",)) -> tuple[Clip, ...]:
    """The clips of a folder that `prepare` made.

    Raises:
        ValueError: there are none.
    """
    index = folder / CAPTIONS
    rows = [json.loads(line) for line in _lines(index)]
    found = [
        Clip(folder / row["file"], row["split"], Phrase(**row["phrase"])) for row in rows if row["split"] in splits
    ]
    if not found:
        raise ValueError(f"there are no clips of split {', '.join(splits)} in '{index}': `caesura prepare captions`")
    return tuple(found)


def prepare(
    out: Path,
    *,
    count: int = 3000,
    sample_rate: int = 16_000,
    seed: int = 0,
    soundfonts: Sequence[Path] = (),
    progress: Callable[[float], None] = lambda fraction: None,
) -> int:
    """Fill a folder with clips and their captions; continues where it was stopped.

    Clip i is a function of (seed, i) alone. One in twenty is kept for measuring, two in twenty are of instruments that
    no other clip has.

    Args:
        out: the folder, made if need be.
        count: clips in all.
        sample_rate: hertz.
        seed: of what is played.
        soundfonts: the first is played; those of Debian's packages by default.
        progress: called with the fraction done.

    Returns:
        Number of clips that sound.

    Raises:
        ValueError: FluidSynth or a sound font is missing.
    """
    find_fluidsynth()
    font = find_soundfonts(soundfonts)[0]
    out.mkdir(parents=True, exist_ok=True)
    whole = _lines(out / CAPTIONS)
    with replacing(out / CAPTIONS, force=True) as partial:
        partial.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
    there = {json.loads(line)["file"] for line in whole}
    for first in range(0, count, BATCH):
        numbers = [n for n in range(first, min(first + BATCH, count)) if _file(n) not in there]
        drawn = [_drawn(seed, n) for n in numbers]
        sounds = render_phrases([phrase for phrase, _ in drawn], font, sample_rate) if drawn else []
        for n, (phrase, words), x in zip(numbers, drawn, sounds, strict=True):
            if not x.any():
                continue
            write(out / _file(n), Audio(x[None], sample_rate), subtype="PCM_16", force=True)
            row = {"file": _file(n), "split": _split(n), "caption": words, "phrase": dataclasses.asdict(phrase)}
            with (out / CAPTIONS).open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")
        progress(min((first + BATCH) / count, 1.0))
    return len(_lines(out / CAPTIONS))


def _one(choices: Sequence[str], rng: np.random.Generator) -> str:
    return choices[int(rng.integers(len(choices)))]


def _article(name: str) -> str:
    """Plurals have none."""
    return "" if name.endswith("s") else "a"


def _drawn(seed: int, number: int) -> tuple[Phrase, str]:
    rng = np.random.default_rng((seed, number))
    phrase = draw_phrase(rng, held_out=_split(number) == "test")
    return phrase, caption(phrase, rng)


def _split(number: int) -> Split:
    place = number % BATCH
    return "valid" if place == 0 else "test" if place < 3 else "train"


def _file(number: int) -> str:
    return f"clip_{number:06d}.flac"


def _lines(index: Path) -> list[str]:
    """Finished lines of the index; a crash may leave half a line at the end."""
    lines = index.read_text(encoding="utf-8").splitlines() if index.exists() else []
    return [line for line in lines if line.endswith("}")]
