"""Folders of pairs, made song by song: in parallel, and from where a run was stopped.

    S_source, S_target -> pixels with the same black:   M = max over bands, frames and both

A song is finished when `songs/LABEL.json` stands, which is written after all its pictures; what is unfinished is made
again. The manifest is put together from these files at the end, so it does not depend on when a run was stopped or on
how many processes it had. Nothing is normalised before the picture: the level is in the picture's tags.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["Summary", "prepare"]

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from caesura.atomic import replacing
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_files import FORMATS, Picture, write_picture
from caesura.data.datasets import Dataset, Example, Rejected, Song
from caesura.data.pairs import MANIFEST
from caesura.data.workers import computed

SETTINGS, SONGS, PICTURES = "settings.json", "songs", "pictures"
COLUMNS = 512  # 5.11 s, what Riffusion hears at once


@dataclass(frozen=True)
class Summary:
    """What a folder of pairs has become."""

    pairs: int
    """Lines of the manifest."""
    songs: int
    """Songs that they are from."""
    rejected: Mapping[str, str]
    """Songs without a pair, and why."""
    unreadable: Mapping[str, str]
    """Songs that could not be read, and why; they are tried again next time."""


@dataclass(frozen=True)
class _Task:
    dataset: Dataset
    song: Song
    out: Path
    codec: SpectrogramImage
    columns: int
    suffix: str


def prepare(
    dataset: Dataset,
    out: Path,
    *,
    codec: SpectrogramImage | None = None,
    columns: int = COLUMNS,
    suffix: str = ".png",
    count: int | None = None,
    jobs: int = 1,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Summary:
    """Fill a folder with pairs of pictures and their manifest; continues where it was stopped.

    Args:
        dataset: where the songs are from.
        out: the folder, made if need be.
        codec: how pictures are made; None: as Riffusion's.
        columns: of a picture.
        suffix: .png, or .jpg for files that are smaller and not exact.
        count: how many songs, drawn by their names; None: all.
        jobs: processes.
        progress: called with the fraction done.

    Raises:
        ValueError: there are no songs, or the folder was made in another way.
        OSError: a picture cannot be written; run it again once it can.
    """
    if suffix not in FORMATS:
        raise ValueError(f"pictures end in {', '.join(FORMATS)}, not in '{suffix}'")
    if columns < 2:
        raise ValueError(f"a picture has at least 2 columns, not {columns}")
    codec = SpectrogramImage() if codec is None else codec
    songs = _drawn(dataset.songs(), count)
    _settle(out, {**dataset.settings(), "picture": asdict(codec), "columns": columns, "suffix": suffix})
    tasks = [_Task(dataset, song, out, codec, columns, suffix) for song in songs if not _journal(out, song).exists()]
    for task in tasks:
        shutil.rmtree(_pictures(task), ignore_errors=True)  # what a stopped run left half-way
    unreadable: dict[str, str] = {}
    done = len(songs) - len(tasks)
    progress(done / len(songs))
    for song, why in computed(_make, tasks, jobs):
        done += 1
        progress(done / len(songs))
        if why:
            unreadable[song] = why
    return _summary(out, songs, dict(sorted(unreadable.items())))


def _drawn(songs: tuple[Song, ...], count: int | None) -> tuple[Song, ...]:
    order = sorted(songs, key=lambda song: _hash(song.name))[:count]
    return tuple(sorted(order, key=lambda song: song.name))


def _settle(out: Path, settings: dict[str, Any]) -> None:
    """Note how the folder is made, or see that it was made so."""
    for folder in (out, out / SONGS, out / PICTURES):
        folder.mkdir(parents=True, exist_ok=True)
    for stale in (*(out / SONGS).glob(".*.json"), *out.glob(".manifest.*.jsonl"), *out.glob(".settings.*.json")):
        stale.unlink()  # of a run that was killed while it wrote
    path = out / SETTINGS
    text = json.dumps(settings, indent=1, sort_keys=True)
    if not path.exists():
        with replacing(path) as partial:
            partial.write_text(text + "\n", encoding="utf-8")
        return
    before = json.loads(path.read_text(encoding="utf-8"))
    for name, value in json.loads(text).items():
        if before.get(name) != value:
            was = f"'{out}' was made with {name} = {before.get(name)}, not {value}"
            raise ValueError(f"{was}: choose another folder, or the same settings")


def _make(task: _Task) -> tuple[str, str]:
    """Draw the pairs of a song; its name, and why it cannot be read."""
    examples = task.dataset.examples(task.song, task.codec.sample_rate, task.codec.samples(task.columns))
    rows, why = [], ""
    while True:
        try:
            example = next(examples, None)
        except Rejected as error:
            why = str(error)
            break
        except (ValueError, OSError) as error:
            return task.song.name, " ".join(str(error).split())
        if example is None:
            break
        rows.append(_drawn_pair(task, example))
    if not rows and not why:
        why = "no stretch of it has what is wanted"
    journal = _journal(task.out, task.song)
    with replacing(journal, force=True) as partial:
        partial.write_text(json.dumps({"song": task.song.name, "why": why, "rows": rows}), encoding="utf-8")
    return task.song.name, ""


def _drawn_pair(task: _Task, example: Example) -> dict[str, Any]:
    """Write two pictures; their line of the manifest."""
    codec, folder = task.codec, _pictures(task)
    folder.mkdir(exist_ok=True)
    sounds = (example.source, example.source + example.part)
    source, target = (codec.mel(x[None]) for x in sounds)
    loudest = float(max(source.max(), target.max()))
    stem = f"f{example.frame:03d}_k{example.key:+d}_e{example.number}"
    files = {}
    for name, mel in (("source", source), ("target", target)):
        path = folder / f"{stem}_{name}{task.suffix}"
        picture = Picture(codec.pixels(mel, loudest), codec, False, loudest, example.source.size)
        write_picture(path, picture, force=True)
        files[name] = path.relative_to(task.out).as_posix()
    return {
        "song": task.song.name, "split": task.song.split, "frame": example.frame, "key": example.key,
        "example": example.number, **files, "text": example.text, "adds": list(example.adds),
        "over": list(example.over),
    }  # fmt: skip


def _summary(out: Path, songs: tuple[Song, ...], unreadable: dict[str, str]) -> Summary:
    """Put the manifest together."""
    rejected: dict[str, str] = {}
    pairs = with_pairs = 0
    with replacing(out / MANIFEST, force=True) as partial, partial.open("w", encoding="utf-8") as file:
        for song in songs:
            if song.name in unreadable:
                continue
            made = json.loads(_journal(out, song).read_text(encoding="utf-8"))
            for row in made["rows"]:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            pairs += len(made["rows"])
            with_pairs += bool(made["rows"])
            if not made["rows"]:
                rejected[song.name] = made["why"]
    return Summary(pairs, with_pairs, rejected, unreadable)


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def _label(song: Song) -> str:
    """A name that every file system takes, and no two songs share."""
    return f"{re.sub('[^a-z0-9]+', '-', song.name.lower()).strip('-')[:48]}-{_hash(song.name)[:8]}"


def _journal(out: Path, song: Song) -> Path:
    return out / SONGS / f"{_label(song)}.json"


def _pictures(task: _Task) -> Path:
    return task.out / PICTURES / _label(task.song)
