"""Short pieces of several instruments that fit together, rendered by us, in the layout of Slakh2100.

    mix = sum_k g_k stem_k,   all stems in one key, on one grid of time, over one sequence of harmonies

A piece is a folder `TrackNNNNN` with `mix.flac`, `stems/S00.flac`, `MIDI/S00.mid` and a `metadata.yaml` that says which
instrument each stem is; `stems.jsonl` beside them holds the same in full, a line per piece.

References:
    E. Manilow, G. Wichern, P. Seetharaman, J. Le Roux, "Cutting music source separation some Slakh: a dataset to study
        the impact of training data quality and quantity", IEEE WASPAA 2019 (the layout).
"""

from __future__ import annotations

__all__ = ["STEMS", "Piece", "Stem", "draw_piece", "pieces", "prepare"]

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.atomic import replacing
from caesura.audio import Audio, write
from caesura.data.captions import Split, caption
from caesura.data.general_midi import instrument_class, program_name
from caesura.data.phrases import (
    MOODS,
    PROGRESSIONS,
    REGISTERS,
    SECONDS,
    Ground,
    Part,
    Phrase,
    Played,
    draw_phrase,
    finished,
    notes,
    render_parts,
    score,
)  # fmt: skip
from caesura.data.render import find_fluidsynth, find_soundfonts
from caesura.data.scores import DRUMS, write_score

Array = NDArray[np.float64]

STEMS = "stems.jsonl"
BATCH = 4  # pieces that one process plays
TURN = 20  # one piece in so many is kept for measuring, two are of instruments that no other piece has
FEWEST, MOST = 3, 5  # instruments
DRUMMED = 0.3  # share of pieces in which one of them is a drum kit
SLOW = (0.9, 1.2)  # seconds from note to note of what is slow
GAINS = (-6.0, 3.0)  # dB of the root mean square of a stem
PEAK = 0.7  # of the mix, full scale 1
KICK, SNARE, HAT = 36, 38, 42  # keys of a drum kit
STRUCK = 0.1  # seconds


@dataclass(frozen=True)
class Stem:
    """One instrument of a piece."""

    name: str
    """`S00` and so on: that of its files."""
    gain: float
    """dB of its root mean square, those of the others beside it."""
    phrase: Phrase | None
    """What it plays; None is a drum kit."""


@dataclass(frozen=True)
class Piece:
    """What is played together."""

    folder: Path
    split: Split
    ground: Ground
    tonic: int
    """Semitones from C that the scale stands on."""
    mood: str
    """Of all stems."""
    stems: tuple[Stem, ...]

    def path(self, stem: Stem) -> Path:
        """The sound file of a stem."""
        return self.folder / "stems" / f"{stem.name}.flac"


def pieces(folder: Path, splits: Sequence[Split] = ("train",)) -> tuple[Piece, ...]:
    """The pieces of a folder that `prepare` made.

    Raises:
        ValueError: there are none.
    """
    rows = [json.loads(line) for line in _lines(folder / STEMS)]
    found = [_piece(folder, row) for row in rows if row["split"] in splits]
    if not found:
        raise ValueError(f"there are no pieces of split {', '.join(splits)} in '{folder}': `caesura prepare stems`")
    return tuple(found)


def prepare(
    out: Path,
    *,
    count: int = 1000,
    sample_rate: int = 16_000,
    seed: int = 0,
    soundfonts: Sequence[Path] = (),
    progress: Callable[[float], None] = lambda fraction: None,
) -> int:
    """Fill a folder with pieces; continues where it was stopped.

    Piece i is a function of (seed, i) alone. One in twenty is kept for measuring, two in twenty are of instruments that
    no other piece has.

    Args:
        out: the folder, made if need be.
        count: pieces in all.
        sample_rate: hertz.
        seed: of what is played.
        soundfonts: the first is played; those of Debian's packages by default.
        progress: called with the fraction done.

    Returns:
        Number of pieces.

    Raises:
        ValueError: FluidSynth or a sound font is missing.
    """
    find_fluidsynth()
    font = find_soundfonts(soundfonts)[0]
    out.mkdir(parents=True, exist_ok=True)
    whole = _lines(out / STEMS)
    with replacing(out / STEMS, force=True) as partial:
        partial.write_text("".join(f"{line}\n" for line in whole), encoding="utf-8")
    there = {json.loads(line)["folder"] for line in whole}
    for first in range(0, count, BATCH):
        numbers = [n for n in range(first, min(first + BATCH, count)) if _name(n) not in there]
        drawn = [draw_piece(out, n, seed) for n in numbers]
        parts = [_part(piece, stem) for piece in drawn for stem in piece.stems]
        sounds = iter(render_parts(parts, font, sample_rate) if parts else [])
        for piece in drawn:
            _write(piece, [next(sounds) for _ in piece.stems], sample_rate)
            row = dataclasses.asdict(dataclasses.replace(piece, folder=Path()))
            with (out / STEMS).open("a", encoding="utf-8") as file:
                file.write(json.dumps({**row, "folder": piece.folder.name}) + "\n")
        progress(min((first + BATCH) / count, 1.0))
    return len(_lines(out / STEMS))


