"""How well `caesura.detection` finds damage whose place is known: prints the tables and writes them into the docs.

    python benchmarks/detection.py --data ../shared/data/test [--seeds 2] [--write docs/benchmarks/detection.md]

Every clip is damaged by `caesura.data.damage` at places where there is sound, rounded to 16 bits, and searched for all
kinds at once. A damaged span counts as found when a label of its family overlaps it; a label of that family that
overlaps none is a false alarm. Clips too short or too quiet for the wanted count get as much as fits.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from caesura.data.damage import Damaged, add_clicks, clip, dropouts, packet_loss, punch_gaps
from caesura.detection import KINDS, detect
from caesura.labels import Label

Array = NDArray[np.float64]
Damage = Callable[[Array, int, np.random.Generator], Damaged]

FIRST_SEED = 2026  # thresholds and coefficients were set with other seeds, on other recordings
GAPS = ("silence", "held")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Row:
    """One kind and severity of damage."""

    name: str
    family: tuple[str, ...]
    damage: Damage
    goal: str = ""


@dataclass
class Score:
    """What a row reached over all clips and seeds."""

    found: int = 0
    missed: int = 0
    false: int = 0
    errors: list[int] = field(default_factory=list)
    misses: Counter[str] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)

    def line(self, row: Row) -> str:
        """The row of the table."""
        recall = self.found / max(self.found + self.missed, 1)
        precision = self.found / max(self.found + self.false, 1)
        f1 = 2.0 * precision * recall / max(precision + recall, 1e-12)
        errors = np.array(self.errors or [0])
        edges = f"{np.median(errors):.0f} / {np.percentile(errors, 95):.0f} / {errors.max()}"
        rates = [f"{rate:.3f}" for rate in (recall, precision, f1)]
        cells = [row.name, self.found + self.missed, *rates, self.false, edges, row.goal]
        return f"| {' | '.join(str(cell) for cell in cells)} |"


def gaps(low: float, high: float, *, hold: bool = False, dither: bool = False) -> Damage:
    """Ten gaps per clip, lengths in milliseconds."""

    def damage(x: Array, rate: int, rng: np.random.Generator) -> Damaged:
        length = (int(np.ceil(low * rate / 1000.0)), int(high * rate / 1000.0))
        y, truth = punch_gaps(x, rate, count=10, length=length, rng=rng, hold=hold)
        for label in truth if dither else []:
            span = slice(label.region.start, label.region.stop)
            y[:, span] = (rng.random(y[:, span].shape) - rng.random(y[:, span].shape)) / 32768.0
        return y, truth

    return damage


def clicks(low: int, high: int, level: float) -> Damage:
    """Twenty clicks per clip, lengths in samples, level in dB over the local level."""
    return lambda x, rate, rng: add_clicks(x, rate, count=20, length=(low, high), level=level, rng=rng)


def dips(low: float, high: float, depths: tuple[float, float]) -> Damage:
    """Six dropouts per clip, lengths in milliseconds, depth in dB, edges of 2 to 5 ms."""

    def damage(x: Array, rate: int, rng: np.random.Generator) -> Damaged:
        length = (int(np.ceil(low * rate / 1000.0)), int(high * rate / 1000.0))
        edge = int(rng.uniform(0.002, 0.005) * rate)
        return dropouts(x, rate, count=6, length=length, depth=rng.uniform(*depths), edge=edge, rng=rng)

    return damage


ROWS = (
    Row("gap 1-5 ms, zeros", GAPS, gaps(1, 5), "recall 1"),
    Row("gap 5-80 ms, zeros", GAPS, gaps(5, 80), "recall 1"),
    Row("gap 1-5 ms, held value", GAPS, gaps(1, 5, hold=True), "recall 1"),
    Row("gap 5-80 ms, held value", GAPS, gaps(5, 80, hold=True), "recall 1"),
    Row("click 5-60 samples, +10 dB", ("click",), clicks(5, 60, 10.0), "F1 0.95"),
    Row("dropout 20-120 ms, 20-40 dB", ("dropout",), dips(20, 120, (20.0, 40.0)), "F1 0.9"),
    Row("gap 0.25-1 ms, zeros", GAPS, gaps(0.25, 1)),
    Row("gap 0.25-1 ms, held value", GAPS, gaps(0.25, 1, hold=True)),
    Row("gap 5-80 ms, 16-bit dither", (*GAPS, "dropout"), gaps(5, 80, dither=True)),
    Row("packets of 20 ms, zeros", GAPS, lambda x, rate, rng: packet_loss(x, rate, rng=rng)),
    Row("packets of 20 ms, repeated", KINDS, lambda x, rate, rng: packet_loss(x, rate, rng=rng, conceal="repeat")),
    Row("click 5-60 samples, +5 dB", ("click",), clicks(5, 60, 5.0)),
    Row("click 1-4 samples, +10 dB", ("click",), clicks(1, 4, 10.0)),
    Row("click 1-4 samples, +5 dB", ("click",), clicks(1, 4, 5.0)),
    Row("dropout 10-20 ms, 20-40 dB", ("dropout",), dips(10, 20, (20.0, 40.0))),
    Row("dropout 20-120 ms, 12 dB", ("dropout",), dips(20, 120, (12.0, 12.0))),
    Row("clipping at half the peak", ("clipping",), lambda x, rate, rng: clip(x, level=0.5 * float(np.abs(x).max()))),
)


def clips(folder: Path) -> Iterator[tuple[str, Array, int]]:
    """Name, samples (channels, samples) and rate of every clip."""
    for path in sorted(folder.rglob("*.flac")):
        samples, rate = soundfile.read(path, always_2d=True)
        yield path.stem, np.ascontiguousarray(samples.T), rate


def judge(found: list[Label], truth: list[Label], score: Score, name: str, family: tuple[str, ...]) -> None:
    """Add one clip to the score."""
    labels = [label.region for label in found if label.kind in family]
    used: set[int] = set()
    for true in (label.region for label in truth):
        over = [k for k, r in enumerate(labels) if r.start < true.stop and r.stop > true.start]
        if not over:
            score.missed += 1
            score.misses[name] += 1
            continue
        score.found += 1
        used.update(over)
        best = max((labels[k] for k in over), key=lambda r: min(r.stop, true.stop) - max(r.start, true.start))
        score.errors += [abs(best.start - true.start), abs(best.stop - true.stop)]
    false = len(labels) - len(used)
    score.false += false
    if false:
        score.alarms[name] += false


def undamaged(folder: Path) -> list[str]:
    """False alarms on the clips as they are, and the speed."""
    total: Counter[str] = Counter()
    per_clip: list[str] = []
    seconds = spent = 0.0
    for name, x, rate in clips(folder):
        began = time.process_time()
        counts = Counter(label.kind for label in detect(x, rate))
        spent += time.process_time() - began
        seconds += x.size / rate
        total += counts
        if counts:
            per_clip.append(f"{name} ({', '.join(f'{n} {kind}' for kind, n in sorted(counts.items()))})")
    lines = ["| kind | " + " | ".join(KINDS) + " |", "|---|" + "---|" * len(KINDS)]
    lines.append("| labels | " + " | ".join(str(total[kind]) for kind in KINDS) + " |")
    lines += ["", f"By clip: {'; '.join(per_clip) or 'none'}.", ""]
    lines.append(
        f"{seconds / 60.0:.1f} minutes of channels; all kinds together: {spent / seconds * 1000.0:.1f} ms of CPU time "
        f"per second and channel, {seconds / spent:.0f} times real time on one core."
    )
    return lines


def measure(folder: Path, seeds: int, chosen: str) -> list[str]:
    """The table of all rows, and where each row loses most."""
    table = [
        "| damage | spans | recall | precision | F1 | false alarms | edge error median / 95 % / max (samples) | goal |",
        "|---|---|---|---|---|---|---|---|",
    ]
    where = ["| damage | missed most in | false alarms most in |", "|---|---|---|"]
    for row in ROWS:
        if chosen not in row.name:
            continue
        score = Score()
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            rng = np.random.default_rng(seed)
            for name, x, rate in clips(folder):
                damaged, truth = row.damage(x, rate, rng)
                judge(detect(np.round(damaged * 32768.0) / 32768.0, rate), truth, score, name, row.family)
        table.append(score.line(row))
        where.append(f"| {row.name} | {_most(score.misses)} | {_most(score.alarms)} |")
        print(table[-1], where[-1], sep="\n  ", flush=True)
    return [*table, "", *where]


def _most(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in counts.most_common(4)) or "-"


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/test"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument("--write", type=Path, help="document whose measured part is replaced")
    options = parser.parse_args()
    clean = undamaged(options.data)
    print("\n".join(clean), flush=True)
    lines = ["### Undamaged clips", "", *clean, "", "### Damaged clips", ""]
    lines += measure(options.data, options.seeds, options.only)
    if options.write:
        text = options.write.read_text(encoding="utf-8")
        head, rest = text.split(BEGIN)
        tail = rest.split(END)[1]
        options.write.write_text("\n".join([head + BEGIN, "", *lines, "", END + tail]), encoding="utf-8")


if __name__ == "__main__":
    main()
