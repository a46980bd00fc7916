"""Short phrases of one instrument, composed from a few words of description and played with FluidSynth.

    x = effect(FluidSynth(notes(figure, register, tempo, mood), program)),   all of it a function of the phrase alone

References:
    FluidSynth, a software synthesiser for sound fonts, https://www.fluidsynth.org (called as a program).
"""

from __future__ import annotations

__all__ = [
    "EFFECTS", "FAMILIES", "FIGURES", "HELD_OUT", "MOODS", "PROGRESSIONS", "REGISTERS", "SECONDS", "TEMPOS", "Ground",
    "Part", "Phrase", "Played", "draw_phrase", "finished", "notes", "render_parts", "render_phrases", "score",
]  # fmt: skip

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from caesura.audio import read, resample
from caesura.data.effects import EFFECTS, wet
from caesura.data.render import SYNTHESIS_RATE, find_fluidsynth
from caesura.data.scores import DEFAULT_TEMPO, NOTE_OFF, NOTE_ON, PROGRAM, Event, Score, write_score

Array = NDArray[np.float64]
T = TypeVar("T")

SECONDS = 8.0  # of a phrase
TAIL = 3.0  # seconds of silence between two of them
TICKS = 480  # per quarter
SECOND = TICKS * 1e6 / DEFAULT_TEMPO  # ticks
PATIENCE = 600  # seconds of work that one call may take
PEAK = 0.7  # full scale 1
QUIETEST = 1e-3  # peak of a phrase that sounds

# General MIDI programs, from 0, by how they sound.
FAMILIES = {
    "piano": (0, 1, 2, 3),
    "bells": (8, 9, 10, 11, 12, 13, 14),
    "organ": (16, 17, 18, 19, 20),
    "guitar": (24, 25, 26, 27, 29, 30),
    "bass": (32, 33, 34, 35, 36, 38),
    "strings": (40, 41, 42, 44, 48, 49, 50),
    "choir": (52, 53, 54),
    "brass": (56, 57, 58, 60, 61),
    "reed": (64, 65, 66, 67, 68, 70, 71),
    "flute": (72, 73, 74, 75, 79),
    "synth": (80, 81, 84, 87),
}
# One instrument of each family that nothing is trained on.
HELD_OUT = (1, 13, 17, 25, 35, 49, 53, 57, 66, 74, 87)
REGISTERS = {"low": (36, 50), "mid": (55, 69), "high": (74, 88)}  # MIDI numbers that a phrase is centred on
RANGES = {"bass": ("low",), "flute": ("mid", "high"), "bells": ("mid", "high")}  # families that do not play everywhere
TEMPOS = {"slow": (0.75, 1.3), "fast": (0.11, 0.2)}  # seconds from note to note
FIGURES = ("arpeggio", "melody", "chords", "sustained", "repeated")
MOODS = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}  # semitones above the root
PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4), (0, 5, 1, 4))  # degrees that harmonies stand on


@dataclass(frozen=True)
class Phrase:
    """What is played, and all that is needed to play it again."""

    family: str
    """One of `FAMILIES`."""
    program: int
    """General MIDI program, from 0."""
    register: str
    """One of `REGISTERS`."""
    tempo: str
    """One of `TEMPOS`; a sustained phrase is slow."""
    mood: str
    """One of `MOODS`."""
    figure: str
    """One of `FIGURES`."""
    effect: str
    """One of `EFFECTS`."""
    root: int
    """MIDI number that the scale stands on."""
    seed: int
    """Of the notes and the effect."""


@dataclass(frozen=True)
class Ground:
    """What phrases that are played together share, besides key and mood."""

    slow: float
    """Seconds from note to note of what is slow."""
    division: int
    """Notes of what is fast in that time."""
    harmonies: tuple[int, ...]
    """Degrees that the harmonies stand on, over and over."""
    lasting: int
    """Slow notes that a harmony lasts."""


class Played(NamedTuple):
    """A note."""

    begin: float
    """Seconds."""
    length: float
    """Seconds."""
    pitch: int
    """MIDI number."""
    velocity: int