def draw_piece(out: Path, number: int, seed: int = 0) -> Piece:
    """Draw a piece: the same for the same number and seed.

    Args:
        out: folder that it will lie in.
        number: from 0.
        seed: of what is played.
    """
    rng = np.random.default_rng((seed, number))
    split: Split = "valid" if number % TURN == 0 else "test" if number % TURN < 3 else "train"
    slow, division = float(rng.uniform(*SLOW)), int(rng.choice((6, 8)))
    ground = Ground(slow, division, PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))], int(rng.choice((2, 4))))
    tonic, mood = int(rng.integers(12)), tuple(MOODS)[int(rng.integers(len(MOODS)))]
    wanted, phrases = int(rng.integers(FEWEST, MOST + 1)), dict[str, Phrase]()
    drummed = rng.random() < DRUMMED
    while len(phrases) < wanted - drummed:
        phrase = draw_phrase(rng, held_out=split == "test")
        # one of each family, so that a caption says which one it is of
        phrases.setdefault(phrase.family, dataclasses.replace(phrase, mood=mood, root=_root(phrase, tonic)))
    played = [*phrases.values(), *([None] if drummed else [])]
    stems = [Stem(f"S{k:02d}", round(float(rng.uniform(*GAINS)), 2), each) for k, each in enumerate(played)]
    return Piece(out / _name(number), split, ground, tonic, mood, tuple(stems))


def _piece(folder: Path, row: dict[str, Any]) -> Piece:
    stems = [{**stem, "phrase": stem["phrase"] and Phrase(**stem["phrase"])} for stem in row["stems"]]
    ground = Ground(**{**row["ground"], "harmonies": tuple(row["ground"]["harmonies"])})
    made = tuple(Stem(**stem) for stem in stems)
    return Piece(folder / row["folder"], row["split"], ground, row["tonic"], row["mood"], made)


def _root(phrase: Phrase, tonic: int) -> int:
    """The MIDI number of the tonic that is nearest to where the register's phrases stand."""
    low, high = REGISTERS[phrase.register]
    middle = (low + high - 6) / 2
    return min((n for n in range(128) if n % 12 == tonic), key=lambda n: abs(n - middle))


def _part(piece: Piece, stem: Stem) -> Part:
    if stem.phrase is None:
        return Part(0, _beaten(piece.ground), DRUMS)
    return Part(stem.phrase.program, notes(stem.phrase, piece.ground))


def _beaten(ground: Ground) -> list[Played]:
    """A plain rhythm: two hats to a stroke, of which kick and snare take turns."""
    step = ground.slow / 2
    found = []
    for n in range(math.ceil(SECONDS / step)):
        found.append(Played(n * step, STRUCK, SNARE if n % 2 else KICK, 90))
        found += [Played((n + k / 2) * step, STRUCK, HAT, 60) for k in range(2)]
    return found


def _write(piece: Piece, sounds: Sequence[Array], sample_rate: int) -> None:
    """Sound files, scores and metadata; the mix is the sum of the stems but for the last bit of each."""
    levelled = []
    for stem, x in zip(piece.stems, sounds, strict=True):
        heard = x if stem.phrase is None else finished(x, stem.phrase, sample_rate)
        power = float(np.mean(heard**2))
        levelled.append(heard * (10.0 ** (stem.gain / 20.0) / math.sqrt(power)) if power else heard)
    mix = np.sum(levelled, axis=0)
    gain = PEAK / max(float(np.abs(mix).max()), *(float(np.abs(x).max()) for x in levelled), 1e-9)
    for name in ("stems", "MIDI"):
        (piece.folder / name).mkdir(parents=True, exist_ok=True)
    write(piece.folder / "mix.flac", Audio(gain * mix[None], sample_rate), subtype="PCM_16", force=True)
    for stem, x in zip(piece.stems, levelled, strict=True):
        write(piece.path(stem), Audio(gain * x[None], sample_rate), subtype="PCM_16", force=True)
        write_score(piece.folder / "MIDI" / f"{stem.name}.mid", score([_part(piece, stem)]))
    with replacing(piece.folder / "metadata.yaml", force=True) as partial:
        partial.write_text(_metadata(piece), encoding="utf-8")


def _metadata(piece: Piece) -> str:
    """As Slakh2100 has it; what it does not have is at the end of each stem."""
    lines = ["audio_dir: stems", "midi_dir: MIDI", "normalized: false", f"split: {piece.split}", "stems:"]
    for stem in piece.stems:
        phrase, drums = stem.phrase, stem.phrase is None
        program = 128 if phrase is None else phrase.program
        facts = {
            "audio_rendered": "true", "inst_class": instrument_class(program), "is_drum": str(drums).lower(),
            "midi_program_name": program_name(program), "midi_saved": "true", "plugin_name": "FluidR3_GM",
            "program_num": program,
        }  # fmt: skip
        if phrase is not None:
            facts |= {key: value for key, value in dataclasses.asdict(phrase).items() if key != "program"}
            facts["caption"] = caption(phrase, np.random.default_rng((phrase.seed, 2)))
        lines += [f"  {stem.name}:", *(f"    {key}: {value}" for key, value in facts.items())]
    return "\n".join(lines) + "\n"


def _name(number: int) -> str:
    return f"Track{number:05d}"


def _lines(index: Path) -> list[str]:
    """Finished lines of the index; a crash may leave half a line at the end."""
    lines = index.read_text(encoding="utf-8").splitlines() if index.exists() else []
    return [line for line in lines if line.endswith("}")]
