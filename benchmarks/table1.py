"""Stems added to backing tracks: the rows of Riff-CNET's report, Riff-P2P and our own, and two that add nothing.

    python benchmarks/table1.py --data FOLDER [--songs 20] [--separator known|demucs] [--cdpam] [--write]

FOLDER holds songs in Slakh2100's layout, such as `caesura prepare stems` writes. One instrument of each is taken out
and asked for again by its name. Systems whose weights are not on this machine are named and left out.

    spectral, CDPAM, envelope   distance of the background that is left in the mix from that of the true mix: 0 is kept.
                                With --separator known it is what remains of the mix without its stem
    SNR, log-mel, level         of the stem against the true one; level in dB, -60 where nothing was added

A stem that fits may be another than the true one, so SNR says little: nothing has 0 dB, and what is uncorrelated less.
Mean over the songs, 5.11 s of each, one channel at 44.1 kHz. The report separated both mixes with Spleeter; demucs is
its successor here. Rows are kept in --results and not computed again; --forget does, after the code has changed.
--write writes docs/benchmarks/table1.md. --tiny takes untrained networks: it shows that everything runs, and its rows
mean nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from caesura.data.separation import Demucs, Separator
from caesura.evaluation.stems import SECONDS, SYSTEMS, Song, made_by, measured, silent_rows, slakh_songs
from caesura.methods import load, names, settings_of

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "table1.md"
COLUMNS = {
    "spectral": "spectral", "cdpam": "CDPAM", "envelope": "envelope", "stem_snr": "SNR", "stem_log_mel": "log-mel",
    "stem_level": "level", "seconds": "seconds",
}  # fmt: skip
UNTRAINED = " (untrained)"
Scores = dict[str, float]


class Kept:
    """Rows that were measured before, a line of JSON for each."""

    def __init__(self, path: Path, *, forget: bool) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if forget:
            path.unlink(missing_ok=True)
        lines = path.read_text().splitlines() if path.is_file() else []
        self.rows: dict[str, Scores] = {row["key"]: row["scores"] for row in map(json.loads, lines)}

    def add(self, key: str, scores: Scores, **facts: str) -> Scores:
        """Keep a row."""
        self.rows[key] = scores
        with self.path.open("a") as file:
            file.write(json.dumps({"key": key, **facts, "scores": scores}) + "\n")
        return scores


def rows(
    songs: Sequence[Song], given: argparse.Namespace, separator: Separator | None
) -> tuple[dict[str, list[Scores]], dict[str, str]]:
    """Scores of every row, and why the others are missing."""
    kept = Kept(given.results, forget=given.forget)
    found: dict[str, list[Scores]] = {}
    for song in songs:
        for label, made in silent_rows(song).items():
            key = _key(song, label, {}, given)
            scores = kept.rows.get(key) or kept.add(
                key, measured(song, made, separator, cdpam=given.cdpam), row=label, song=song.name
            )
            found.setdefault(label, []).append(scores)
    missing = {}
    for label in given.systems:
        try:
            named = label + UNTRAINED if given.tiny else label
            found[named] = list(_of_system(label, songs, given, separator, kept))
        except ValueError as error:
            missing[label] = str(error)
    return found, missing


def _of_system(
    label: str, songs: Sequence[Song], given: argparse.Namespace, separator: Separator | None, kept: Kept
) -> Iterator[Scores]:
    system = SYSTEMS[label]
    if system.method not in names():
        raise ValueError(f"there is no method {system.method}")
    own = dict(part.split("=", 1) for part in given.settings.get(system.method, ()))
    quick = getattr(load(system.method), "quick", {}) if given.tiny else {}
    method = system.build({**quick, **own})
    for song in songs:
        key = _key(song, label, settings_of(method), given)
        if key not in kept.rows:
            scores = measured(song, made_by(system, method, song, given.seed), separator, cdpam=given.cdpam)
            kept.add(key, scores, row=label, song=song.name)
            print(f"{label}: {song.name} done", file=sys.stderr, flush=True)
        yield kept.rows[key]


def _key(song: Song, label: str, settings: Mapping[str, Any], given: argparse.Namespace) -> str:
    said = json.dumps([label, dict(settings), song.name, song.instrument.name, song.caption, given.seed,
                       given.separator, given.cdpam], default=str)  # fmt: skip
    return hashlib.sha256(said.encode() + song.background.tobytes() + song.stem.tobytes()).hexdigest()[:24]


def table(found: Mapping[str, list[Scores]], missing: Mapping[str, str]) -> str:
    """Rows as markdown, and what is missing."""
    known = [name for name in COLUMNS if any(name in row for own in found.values() for row in own)]
    lines = ["| row | " + " | ".join(COLUMNS[name] for name in known) + " |", "| --- |" + " --: |" * len(known)]
    for label, own in found.items():
        means = [float(np.mean([row[name] for row in own])) for name in known]
        # Rounding leaves of a background that was not touched a distance of 1e-8.
        lines.append(
            f"| {label} | " + " | ".join(f"{mean + 0.0:.3g}" if abs(mean) > 1e-6 else "0" for mean in means) + " |"
        )
    if missing:
        lines += ["", "Not measured:", "", *(f"- {label}: {why}" for label, why in missing.items())]
    return "\n".join(lines)


def page(lines: str, command: str, songs: Sequence[Song]) -> str:
    """The page that `--write` writes."""
    instruments = sorted({song.instrument.name for song in songs})
    return "\n\n".join([
        "# Stems over backing tracks", f"`{command}` made this page; do not edit.",
        str(__doc__).partition("[--write]\n\n")[2].strip(),
        f"{len(songs)} songs; asked for: {', '.join(instruments)}.", lines,
    ]) + "\n"  # fmt: skip


def arguments() -> argparse.Namespace:
    """What the user said."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="songs in Slakh2100's layout")
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--split", default="", help="only songs whose metadata say they belong to it")
    parser.add_argument("--separator", choices=("known", "demucs"), default="known")
    parser.add_argument("--checkpoints", type=Path, help="folder with Demucs's checkpoint")
    parser.add_argument("--model", default="htdemucs", help="which of Demucs's checkpoints")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), metavar="ROW")
    parser.add_argument("--set", action="append", default=[], metavar="METHOD:KEY=VALUE", help="a setting of a method")
    parser.add_argument("--tiny", action="store_true", help="untrained networks, to see that everything runs")
    parser.add_argument("--cdpam", action="store_true", help="measure CDPAM as well; a minute for every song and row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=ROOT / "out" / "table1.jsonl")
    parser.add_argument("--forget", action="store_true", help="compute everything again")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.tiny and given.write:
        parser.error("--tiny rows mean nothing: they are not written")
    given.settings = {}
    for spec in given.set:
        method, _, setting = spec.partition(":")
        if "=" not in setting:
            parser.error(f"--set {spec} is not METHOD:KEY=VALUE")
        given.settings.setdefault(method, []).append(setting)
    return given


def main() -> int:
    """Measure, print, and write the page if asked to."""
    given = arguments()
    try:
        separator = None
        if given.separator == "demucs":
            separator = Demucs(given.model, given.checkpoints)
            separator.check()
        songs = list(slakh_songs(given.data, given.songs, seconds=given.seconds, split=given.split, seed=given.seed))
        found, missing = rows(songs, given, separator)
    except ValueError as error:
        print(f"table1: {error}", file=sys.stderr)
        return 2
    lines = table(found, missing)
    print(lines)
    if given.tiny:
        print("\nThe rows of untrained networks mean nothing.")
    if given.write:
        PAGE.write_text(page(lines, " ".join(["python benchmarks/table1.py", *sys.argv[1:]]), songs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
