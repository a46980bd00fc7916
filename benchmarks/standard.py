"""SNR and time of the classical methods on the six standard audio-inpainting signals.

    python benchmarks/standard.py                    # every method, 5 to 50 ms
    python benchmarks/standard.py --methods auto --lengths 20
    python benchmarks/standard.py --store            # write them to benchmarks/standard.json, the regression scores

SNR inside each gap, 10 log10(sum x^2 / sum (x - x_hat)^2), mean of the eight gaps of a signal, mean of the signals. All
eight gaps are missing at once. Time is CPU time of this process per gap, file reading excluded. The signals are not
part of the project: `--data` names the folder that holds them, with `gaps.json` and `reference_snr.csv`.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from caesura.inpainter import Inpainter
from caesura.methods import build
from caesura.problem import Problem, Region
from caesura.restoration import restore

HERE = Path(__file__).resolve().parent
STORE = HERE / "standard.json"
DATA = HERE.parent.parent / "shared" / "data" / "standard"
LENGTHS = (5, 10, 20, 30, 40, 50)  # milliseconds
METHODS: dict[str, tuple[str, dict[str, str]]] = {
    "silence": ("silence", {}),
    "linear": ("linear", {}),
    "lpc": ("lpc", {}),
    "janssen": ("janssen", {}),
    "lsar": ("lsar", {}),
    "lsar, one model": ("lsar", {"contexts": "8192", "order": "1024"}),
    "auto": ("auto", {}),
    "auto best": ("auto", {"quality": "best"}),
}


def main() -> None:
    """Measure, print, and store if asked to."""
    arguments = _arguments()
    scores: dict[str, dict[str, dict[str, float]]] = {}
    print(_header(arguments.lengths))
    for row, values in _published(arguments.data, arguments.lengths):
        print(_line(row, values, [None] * len(values)))
    for label in arguments.methods:
        name, settings = METHODS[label]
        cells = {str(ms): _measure(build(name, settings), arguments.data, ms) for ms in arguments.lengths}
        scores[label] = cells
        print(_line(label, [c["snr"] for c in cells.values()], [c["seconds"] for c in cells.values()]), flush=True)
    if arguments.store:
        stored = json.loads(STORE.read_text())
        for label, cells in scores.items():
            stored.setdefault(label, {}).update({ms: round(c["snr"], 9) for ms, c in cells.items()})
        STORE.write_text(json.dumps(stored, indent=1) + "\n")


def _measure(inpainter: Inpainter, data: Path, ms: int) -> dict[str, float]:
    """Mean SNR in decibels over the signals, and CPU seconds per gap."""
    snr, seconds, gaps = [], 0.0, 0
    for x, rate, spans in _signals(data, ms):
        problem = Problem(x, tuple(Region(start, stop) for start, stop in spans), rate)
        begin = time.process_time()
        restored = restore(problem, inpainter).samples
        seconds += time.process_time() - begin
        gaps += len(spans)
        snr.append(np.mean([_snr(x[start:stop], restored[0, start:stop]) for start, stop in spans]))
    return {"snr": float(np.mean(snr)), "seconds": seconds / gaps}


def _signals(data: Path, ms: int) -> Iterator[tuple[np.ndarray, int, list[list[int]]]]:
    for signal, spans in json.loads((data / "gaps.json").read_text()).items():
        x, rate = soundfile.read(data / f"{signal}.flac", dtype="float64")
        yield x, rate, spans[str(ms)]


def _snr(x: np.ndarray, estimate: np.ndarray) -> float:
    return float(10.0 * np.log10(np.sum(x**2) / np.sum((x - estimate) ** 2)))


def _published(data: Path, lengths: list[int]) -> Iterator[tuple[str, list[float]]]:
    """Mean SNR of the published outputs, and the best of them at every length."""
    found: dict[str, dict[int, list[float]]] = {}
    with (data / "reference_snr.csv").open() as file:
        for row in csv.DictReader(file):
            found.setdefault(row["method"], {}).setdefault(int(row["gap_ms"]), []).append(float(row["mean_gap_snr_db"]))
    means = {method: [float(np.mean(by_length[ms])) for ms in lengths] for method, by_length in found.items()}
    for method in ("ASPAIN", "Janssen"):
        yield f"published {method}", means[method]
    yield "published, best", [max(column) for column in zip(*means.values(), strict=True)]


def _header(lengths: list[int]) -> str:
    columns = " | ".join(f"{ms:>3} ms (CPU-s)" for ms in lengths)
    return f"SNR in dB (CPU seconds per gap)\n{'method':18s} | {columns}"


def _line(label: str, snr: list[float], seconds: list[float | None]) -> str:
    cells = [f"{v:6.2f}" + (" " * 8 if s is None else f" {s:7.4f}") for v, s in zip(snr, seconds, strict=True)]
    return f"{label:18s} | " + " | ".join(cells)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the standard signals")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), help="rows to measure")
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS), help="gap lengths in milliseconds")
    parser.add_argument("--store", action="store_true", help="write what was measured to benchmarks/standard.json")
    return parser.parse_args()


if __name__ == "__main__":
    main()