class Part(NamedTuple):
    """What one instrument plays."""

    program: int
    """General MIDI program, from 0."""
    notes: Sequence[Played]
    channel: int = 0


def draw_phrase(rng: np.random.Generator, *, held_out: bool = False) -> Phrase:
    """Draw a phrase.

    Args:
        rng: source of everything.
        held_out: of an instrument that is never trained on, or of one that is.
    """
    family = _one(tuple(FAMILIES), rng)
    program = _one([p for p in FAMILIES[family] if (p in HELD_OUT) == held_out], rng)
    register = _one(RANGES.get(family, tuple(REGISTERS)), rng)
    figure = _one(FIGURES, rng)
    tempo = "slow" if figure == "sustained" else _one(tuple(TEMPOS), rng)
    low, high = REGISTERS[register]
    return Phrase(
        family, program, register, tempo, _one(tuple(MOODS), rng), figure, _one(EFFECTS, rng),
        int(rng.integers(low, high - 6)), int(rng.integers(2**31)),
    )  # fmt: skip


def render_phrases(phrases: Sequence[Phrase], font: Path, sample_rate: int) -> list[Array]:
    """Play phrases, one after the other by one process.

    Args:
        phrases: what to play.
        font: sound font.
        sample_rate: hertz.

    Returns:
        (samples,) of each, `SECONDS` long; zeros where an instrument has no such notes.

    Raises:
        ValueError: FluidSynth is missing or fails.
    """
    raw = render_parts([Part(phrase.program, notes(phrase)) for phrase in phrases], font, sample_rate)
    return [finished(x, phrase, sample_rate) for x, phrase in zip(raw, phrases, strict=True)]


def render_parts(parts: Sequence[Part], font: Path, sample_rate: int) -> list[Array]:
    """Play parts, one after the other by one process, each by itself and without effects.

    Args:
        parts: what to play.
        font: sound font.
        sample_rate: hertz.

    Returns:
        (samples,) of each, `SECONDS` long, at the level of the synthesiser.
    """
    x = _synthesised(score(parts), font)
    length = round(SECONDS * SYNTHESIS_RATE)
    found = []
    for k in range(len(parts)):
        first = round(k * (SECONDS + TAIL) * SYNTHESIS_RATE)
        one = x[first : first + length]
        one = np.pad(one, (0, length - one.size))
        found.append(resample(one[None], SYNTHESIS_RATE, sample_rate)[0])
    return found


def score(parts: Sequence[Part]) -> Score:
    """Parts as a score, one after the other."""
    events: list[Event] = []
    for k, part in enumerate(parts):
        at = k * (SECONDS + TAIL)
        events.append(Event(round(at * SECOND), bytes([PROGRAM | part.channel, part.program])))
        for note in part.notes:
            begin, end = at + note.begin, at + note.begin + note.length
            events.append(Event(round(begin * SECOND), bytes([NOTE_ON | part.channel, note.pitch, note.velocity])))
            events.append(Event(round(end * SECOND), bytes([NOTE_OFF | part.channel, note.pitch, 0])))
    # where a note ends as the next one of its pitch begins, the end comes first
    return Score(TICKS, tuple(sorted(events, key=lambda event: (event.tick, event.sounds))))


def _one(choices: Sequence[T], rng: np.random.Generator) -> T:
    return choices[int(rng.integers(len(choices)))]


