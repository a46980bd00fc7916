"""A side of a record: how long it takes to find and repair its clicks, how many are found, and what is left of them.

    python benchmarks/declick.py --data ../shared/data/music [--minutes 20] [--per-minute 200] [--core 0]
                                 [--write docs/benchmarks/declick.md]

Music is joined to a side of the wanted length, made stereo by two short synthetic rooms, and rounded to 16 bits; clicks
of 5 to 60 samples, 10 dB over the local level, are added to both channels at the same places. Then

    caesura restore side.wav -o out.wav --auto --kinds click

runs in a process of its own on one core, and the same is timed in parts. A click counts as found when a label overlaps
it; the signal-to-noise ratio is that of the samples of the click, averaged over clicks and channels.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from caesura.data.damage import add_clicks
from caesura.detection import detect_file
from caesura.labels import Label
from caesura.methods import build
from caesura.repair import repair_file

Array = NDArray[np.float64]

RATE = 44_100
LENGTH = (5, 60)  # samples of a click
LEVEL = 10.0  # dB over the rms of the 20 ms around it
SEED = 11
BLOCK = 10 * RATE  # samples that get their share of the clicks; the time to place one grows with its block
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


@dataclass(frozen=True)
class Side:
    """A side before and after the scratches."""

    clean: Array
    damaged: Array
    clicks: list[tuple[int, int]]


def side(folder: Path, minutes: float, per_minute: int) -> Side:
    """Join music, make it stereo, scratch it."""
    rng = np.random.default_rng(SEED)
    wanted, parts = round(minutes * 60 * RATE), []
    for path in sorted(folder.rglob("*.ogg")):
        x, rate = soundfile.read(path, frames=max(wanted - sum(map(len, parts)), 0))
        if rate == RATE and x.ndim == 1 and x.size:
            parts.append(x)
    mono = np.concatenate(parts)
    clean = np.stack([oaconvolve(mono, _room(rng, delay))[: mono.size] for delay in (0, 9)])
    clean = _rounded(0.5 * clean / np.abs(clean).max())
    damaged, clicks = clean.copy(), []
    for start in range(0, mono.size, BLOCK):
        block = slice(start, start + BLOCK)
        count = per_minute * clean[:, block].shape[1] // (60 * RATE)
        if count:
            damaged[:, block], labels = add_clicks(
                clean[:, block], RATE, count=count, length=LENGTH, level=LEVEL, rng=rng
            )
            clicks += [(start + label.region.start, start + label.region.stop) for label in labels]
    return Side(clean, _rounded(damaged), clicks)


def _room(rng: np.random.Generator, delay: int) -> Array:
    """A direct path and 9 ms of faint reflections."""
    tail = 0.3 * rng.standard_normal(400) * np.exp(-np.arange(400) / 80.0) / 4.0
    return np.concatenate([np.zeros(delay), [1.0], tail])


def _rounded(x: Array) -> Array:
    return np.clip(np.round(x * 32768.0) / 32768.0, -1.0, 32767.0 / 32768.0)


def snr(clean: Array, y: Array, clicks: list[tuple[int, int]]) -> float:
    """Mean over clicks and channels, in dB; a difference under half a step of 16 bits counts as half a step."""
    values = []
    for start, stop in clicks:
        here = slice(start, stop)  # cut out first: the difference of two whole sides takes a second
        signal = np.sum(clean[:, here] ** 2, axis=1)
        noise = np.sum((y[:, here] - clean[:, here]) ** 2, axis=1)
        least = (stop - start) * (0.5 / 32768.0) ** 2
        values.append(10.0 * np.log10(np.maximum(signal, least) / np.maximum(noise, least)))
    return float(np.mean(values))


def found(labels: list[Label], clicks: list[tuple[int, int]]) -> tuple[float, float, float]:
    """Recall, precision and F1."""
    spans = sorted((label.region.start, label.region.stop) for label in labels)
    starts, stops = np.array(spans).reshape(-1, 2).T
    first = np.array(clicks).reshape(-1, 2)
    hit = [bool(np.any((starts < b) & (stops > a))) for a, b in clicks]
    right = [bool(np.any((first[:, 0] < b) & (first[:, 1] > a))) for a, b in spans]
    recall, precision = float(np.mean(hit)), float(np.mean(right))
    return recall, precision, 2.0 * recall * precision / max(recall + precision, 1e-9)


def measure(folder: Path, minutes: float, per_minute: int) -> list[str]:
    """The table of one side."""
    scratched = side(folder, minutes, per_minute)
    length = scratched.clean.shape[1] / RATE
    with tempfile.TemporaryDirectory() as place:
        source, target = Path(place, "side.wav"), Path(place, "out.wav")
        soundfile.write(source, scratched.damaged.T, RATE, subtype="PCM_16")
        command = [sys.executable, "-m", "caesura", "restore", str(source), "-o", str(target)]
        command += ["--auto", "--kinds", "click", "-q"]
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        restored = soundfile.read(target, always_2d=True)[0].T
        began = time.process_time()
        labels = detect_file(source, kinds=["click"])
        detecting = time.process_time() - began
        repair_file(source, target, labels, build("auto"), force=True)
        repairing = time.process_time() - began - detecting
    recall, precision, f1 = found(labels, scratched.clicks)
    outside = np.ones(restored.shape[1], dtype=bool)
    for label in labels:
        outside[label.region.start : label.region.stop] = False
    changed = int(np.count_nonzero((restored != scratched.damaged)[:, outside]))
    return [
        "| what | measured |",
        "|---|---|",
        f"| side | {length / 60.0:.1f} minutes of stereo at 44.1 kHz, {len(scratched.clicks)} clicks |",
        f"| command line, one core | {whole:.0f} s of CPU time ({wall:.0f} s by the clock) |",
        f"| times real time | **{length / whole:.0f}** ({length / wall:.0f} by the clock) |",
        f"| of it, detection | {detecting:.0f} s |",
        f"| of it, repair, writing and the check of both files | {repairing:.0f} s |",
        f"| peak memory | {after.ru_maxrss / 1024:.0f} MB |",
        f"| labels | {len(labels)}; recall {recall:.3f}, precision {precision:.3f}, F1 {f1:.3f} |",
        f"| SNR at the clicks before | {snr(scratched.clean, scratched.damaged, scratched.clicks):.1f} dB |",
        f"| SNR at the clicks after | {snr(scratched.clean, restored, scratched.clicks):.1f} dB |",
        f"| samples changed outside the labels | {changed} |",
    ]


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/music"))
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--per-minute", type=int, default=200)
    parser.add_argument("--core", type=int, help="the core to stay on; any one at a time when left out")
    parser.add_argument("--write", type=Path, help="document whose measured part is replaced")
    options = parser.parse_args()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    if options.core is not None:
        os.sched_setaffinity(0, {options.core})
    lines = measure(options.data, options.minutes, options.per_minute)
    print("\n".join(lines))
    if options.write:
        head, rest = options.write.read_text(encoding="utf-8").split(BEGIN)
        tail = rest.split(END)[1]
        options.write.write_text("\n".join([head + BEGIN, "", *lines, "", END + tail]), encoding="utf-8")


if __name__ == "__main__":
    main()
