"""Measure `graph`: how often it fills a long gap, with what, and how well that fits.

    python benchmarks/graph.py --data ../shared/data

renders scores with fluidsynth, reads recordings of music, speech and noise, punches gaps of 0.3, 1, 3 and 10 s, fills
them with the threshold taken away, and writes the tables of docs/benchmarks/graph.md with the threshold put back.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import soundfile as sf
from midi_notes import read_notes, repeats
from numpy.typing import NDArray

from caesura.codecs.paths import Path
from caesura.codecs.splice import splice
from caesura.evaluation.metrics import lsd, snr
from caesura.inpainter import Note
from caesura.methods.graph import Graph
from caesura.problem import Problem, Region
from caesura.seam import seam_score

Array = NDArray[np.float64]

LENGTHS = (0.3, 1.0, 3.0, 10.0)
CONTEXTS = (15.0, 30.0, 60.0, 120.0)
SOUND_FONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
SCORES, LOOPS, UTTERANCES = 10, 5, 40
NEAR = 4.0  # seconds around a gap that the metrics look at
TOLERANCE = 0.05  # seconds within which two onsets are the same
Job = tuple[str, str, str, float, int]


def rendered(path: FilePath, folder: FilePath) -> FilePath:
    """A score as a WAV file, by fluidsynth with its usual reverberation and chorus."""
    target = folder / f"{path.stem}.wav"
    if not target.exists():
        command = ["fluidsynth", "-ni", "-r", "44100", "-F", str(target), SOUND_FONT, str(path)]
        subprocess.run(command, check=True, capture_output=True)
    return target


def scores(data: FilePath) -> list[FilePath]:
    """Scores of one to four minutes, spread evenly over the list."""
    with (data / "midi" / "midi.csv").open() as file:
        files = [row["file"] for row in csv.DictReader(file) if 60.0 < float(row["seconds"]) < 240.0]
    return [data / "midi" / files[k] for k in np.linspace(0, len(files) - 1, SCORES).astype(int)]


def load(kind: str, path: str, seed: int) -> tuple[Array, int]:
    """A recording (channels, samples), with a noise floor of -80 dB so that no two moments are the same."""
    rng = np.random.default_rng(seed)
    if kind == "noise":
        return 0.1 * rng.standard_normal((1, 120 * 44100)), 44100
    if kind == "speech":
        parts = [sf.read(p, always_2d=True) for p in sorted(FilePath(path).glob("*.ogg"))[:UTTERANCES]]
        x, rate = np.concatenate([p[0] for p in parts]).T, parts[0][1]
    else:
        x, rate = sf.read(path, always_2d=True)
        x = x.T
    if kind == "loop":
        a, b, c, d = (x[:, k * x.shape[1] // 4 :][:, : 25 * rate] for k in range(4))
        x = np.concatenate([a, b, c, b, d], axis=1)
    return x + 1e-4 * rng.standard_normal(x.shape), rate


def jobs(data: FilePath, folder: FilePath) -> Iterator[Job]:
    """Kind, file, score, gap length and seed of every trial."""
    for path in scores(data):
        yield from (("score", str(rendered(path, folder)), str(path), h, s) for h in LENGTHS for s in (0,))
    for path in scores(data)[:LOOPS]:
        yield from (("loop", str(rendered(path, folder)), "", h, s) for h in LENGTHS for s in (0,))
    for file in sorted((data / "music").rglob("*.ogg")):
        yield from (("music", str(file), "", h, 0) for h in LENGTHS)
    yield from (("speech", str(data / "speech" / "kerstin"), "", h, s) for h in LENGTHS for s in range(4))
    for file in sorted((data / "test").rglob("environment_*.flac")):
        yield from (("environment", str(file), "", h, s) for h in LENGTHS[:3] for s in (0,))
    yield from (("noise", "", "", h, s) for h in LENGTHS for s in (0,))


def trial(job: Job) -> dict[str, Any]:
    """One gap, filled in every way."""
    kind, path, score, length, seed = job
    x, rate = load(kind, path, seed)
    rng = np.random.default_rng([seed, round(10 * length), x.shape[1]])
    gap = _gap(kind, x, rate, length, rng)
    problem = Problem(x, (gap,), rate)
    started = time.process_time()
    filled, note = _graph(problem, gap, 120.0)
    result: dict[str, Any] = {"kind": kind, "file": FilePath(path).stem, "length": length, "start": gap.start / rate}
    result["seconds"] = time.process_time() - started
    if "difference_db" not in note.parameters:
        return result | {"difference": None}
    shifts = note.parameters["shift_s"]
    result |= {"difference": note.parameters["difference_db"], "shifts": shifts, "confidence": note.confidence}
    result["rows"] = {name: _measured(problem, x, fill, gap) for name, fill in _rows(problem, gap, filled, rng)}
    if kind == "loop":
        result["exact"] = [round(s * rate) for s in shifts] in ([50 * rate], [-50 * rate])
    if score:
        true = repeats(read_notes(FilePath(score)), gap.start / rate, gap.stop / rate)
        result["true"] = [d for d in true if length < abs(d) < 120.0]
        result["found"] = all(any(abs(s - d) < 0.005 for d in result["true"]) for s in shifts)
    if length == 1.0 and kind in ("score", "music"):
        found = {c: _graph(problem, gap, c)[1].parameters.get("difference_db", np.inf) for c in CONTEXTS[:-1]}
        result["contexts"] = {**found, CONTEXTS[-1]: result["difference"]}
    return result


def _gap(kind: str, x: Array, rate: int, length: float, rng: np.random.Generator) -> Region:
    """A gap where there is sound; in a loop, inside its second round."""
    count, edge = round(length * rate), 2 * rate if x.shape[1] > 30 * rate else rate
    low, high = (78 * rate, 97 * rate - count) if kind == "loop" else (edge, x.shape[1] - count - edge)
    power = np.sqrt(np.mean(x**2))
    for _ in range(50):
        start = int(rng.integers(low, max(high, low + 1)))
        if np.sqrt(np.mean(x[:, start : start + count] ** 2)) > 0.3 * power:
            break
    return Region(start, start + count)


def _graph(problem: Problem, gap: Region, context: float) -> tuple[Array, Note]:
    reach = round(context * problem.sample_rate)
    crop = problem.crop(gap.start - reach, gap.stop + reach)
    notes: list[Note] = []
    estimate = Graph(threshold=1e9)(crop, rng=np.random.default_rng(0), note=notes.append)
    start = gap.start - max(gap.start - reach, 0)
    return estimate[:, start : start + gap.length], notes[-1]


def _rows(problem: Problem, gap: Region, filled: Array, rng: np.random.Generator) -> Iterator[tuple[str, Array]]:
    n, y = gap.length, problem.y
    yield "graph", filled
    before = y[:, max(gap.start - n, 0) : gap.start]
    yield "past", np.take(before, range(-n, 0), axis=1, mode="wrap")
    starts = [k for k in rng.integers(0, problem.samples - n, 99) if k + n <= gap.start or k >= gap.stop]
    start = int(starts[0]) if starts else 0
    yield "random", y[:, start : start + n]
    shift = start - gap.start
    rows, _ = splice(problem, (gap.start, gap.stop), Path(shift, shift, None, 0.0, 0.0))
    yield "random, same joins", np.array(rows)
    yield "silence", np.zeros_like(filled)


def _measured(problem: Problem, x: Array, fill: Array, gap: Region) -> dict[str, float | None]:
    reach = round(NEAR * problem.sample_rate)
    a, b = max(gap.start - reach, 0), min(gap.stop + reach, problem.samples)
    truth, mask, here = x[:, a:b], problem.mask[:, a:b], gap.shifted(-a)
    restored = truth.copy()
    restored[:, here.start : here.stop] = fill
    return {
        "seam": seam_score(restored, here, mask),
        "lsd": lsd(truth, restored, mask=mask),
        "snr": snr(truth[:, here.start : here.stop], fill) if fill.any() else 0.0,
        "onsets": _agreement(_onsets(truth, here, problem.sample_rate), _onsets(restored, here, problem.sample_rate)),
    }


def _onsets(x: Array, gap: Region, rate: int) -> Array:
    """Seconds of the peaks of the spectral flux inside the gap."""
    hop, window = rate // 100, rate // 25
    mono = x[:, max(gap.start - rate, 0) : gap.stop + rate].mean(axis=0)
    frames = np.lib.stride_tricks.sliding_window_view(mono, window)[::hop] * np.hanning(window)
    level = np.log1p(1000.0 * np.abs(np.fft.rfft(frames)) / window)
    flux = np.maximum(level[2:] - level[:-2], 0.0).mean(axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(flux, 5, mode="edge"), 11)
    peaks = np.flatnonzero((flux == around.max(axis=1)) & (flux > np.mean(flux) + 0.5 * np.std(flux)))
    times = ((peaks + 1) * hop + window / 2) / rate - min(gap.start / rate, 1.0)
    return times[(times >= 0.0) & (times < gap.length / rate)]


def _agreement(truth: Array, found: Array) -> float | None:
    """F measure of two lists of onsets; None where there is nothing to find."""
    if truth.size == 0:
        return None
    hits = 0
    left = list(found)
    for t in truth:
        near = [u for u in left if abs(u - t) <= TOLERANCE]
        if near:
            left.remove(min(near, key=lambda u: abs(u - t)))
            hits += 1
    return 2.0 * hits / (truth.size + found.size)


def main() -> None:
    """Run everything and write the tables."""
    from graph_tables import page

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=FilePath, required=True, help="folder with midi, music, speech and test")
    parser.add_argument("--output", type=FilePath, default=FilePath("docs/benchmarks/graph.md"))
    parser.add_argument("--results", type=FilePath, help="JSON lines to write, or to read when they are there")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    given = parser.parse_args()
    if given.results and given.results.exists():
        found = [json.loads(line) for line in given.results.read_text().splitlines()]
    else:
        with tempfile.TemporaryDirectory() as folder, multiprocessing.Pool(given.jobs) as pool:
            found = []
            for result in pool.imap(trial, list(jobs(given.data, FilePath(folder)))):
                found.append(result)
                if given.results:
                    with given.results.open("a") as file:
                        file.write(json.dumps(result) + "\n")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(page(found))


if __name__ == "__main__":
    main()
