"""Music to train on: folders of recordings, read as random crops, and a folder of rendered scores that grows to order.

    P(crop begins at sample s of file f) = 1 / sum of the lengths of all files:    uniform in duration

`prepare` renders scores and converts recordings to one rate. Its folder holds `takes.jsonl`, one line per finished
file; what stands there is not made again.

References:
    J. Thickstun, Z. Harchaoui, S. Kakade, "Learning features of music from scratch", ICLR 2017 (MusicNet).
    C. Hawthorne et al., "Enabling factorized piano music modeling and generation with the MAESTRO dataset", ICLR 2019.
"""

from __future__ import annotations

__all__ = ["Corpus", "Layout", "prepare", "recordings"]

import csv
import dataclasses
import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.audio import Audio, AudioError, open_audio, read, resample, write
from caesura.data.render import draw_take, find_fluidsynth, find_soundfonts, render

Layout = Literal["folder", "musicnet", "maestro"]
Split = Literal["train", "test"]

SUFFIXES = (".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus", ".w64", ".caf")
MANIFEST = "takes.jsonl"
EXCERPT = 60.0  # seconds of a score that one take plays
SHORTEST = 2.0  # seconds of a take that are worth keeping
PATIENCE = 50  # excerpts in a row that may be silent, as between the movements of a work
GAINS = (-12.0, 12.0)  # dB that crops are turned up or down by
EXTRA = 64  # samples read on either side of a crop that changes its rate, where the filter rings


