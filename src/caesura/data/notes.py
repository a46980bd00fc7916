"""Single notes of instruments: read from NSynth folders and tar shards, split by instrument, rendered with FluidSynth.

    examples.json: {key: {pitch, velocity, instrument_str, instrument_family_str, ...}},   audio/KEY.wav
    *.tar:         KEY.json {pitch, velocity, instrument, family, source, ...},            KEY.ogg, .flac or .wav

No instrument is on both sides of a split: a network that knew an instrument would be measured by its memory.

References:
    J. Engel et al., "Neural audio synthesis of musical notes with WaveNet autoencoders", ICML 2017 (NSynth).
"""

from __future__ import annotations

__all__ = [
    "FAMILIES", "LOWEST", "PEAK", "PITCHES", "VELOCITIES", "Note", "held_out", "level_of", "read_note", "read_notes",
    "render_notes",
]  # fmt: skip

import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.atomic import replacing
from caesura.audio import Audio, read, resample, write
from caesura.data.render import SYNTHESIS_RATE, find_fluidsynth, find_soundfonts
from caesura.data.scores import DEFAULT_TEMPO, NOTE_OFF, NOTE_ON, PROGRAM, Event, Score, write_score

FAMILIES = (
    "bass", "brass", "flute", "guitar", "keyboard", "mallet", "organ", "reed", "string", "synth_lead", "vocal",
)  # fmt: skip
LOWEST, PITCHES = 24, 61  # MIDI number of the first pitch that networks are told, and how many there are
VELOCITIES = (25, 50, 75, 100, 127)
SUFFIXES = (".wav", ".flac", ".ogg")
EXAMPLES = "examples.json"
SECONDS, HELD = 4.0, 3.0  # of a note, and how long its key is held
PEAK = 0.891  # -1 dB full scale
QUIETEST = 1e-4  # peak of a note that sounds
PATIENCE = 600  # seconds of work that one instrument may take
TICKS = 480  # per quarter of a second
APART = 5.0  # seconds from note to note, of which one is silence after the end

# General MIDI programs, from 0, by family; what belongs to none is left out.
PROGRAMS = {
    "keyboard": range(8),
    "mallet": range(8, 16),
    "organ": (*range(16, 22), 23),
    "reed": (22, *range(64, 72)),
    "guitar": range(24, 31),
    "bass": range(32, 40),
    "string": (*range(40, 46), *range(48, 52)),
    "vocal": range(52, 55),
    "brass": range(56, 64),
    "flute": range(72, 80),
    "synth_lead": range(80, 88),
}


@dataclass(frozen=True)
class Note:
    """Where a note is, and what it is."""

    key: str
    pitch: int
    """MIDI number."""
    velocity: int
    """1 to 127."""
    family: str
    """One of `FAMILIES`."""
    instrument: str
    """The unit of a split."""
    path: Path
    """A sound file, or a tar that holds it."""
    offset: int = 0
    """First byte in the tar."""
    size: int = 0
    """Bytes in the tar; 0: the path is the sound file itself."""
    split: str = ""
    """The one that the data came with."""

    @property
    def labels(self) -> tuple[int, int, int]:
        """Pitch above `LOWEST`, index of the family, index of the nearest velocity."""
        nearest = min(range(len(VELOCITIES)), key=lambda k: abs(VELOCITIES[k] - self.velocity))
        return self.pitch - LOWEST, FAMILIES.index(self.family), nearest


def read_notes(folder: Path, families: Iterable[str] = FAMILIES) -> tuple[Note, ...]:
    """All notes of a folder, in order of their keys, whose pitch and family networks can be told.

    Args:
        folder: in the layout of NSynth, or with tars, or a folder of such folders.
        families: that are wanted.

    Raises:
        ValueError: there are none, or a family is unknown.
    """
    wanted = set(families)
    if unknown := wanted - set(FAMILIES):
        raise ValueError(f"family {', '.join(sorted(unknown))} is not one of {', '.join(FAMILIES)}")
    found = [note for path in sorted(folder.rglob(EXAMPLES)) for note in _nsynth(path)]
    found += [note for path in sorted(folder.rglob("*.tar")) for note in _shard(path)]
    kept = [note for note in found if note.family in wanted and LOWEST <= note.pitch < LOWEST + PITCHES]
    if not kept:
        raise ValueError(f"there are no notes in '{folder}': it needs {EXAMPLES} with audio/, or tars")
    return tuple(sorted(kept, key=lambda note: note.key))


