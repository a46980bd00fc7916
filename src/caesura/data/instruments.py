"""What a listener calls the stems of a synthesised song, from what its metadata says.

    Acoustic Grand Piano -> Grand Piano,   Electric Guitar (jazz) -> Electric Guitar,   Lead 2 (sawtooth) -> Synth Lead

References:
    E. Manilow, G. Wichern, P. Seetharaman, J. Le Roux, "Cutting music source separation some Slakh: a dataset to study
        the impact of training data quality and quantity", IEEE WASPAA 2019.
"""

from __future__ import annotations

__all__ = ["BACKGROUND", "MODES", "Instrument", "instrument", "spoken"]

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BACKGROUND = ("Drums", "Piano", "Bass")  # classes that a melody is played over
MELODIES = (
    "Grand Piano", "Vibraphone", "Electric Guitar", "Distortion Guitar", "Acoustic Guitar", "Violin", "Cello", "Viola",
    "Trumpet", "Trombone", "French Horn", "Soprano Sax", "Alto Sax", "Tenor Sax", "Oboe", "Clarinet", "English Horn",
    "Piccolo", "Flute", "Recorder",
)  # fmt: skip
NARROW = (
    "Grand Piano", "Bright Piano", "Electric Grand Piano", "Honky-Tonk Piano", "Electric Piano", "Vibraphone",
    "Clavinet", "Soprano Sax", "Alto Sax", "Tenor Sax", "Baritone Sax", "Flute", "Harmonica",
)  # fmt: skip
MODES: dict[int, tuple[str, ...] | None] = {0: None, 1: MELODIES, 2: NARROW}  # that may be added; None: all
GROUPS = {"lead": "Synth Lead", "pad": "Synth Pad", "fx": "Synth Effects"}  # whose programs are numbered
SINGULAR = ("bass",)  # ends like a plural
VOWELS = "aeiou"


@dataclass(frozen=True)
class Instrument:
    """A stem's name and its class."""

    name: str
    """What a listener calls it."""
    family: str
    """The class the dataset puts it in."""

    @property
    def behind(self) -> bool:
        """Whether it belongs to what a melody is played over."""
        return self.family in BACKGROUND


def instrument(facts: Mapping[str, Any]) -> Instrument:
    """The instrument of an entry of `stems` in metadata.yaml.

    Args:
        facts: with `inst_class`, `midi_program_name` and `is_drum`, any of which may be missing.

    Raises:
        ValueError: all are missing.
    """
    family = re.sub(r"\s*\(continued\)", "", str(facts.get("inst_class") or "")).strip()
    if facts.get("is_drum") or family == "Drums":
        return Instrument("Drums", "Drums")
    program = str(facts.get("midi_program_name") or "")
    name = re.sub(r"\s+\d+$", "", re.sub(r"\s*\(.*?\)", "", program).strip())
    name = GROUPS.get(name.lower(), re.sub("^(Acoustic|Bright Acoustic) (Grand )?Piano$", _piano, name))
    name = re.sub("(?<=-)[a-z]", lambda letter: letter[0].upper(), name) or family
    if not name:
        raise ValueError("a stem of metadata.yaml has neither inst_class nor midi_program_name")
    return Instrument(name, family or name)


def spoken(names: Sequence[str], *, article: bool = False) -> str:
    """Instruments as one says them: flute, cello and grand piano.

    Args:
        names: one or more.
        article: with a or an, where one is said.
    """
    words = [_with_article(name) if article else _small(name) for name in names]
    comma = "," if len(words) > 2 else ""
    return f"{', '.join(words[:-1])}{comma} and {words[-1]}" if len(words) > 1 else words[0]


def _piano(found: re.Match[str]) -> str:
    return "Bright Piano" if found[1].startswith("Bright") else "Grand Piano"


def _small(name: str) -> str:
    """French and English stay what they are."""
    return " ".join(word if word in ("French", "English") else word.lower() for word in name.split())


def _with_article(name: str) -> str:
    small = _small(name)
    if small.endswith("s") and not small.endswith(SINGULAR):
        return small
    return f"{'an' if small[0].lower() in VOWELS else 'a'} {small}"
