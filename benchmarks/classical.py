"""Make docs/benchmarks/classical.md: every method on short and on long gaps.

    python benchmarks/classical.py --standard DIR --test DIR [--jobs 4] [--methods lsar,janssen,auto:quality=best]

DIR of --standard holds recordings and a gaps.json that says where their gaps are (5 to 50 ms); DIR of --test holds
recordings, in which four gaps of 75 to 300 ms are placed at equal distances. Rows go to --results as they are computed
and are not computed again, so the work can be stopped, split with --methods, --gaps or --only, and taken up; a run
with --page-only writes the page from the rows that are there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from caesura.evaluation import benchmark, report, rows
from caesura.evaluation.report import Published
from caesura.inpainter import Progress
from caesura.methods import names

METHODS = ("repeat", "lpc", "lsar", "janssen", "spain", "spain:learned=true", "phain")
GAP_COMPARED = 0.02  # seconds: the gap length of the published times
# Seconds of one gap, from the authors' result files and repositories (2020 to 2025): for the autoregressive methods
# and SPAIN the shortest that they give for 10 to 50 ms in MATLAB, for U-PHAIN one gap in Octave. Not measured here.
JANSSEN = Published("gap-wise Janssen, Burg 1024, 20 iterations, MATLAB", 2.7)
PUBLISHED = {
    "lpc": Published("extrapolation, MATLAB", 0.02),
    "janssen": JANSSEN,
    "lsar": JANSSEN,
    "auto": JANSSEN,
    "spain": Published("A-SPAIN, MATLAB", 3.4),
    "phain": Published("U-PHAIN, Octave", 25.0),
}
COMMAND = "python benchmarks/classical.py --standard DIR --test DIR"
SUFFIXES = {".wav", ".flac", ".aif", ".aiff", ".ogg"}


@dataclass(frozen=True)
class Study:
    """One section of the page."""

    name: str
    title: str
    about: str
    protocol: str
    milliseconds: tuple[int, ...]
    auto: tuple[str, ...]


STUDIES = (
    Study(
        "standard",
        "Short gaps",
        "Standard signals of the audio-inpainting literature (EBU SQAM), mono, 44.1 kHz, eight gaps per signal.",
        "given",
        (5, 10, 20, 30, 40, 50),
        ("auto", "auto:quality=best"),
    ),
    Study(
        "test",
        "Long gaps",
        "Clips of music, voice, speech and environment at their own sample rates.",
        "paper",
        (75, 100, 150, 200, 250, 300),
        ("auto:policy=fill",),  # without it, gaps over 100 ms are left alone
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for and write the page; returns the exit status."""
    asked = _parser().parse_args(arguments)
    folders = {"standard": asked.standard, "test": asked.test}
    try:
        wanted = [study for study in STUDIES if asked.only in (None, study.name)]
        if asked.page_only:
            parts = [part for study in wanted if (part := _stored(study, asked.results)).rows]
        else:
            parts = [_part(study, folder, asked) for study in wanted if (folder := folders[study.name])]
        if not parts:
            raise ValueError("nothing to show: pass --standard DIR or --test DIR, and run once without --page-only")
        baseline = asked.baseline or _baseline(parts)
        report.write(asked.page, report.page("Model-free methods", COMMAND, parts, baseline=baseline))
    except ValueError as error:
        print(f"classical.py: {error}", file=sys.stderr)
        return 2
    print(f"\n{asked.page}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--standard", type=Path, metavar="DIR", help="recordings with gaps.json")
    parser.add_argument("--test", type=Path, metavar="DIR", help="recordings, subfolders included")
    parser.add_argument("--only", choices=[study.name for study in STUDIES], help="one section")
    parser.add_argument(
        "--methods", help="names with settings, such as lsar,auto:quality=best; default all classical ones"
    )
    parser.add_argument("--forget", default="", metavar="NAME,NAME", help="methods that have changed: run them again")
    parser.add_argument("--gaps", metavar="MS,MS", help="lengths in milliseconds in place of the section's")
    parser.add_argument("--seeds", default="0", metavar="N,N", help="default %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes, default %(default)s")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"), help="default %(default)s")
    parser.add_argument("--page", type=Path, default=Path("docs/benchmarks/classical.md"), help="default %(default)s")
    parser.add_argument("--baseline", help="method that the differences are taken to, default lpc, without it linear")
    parser.add_argument("--page-only", action="store_true", help="compute nothing, write the page from the stored rows")
    return parser


def _part(study: Study, folder: Path, asked: argparse.Namespace) -> report.Part:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{folder} holds no recording: pass the folder of the audio files")
    store = _store(study, asked.results)
    store.parent.mkdir(parents=True, exist_ok=True)
    rows.forget(store, asked.forget.split(","))
    known = (name for name in METHODS if name.split(":")[0] in names())
    milliseconds = [float(text) for text in asked.gaps.split(",")] if asked.gaps else study.milliseconds
    found = benchmark.run(
        asked.methods.split(",") if asked.methods else [*known, *study.auto],
        files,
        [1e-3 * ms for ms in milliseconds],
        [int(text) for text in asked.seeds.split(",")],
        store,
        protocol=study.protocol,
        jobs=asked.jobs,
        progress=_shown(study.name),
    )
    return _shaped(study, found)


def _stored(study: Study, results: Path) -> report.Part:
    """What the results file holds; of rows with one name in the table and other settings the last."""
    found = {(row.label, row.digest, row.gap_seconds, row.seed): row for row in rows.read(_store(study, results))}
    return _shaped(study, list(found.values()))


def _store(study: Study, results: Path) -> Path:
    return results / f"classical-{study.name}.jsonl"


def _shaped(study: Study, found: Sequence[rows.Row]) -> report.Part:
    return report.Part(study.title, study.about, tuple(found), report.speed_table(found, PUBLISHED, GAP_COMPARED))


def _baseline(parts: Sequence[report.Part]) -> str:
    """The baseline of the CQT-Diff+ paper where every part has it."""
    return "lpc" if all(any(row.label == "lpc" for row in part.rows) for part in parts) else "linear"


def _shown(name: str) -> Progress:
    begun = time.monotonic()

    def show(fraction: float) -> None:
        left = (time.monotonic() - begun) * (1.0 - fraction) / fraction
        print(f"\r{name}: {100 * fraction:5.1f} %, {left / 60:.1f} min left ", end="", file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