def read_note(note: Note, sample_rate: int = 16000, seconds: float = SECONDS) -> NDArray[np.float64]:
    """The sound of a note at full level, cut or filled up with zeros (samples,)."""
    if note.size:
        with note.path.open("rb") as file:
            file.seek(note.offset)
            x, rate = _decoded(file.read(note.size))
    else:
        audio = read(note.path)
        x, rate = audio.samples, audio.sample_rate
    x = resample(x.mean(axis=0, keepdims=True), rate, sample_rate)[0, : round(seconds * sample_rate)]
    x = np.pad(x, (0, round(seconds * sample_rate) - x.size))
    return np.asarray(x * (PEAK / max(float(np.abs(x).max()), QUIETEST)))


def level_of(x: NDArray[np.float64]) -> float:
    """What a sound was multiplied by, taken for a note at the level that networks learn notes at; 1 for silence.

    Args:
        x: (channels, samples).
    """
    peak = float(np.abs(x).max())
    return peak / PEAK if peak > QUIETEST else 1.0


def held_out(notes: Sequence[Note], share: float = 0.1, seed: int = 0) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    """Notes to learn from and notes to measure on, which share no instrument.

    The split that the data came with is kept where there is one. Otherwise of each family with several instruments some
    are held out, at least one.

    Args:
        notes: from `read_notes`.
        share: of the instruments of a family that are held out, from 0 to below 1.
        seed: of which.
    """
    if not 0.0 <= share < 1.0:
        raise ValueError(f"share={share} must lie in [0, 1)")
    given = {note.instrument for note in notes if note.split in ("valid", "test")}
    rng = np.random.default_rng(seed)
    away = set(given)
    for family in FAMILIES:
        free = sorted({note.instrument for note in notes if note.family == family and not note.split})
        if len(free) > 1 and share > 0.0:
            away |= set(rng.permutation(free)[: max(round(share * len(free)), 1)].tolist())
    parts: tuple[list[Note], list[Note]] = ([], [])
    for note in notes:
        parts[note.instrument in away].append(note)
    return tuple(parts[0]), tuple(parts[1])


def render_notes(
    out: Path,
    *,
    pitches: Sequence[int] = range(LOWEST, LOWEST + PITCHES, 2),
    velocities: Sequence[int] = VELOCITIES[::2],
    families: Sequence[str] = FAMILIES,
    soundfonts: Sequence[Path] = (),
    sample_rate: int = 16000,
    progress: Callable[[float], None] = lambda fraction: None,
) -> int:
    """Render notes of General MIDI instruments into a folder in NSynth's layout; continues where it was stopped.

    Args:
        out: the folder, made if need be.
        pitches: MIDI numbers.
        velocities: 1 to 127.
        families: of the instruments.
        soundfonts: those of Debian's packages by default; each of them is one set of instruments.
        sample_rate: hertz.
        progress: called with the fraction done.

    Returns:
        Number of notes in the folder.

    Raises:
        ValueError: FluidSynth or a sound font is missing.
    """
    find_fluidsynth()
    fonts = find_soundfonts(soundfonts)
    (out / "audio").mkdir(parents=True, exist_ok=True)
    index = out / EXAMPLES
    there: dict[str, dict[str, object]] = json.loads(index.read_text()) if index.is_file() else {}
    work = [(font, family, program) for font in fonts for family in families for program in PROGRAMS[family]]
    played = [(pitch, velocity) for pitch in pitches for velocity in velocities]
    for number, (font, family, program) in enumerate(work):
        name = f"{family}_{font.stem}_{program:03d}"
        missing = [pair for pair in played if _key(name, *pair) not in there]
        for pair, x in zip(missing, _performed(font, program, missing, sample_rate), strict=True):
            key = _key(name, *pair)
            if np.abs(x).max() > QUIETEST:
                x = x * (PEAK / np.abs(x).max())
                write(out / "audio" / f"{key}.wav", Audio(x[None], sample_rate), subtype="PCM_16", force=True)
                there[key] = {
                    "pitch": pair[0], "velocity": pair[1], "instrument_str": name, "instrument_family_str": family,
                }  # fmt: skip
        with replacing(index, force=True) as partial:
            partial.write_text(json.dumps(there))
        progress((number + 1) / len(work))
    return len(there)