def recordings(folder: Path, layout: Layout = "folder", split: Split = "train") -> tuple[Path, ...]:
    """Sound files of a corpus.

    Args:
        folder: where it lies.
        layout: "folder" takes every sound file below it, whatever the split; "musicnet" reads `train_data` and
            `test_data`; "maestro" reads the split from the table `maestro-*.csv`.
        split: which part.

    Raises:
        ValueError: there is nothing.
    """
    if layout == "maestro":
        tables = sorted(folder.glob("maestro-*.csv"))
        if not tables:
            raise ValueError(f"there is no maestro-*.csv in '{folder}': unpack MAESTRO there, or use the layout folder")
        with tables[-1].open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["split"] == split]
        found = [folder / row["audio_filename"] for row in rows]
    else:
        below = folder / f"{split}_data" if layout == "musicnet" else folder
        found = sorted(path for path in below.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise ValueError(f"there are no sound files of layout {layout}, split {split}, in '{folder}'")
    return tuple(found)


@dataclass(frozen=True)
class Corpus:
    """Sound files as one long tape to cut from; of stereo files the channels are averaged."""

    files: tuple[Path, ...]
    """Any rate, any format that can be read."""
    sample_rate: int
    """Hertz of the crops."""

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """Length of each file (files,)."""
        lengths = []
        for path in self.files:
            with open_audio(path) as reader:
                lengths.append(reader.info.frames / reader.info.sample_rate)
        return np.asarray(lengths)

    def crop(self, samples: int, rng: np.random.Generator, *, vary: bool = True) -> NDArray[np.float64]:
        """A stretch from anywhere, uniform in duration over all places where one fits.

        Args:
            samples: length.
            rng: source of the place, the gain and the polarity.
            vary: draw a gain and a polarity.

        Returns:
            (samples,).

        Raises:
            ValueError: every file is shorter.
        """
        room = np.maximum(self.seconds - (samples + 2 * EXTRA) / self.sample_rate, 0.0)
        if not room.sum():
            raise ValueError(f"no file is as long as {samples / self.sample_rate:.2f} s: {len(self.files)} files")
        which = int(rng.choice(room.size, p=room / room.sum()))
        x = _stretch(self.files[which], float(rng.uniform(0.0, room[which])), samples, self.sample_rate)
        if not vary:
            return x
        return np.asarray(x * 10.0 ** (rng.uniform(*GAINS) / 20.0) * rng.choice([-1.0, 1.0]))


def prepare(
    out: Path,
    scores: Path,
    *,
    hours: float,
    sample_rate: int,
    seed: int = 0,
    mix: Sequence[Path] = (),
    soundfonts: Sequence[Path] = (),
    progress: Callable[[float], None] = lambda fraction: None,
) -> float:
    """Render scores and convert recordings into one folder of FLAC files; continues where it was stopped.

    Args:
        out: the folder, made if need be.
        scores: folder of MIDI files.
        hours: of rendered music.
        sample_rate: hertz.
        seed: of how the scores are played.
        mix: folders whose recordings join; their subfolders do not, so that a licence can be left out.
        soundfonts: those of Debian's packages by default.
        progress: called with the fraction done.

    Returns:
        Hours of music in the folder.

    Raises:
        ValueError: there are no scores or they are silent, FluidSynth or a sound font is missing.
    """
    found = sorted(scores.glob("*.mid"))
    if not found:
        raise ValueError(f"there are no .mid files in '{scores}'")
    find_fluidsynth()
    fonts = find_soundfonts(soundfonts)
    out.mkdir(parents=True, exist_ok=True)
    manifest = _Manifest(out / MANIFEST)
    for folder in mix:
        _convert(folder, out, manifest, sample_rate)
    rendered, silent = 0.0, 0
    for index in itertools.count():
        if rendered >= hours:
            break
        name = f"take_{seed}_{index:06d}.flac"
        if name not in manifest.rows:
            take = draw_take(found, fonts, EXCERPT, np.random.default_rng((seed, index)))
            x = render(take, scores, fonts, sample_rate)
            manifest.add(name, x if x.size >= SHORTEST * sample_rate else x[:0], sample_rate, dataclasses.asdict(take))
        rendered += manifest.rows[name]["seconds"] / 3600.0
        silent = 0 if manifest.rows[name]["seconds"] else silent + 1
        if silent == PATIENCE:
            raise ValueError(f"{PATIENCE} excerpts in a row were silent: are there notes in the scores of '{scores}'?")
        progress(min(rendered / hours, 1.0))
    return float(sum(row["seconds"] for row in manifest.rows.values()) / 3600.0)


class _Manifest:
    """What is finished: a line is written after its file, so a file without one is made again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        whole = (line for line in lines if line.endswith("}"))  # a crash may leave half a line at the end
        self.rows: dict[str, dict[str, Any]] = {row["file"]: row for row in map(json.loads, whole)}

    def add(self, name: str, x: NDArray[np.float64], sample_rate: int, facts: dict[str, Any]) -> None:
        """Write a file (none for no samples) and its line."""
        if x.size:
            write(self.path.parent / name, Audio(x[None], sample_rate), subtype="PCM_16", force=True)
        row = {**facts, "file": name, "seconds": round(x.size / sample_rate, 3)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        self.rows[name] = row


def _convert(folder: Path, out: Path, manifest: _Manifest, sample_rate: int) -> None:
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"there are no sound files in '{folder}': recordings of subfolders are named by themselves")
    for path in found:
        name = f"real_{path.stem}.flac"
        if name not in manifest.rows:
            audio = read(path)
            x = resample(audio.samples.mean(axis=0, keepdims=True), audio.sample_rate, sample_rate)[0]
            x *= min(1.0, 0.99 / max(float(np.abs(x).max()), 1e-9))
            manifest.add(name, x, sample_rate, {"recording": str(path)})


def _stretch(path: Path, second: float, samples: int, sample_rate: int) -> NDArray[np.float64]:
    """`samples` at `sample_rate` from `second` on, (samples,)."""
    with open_audio(path) as reader:
        rate, frames = reader.info.sample_rate, reader.info.frames
        if rate == sample_rate:
            start = min(int(second * rate), frames - samples)
            return np.asarray(reader.read(start, start + samples).mean(axis=0))
        wanted = -(-samples * rate // sample_rate)
        start = max(int(second * rate), EXTRA)
        x = reader.read(start - EXTRA, min(start + wanted + EXTRA, frames)).mean(axis=0, keepdims=True)
    skipped = round(EXTRA * sample_rate / rate)
    y = resample(x, rate, sample_rate)[0, skipped : skipped + samples]
    if y.size < samples:
        raise AudioError(f"'{path}' ends {samples - y.size} samples too early")
    return np.asarray(y)