def notes(phrase: Phrase, ground: Ground | None = None) -> list[Played]:
    """Notes from 0 s to the end of the phrase.

    Args:
        phrase: what is played.
        ground: what it shares with others; None: it is played alone, at a speed and over harmonies of its own.
    """
    rng = np.random.default_rng(phrase.seed)
    step = float(rng.uniform(*TEMPOS[phrase.tempo]))
    loud = float(rng.uniform(70, 105))
    if phrase.figure == "sustained":
        step = float(rng.uniform(2.5, 4.5))
    elif phrase.figure == "chords":
        step *= 2.0
    per_harmony = 1 if phrase.figure in ("sustained", "chords") else int(_one((4, 8), rng))
    harmonies = _one(PROGRESSIONS, rng)
    voices = int(rng.integers(1, 4)) if phrase.figure == "sustained" else 3
    held = float(rng.uniform(0.7, 1.0))
    shape, degree = int(rng.integers(4)), int(rng.integers(5))
    step = step if ground is None else _on_grid(phrase, ground)
    found: list[Played] = []
    for n in range(int(np.ceil(SECONDS / step))):
        chord = harmonies[n // per_harmony % 4] if ground is None else _harmony(ground, n * step)
        if phrase.figure == "arpeggio":
            degrees = [_arpeggio(chord, n % per_harmony, shape)]
        elif phrase.figure == "melody":
            degree = int(np.clip(degree + rng.choice((-2, -1, -1, 1, 1, 2)), -2, 8))
            if ground is not None and n % 2 == 0:  # every other note belongs to the harmony
                degree = _nearest(degree, chord % 5)
            degrees = [degree]
        elif phrase.figure == "repeated":
            degrees = [chord % 5]
        else:
            degrees = [chord % 5 + 2 * k for k in range(voices)]
        velocity = int(np.clip(loud + 6 * rng.standard_normal(), 30, 120))
        for each in degrees:
            found.append(Played(n * step, held * step, _pitch(phrase, each), velocity))
    return found


def _on_grid(phrase: Phrase, ground: Ground) -> float:
    """Seconds from note to note."""
    if phrase.figure == "sustained":
        return ground.slow * ground.lasting
    step = ground.slow if phrase.tempo == "slow" else ground.slow / ground.division
    return 2.0 * step if phrase.figure == "chords" else step


def _harmony(ground: Ground, time: float) -> int:
    """Degree that the harmony at a time, in seconds, stands on; a note that begins with it belongs to it."""
    return ground.harmonies[int(time / (ground.slow * ground.lasting) + 1e-6) % len(ground.harmonies)]


def _nearest(degree: int, chord: int) -> int:
    """The degree of a triad that is nearest to a degree."""
    return min((d for d in range(-2, 9) if (d - chord) % 7 in (0, 2, 4)), key=lambda d: abs(d - degree))


def _arpeggio(chord: int, n: int, shape: int) -> int:
    """Degree of the n-th note of a broken chord: upwards, downwards, up and down, or a figured bass."""
    order = ((0, 2, 4, 7), (7, 4, 2, 0), (0, 2, 4, 7, 4, 2), (0, 4, 2, 4))[shape]
    return chord % 5 + order[n % len(order)]


def _pitch(phrase: Phrase, degree: int) -> int:
    scale = MOODS[phrase.mood]
    return min(max(phrase.root + 12 * (degree // 7) + scale[degree % 7], 21), 108)


def _synthesised(score: Score, font: Path) -> Array:
    """What FluidSynth plays, without a room (samples,)."""
    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        midi, wav = Path(folder) / "phrases.mid", Path(folder) / "phrases.wav"
        write_score(midi, score)
        options = ["-o", "synth.reverb.active=0", "-o", "synth.chorus.active=0", "-T", "wav", "-O", "float"]
        command = [find_fluidsynth(), "-niq", "-r", str(SYNTHESIS_RATE), "-g", "0.3", *options]
        done = subprocess.run(
            [*command, "-F", str(wav), str(font), str(midi)],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode or not wav.is_file():
            raise ValueError(f"fluidsynth could not play the phrases: {' '.join(done.stderr.split())[-200:]}")
        return np.asarray(read(wav).samples.mean(axis=0))


def finished(x: Array, phrase: Phrase, sample_rate: int) -> Array:
    """What the synthesiser played (samples,), with the phrase's effect and at full level; zeros where it is silent."""
    if np.abs(x).max() < QUIETEST:
        return np.zeros_like(x)
    heard = wet(x, phrase.effect, sample_rate, np.random.default_rng((phrase.seed, 1)))
    return np.asarray(heard * (PEAK / np.abs(heard).max()))