def _nsynth(index: Path) -> Iterator[Note]:
    there = {path.stem: path for path in (index.parent / "audio").iterdir() if path.suffix in SUFFIXES}
    for key, facts in json.loads(index.read_text(encoding="utf-8")).items():
        if key in there:
            family, instrument = facts["instrument_family_str"], facts["instrument_str"]
            yield Note(key, int(facts["pitch"]), int(facts["velocity"]), family, instrument, there[key])


def _shard(path: Path) -> Iterator[Note]:
    sounds: dict[str, tuple[int, int]] = {}
    facts: dict[str, dict[str, object]] = {}
    with tarfile.open(path) as tar:
        for member in tar:
            key, dot, suffix = member.name.rpartition(".")
            if dot + suffix in SUFFIXES:
                sounds[key] = (member.offset_data, member.size)
            elif suffix == "json" and (file := tar.extractfile(member)) is not None:
                facts[key] = json.load(file)
    for key in sounds.keys() & facts.keys():
        fact = facts[key]
        pitch, velocity = int(str(fact["pitch"])), int(str(fact["velocity"]))
        source, split = str(fact.get("source", fact["instrument"])), str(fact.get("split", ""))
        yield Note(key, pitch, velocity, str(fact["family"]), source, path, *sounds[key], split=split)


def _decoded(data: bytes) -> tuple[NDArray[np.float64], int]:
    """Samples (channels, samples) and sample rate of a sound file in memory."""
    import soundfile

    x, rate = soundfile.read(io.BytesIO(data), always_2d=True)
    return np.asarray(x.T, dtype=np.float64), int(rate)


def _key(instrument: str, pitch: int, velocity: int) -> str:
    return f"{instrument}-{pitch:03d}-{velocity:03d}"


def _performed(
    font: Path, program: int, notes: Sequence[tuple[int, int]], sample_rate: int
) -> Iterator[NDArray[np.float64]]:
    """Each note of one instrument (samples,); they are played one after the other by one process."""
    if not notes:
        return
    second = round(TICKS * 1e6 / DEFAULT_TEMPO)
    events = [Event(0, bytes([PROGRAM, program]))]
    for k, (pitch, velocity) in enumerate(notes):
        begin = round(k * APART * second)
        events.append(Event(begin, bytes([NOTE_ON, pitch, velocity])))
        events.append(Event(begin + round(HELD * second), bytes([NOTE_OFF, pitch, 0])))
    with tempfile.TemporaryDirectory(prefix="caesura-") as folder:
        midi, wav = Path(folder) / "notes.mid", Path(folder) / "notes.wav"
        write_score(midi, Score(TICKS, tuple(events)))
        options = ["-o", "synth.reverb.active=0", "-o", "synth.chorus.active=0", "-T", "wav", "-O", "float"]
        command = [find_fluidsynth(), "-niq", "-r", str(SYNTHESIS_RATE), "-g", "0.3", *options]
        done = subprocess.run(
            [*command, "-F", str(wav), str(font), str(midi)],
            capture_output=True, text=True, check=False, timeout=PATIENCE,
        )  # fmt: skip
        if done.returncode or not wav.is_file():
            raise ValueError(f"fluidsynth could not play program {program}: {' '.join(done.stderr.split())[-200:]}")
        x = resample(read(wav).samples.mean(axis=0, keepdims=True), SYNTHESIS_RATE, sample_rate)[0]
    wanted = round(SECONDS * sample_rate)
    for k in range(len(notes)):
        one = x[round(k * APART * sample_rate) :][:wanted]
        yield np.pad(one, (0, wanted - one.size))
