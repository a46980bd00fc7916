"""Measure the weights that ship: `cqtdiff` beside silence and the classical methods on recordings nobody trained on.

    python benchmarks/cqtdiff.py --test DIR [--files 10] [--gaps 50,100,200,300] [--jobs 2] [--weights lean] [--write]

Four equally spaced gaps per recording (protocol "paper"). Rows, and the log-mel frames of the gaps, go to --results as
they are computed and are not computed again; --weights measures another file of weights. With --write the tables take
the place of those in docs/cards/cqtdiff.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from caesura.evaluation import benchmark, frames
from caesura.evaluation.metrics import frechet_distance
from caesura.evaluation.rows import Row
from caesura.evaluation.tables import Measure, measure_table, paired_interval, time_table

ROOT = Path(__file__).resolve().parent.parent
CARD = ROOT / "docs" / "cards" / "cqtdiff.md"
BEGIN, END = "<!-- scores: benchmarks/cqtdiff.py writes what follows -->\n", "<!-- end of scores -->\n"
METHODS = ("lpc", "janssen", "spain:learned=true", "spain:learned=true:level=0.6")
BASELINE = "spain:learned=true"  # A-SPAIN-L
FRECHET = (
    "Fréchet distance between two sets of embeddings: the frames that touch a gap, originals against fills, of all "
    "recordings together. The embedding of a frame is its 64 log-mel magnitudes (`caesura.evaluation.metrics."
    "log_mel_frames`: 1024 samples at the recording's rate, hop 160, bands up to 8 kHz, natural logarithm, floor "
    "1e-5); lower is better, no pairing, so a fill need only sound like some original"
)
MEASURES = (
    Measure("lsd", "Log-spectral distance in the frames that touch the gap, dB (lower is better)"),
    Measure("log_mel", "Log-mel distance in the frames that touch the gap (lower is better)"),
    Measure("snr", "SNR in the gap, dB (higher is better; silence has 0)"),
    Measure("energy", "Energy of the fill over the original, dB (0 is right)"),
)


def chosen(folder: Path, count: int) -> list[Path]:
    """Every n-th file in the order of their names, so that a subset holds every kind of sound."""
    found = sorted(path for path in folder.rglob("*.flac"))
    if not found:
        raise SystemExit(f"there are no .flac files in {folder}")
    step = max(len(found) // count, 1) if count else 1
    return found[::step][: count or None]


def frechet_table(rows: Sequence[Row], folder: Path) -> str:
    """Distance between the frames of all originals and those of all fills, for each method and gap length."""
    lengths = sorted({row.gap_seconds for row in rows})
    lines = ["| method |" + "".join(f" {1e3 * gap:g} ms |" for gap in lengths), "|---|" + "--:|" * len(lengths)]
    for label in dict.fromkeys(row.label for row in rows):
        cells = []
        for gap in lengths:
            own = [row for row in rows if (row.label, row.gap_seconds) == (label, gap) and not row.error]
            cells.append(f" {frechet_distance(*frames.read(folder, own)):.2f} |" if own else " – |")
        lines.append(f"| `{label}` |" + "".join(cells))
    return "\n".join(lines)


def page(rows: Sequence[Row], files: Sequence[Path], folder: Path) -> str:
    """Tables as markdown; differences are those to `BASELINE` on the same files."""
    names = ", ".join(f"`{path.stem}`" for path in files)
    gaps = len({(row.digest, row.gap_seconds, gap.start) for row in rows for gap in row.gaps})
    parts = [
        f"{gaps} gaps in {len(files)} recordings: {names}. Means over recordings; in brackets the mean difference to "
        f"`{BASELINE}` with its 95 % interval.",
        *(f"{measure.title}\n\n{measure_table(rows, measure, baseline=BASELINE)}" for measure in MEASURES),
        f"{FRECHET}\n\n{frechet_table(rows, folder)}",
        f"Processor time per gap, ms\n\n{time_table(rows)}",
        verdict(rows),
    ]
    return "\n\n".join(parts) + "\n"


def verdict(rows: Sequence[Row]) -> str:
    """Where `cqtdiff` is better than every other method, and how surely better than `BASELINE`."""
    lines = []
    for gap in sorted({row.gap_seconds for row in rows}):
        for measure, sign in (("lsd", 1), ("log_mel", 1), ("snr", -1)):
            own = _by_file(rows, "cqtdiff", gap, measure)
            others = {row.label for row in rows} - {"cqtdiff"}
            means = {label: _mean(_by_file(rows, label, gap, measure)) for label in others}
            best = min(means, key=lambda label: sign * means[label])
            other = _by_file(rows, BASELINE, gap, measure)
            d, half = paired_interval([own[file] - other[file] for file in sorted(own.keys() & other.keys())])
            surely = "surely" if abs(d) > half else "not surely"
            better = "better" if sign * d < 0 else "worse"
            lines.append(
                f"- {1e3 * gap:g} ms, {measure}: cqtdiff {_mean(own):.2f}, best other `{best}` {means[best]:.2f}; "
                f"{surely} {better} than `{BASELINE}` ({d:+.2f} ± {half:.2f})"
            )
    return "\n".join(lines)


def _by_file(rows: Sequence[Row], label: str, gap: float, measure: str) -> dict[str, float]:
    found = {row.digest: getattr(row, measure) for row in rows if (row.label, row.gap_seconds) == (label, gap)}
    return {file: value for file, value in found.items() if value is not None}


def _mean(values: dict[str, float]) -> float:
    return sum(values.values()) / max(len(values), 1)


def main() -> int:
    """Measure, print, and write the card if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", type=Path, required=True, help="recordings that were not trained on")
    parser.add_argument("--files", type=int, default=0, help="how many of them; 0: all")
    parser.add_argument("--gaps", default="50,100,200,300", help="milliseconds")
    parser.add_argument("--weights", default="lean")
    parser.add_argument("--settings", default="", help="more settings of cqtdiff, key=value:key=value")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results" / "cqtdiff-test.jsonl")
    parser.add_argument("--write", action="store_true", help="put the tables into the card")
    given = parser.parse_args()
    own = f"cqtdiff:weights={given.weights}" + (f":{given.settings}" if given.settings else "")
    methods = {**benchmark.named(given.methods.split(",")), "cqtdiff": benchmark.named([own])[own]}
    files = chosen(given.test, given.files)
    lengths = [float(gap) / 1000.0 for gap in given.gaps.split(",")]
    folder = given.results.with_suffix(".frames")
    rows = benchmark.run(
        methods, files, lengths, [0], given.results, protocol="paper", jobs=given.jobs, keep=folder
    )  # fmt: skip
    text = page(rows, files, folder)
    print(text)
    if given.write:
        before, _, rest = CARD.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        CARD.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
    return int(any(row.error for row in rows))


if __name__ == "__main__":
    sys.exit(main())
