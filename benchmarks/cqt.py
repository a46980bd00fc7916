"""Time and memory of the constant-Q transform against transforms of the published kinds, written here from their text.

    python benchmarks/cqt.py [--seconds 4.1765 60] [--repeats 15] [--write]

All transforms share the bands of the newest published one (64 bins in each of 8 octaves, its window and its spacing),
44.1 kHz, single precision, one thread. "gather" keeps a dense table of windows and one of indices, and gathers and adds
only what is in the bands, as the newest program does; "dense" multiplies the spectrum by the dense table and takes the
frames from the product, as the program of the published checkpoints does. Processor time is taken in one process, the
transforms taking turns, and the least of all turns counts; memory is taken in a process of its own for each. `--write`
puts the tables into docs/benchmarks/cqt.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from torch import Tensor

from caesura.codecs._nsgt import window_at
from caesura.codecs.cqt import Cqt

RATE = 44_100
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "cqt.md"
LONGEST_DENSE = 10.0  # seconds; its products take 0.3 GB for each
GIGABYTE, MEGABYTE = 2.0**30, 2.0**20
ROUNDING = 1e-4  # relative: all transforms compute the same
# What the reference sheet measured for the published programs on another machine: seconds of forward and inverse,
# peak gigabytes, gigabytes of tables.
SHEET = {
    "gather": {4.1765: (0.0034, 0.014, 0.83, 0.555), 60.0: (0.06, 0.24, 8.83, 8.0)},
    "dense": {4.1765: (0.47, 0.24, 1.52, 0.55)},
}


class Gather:
    """Dense tables, sparse work: one gather per octave forward, one addition by index backward."""

    def __init__(self, cqt: Cqt) -> None:
        bands, half = cqt.bands, cqt.bands.grid // 2 + 1
        self.cqt, self.count = cqt, sum(bands.bins)
        self.windows = torch.zeros(self.count, half)
        self.indices = torch.zeros(self.count, half, dtype=torch.int64)
        for k, (center, width) in enumerate(zip(bands.centers[1:-1], bands.widths[1:-1], strict=True)):
            offset = np.arange(-(width // 2), (width + 1) // 2)
            seen = torch.from_numpy(center + offset)
            self.windows[k, seen] = torch.from_numpy(window_at(offset, int(width), bands.window)).float()
            self.indices[k] = torch.arange(half)
        slots = [bands.slots(o) for o in range(len(bands.bins))]
        self.gathered = [torch.from_numpy(index) for index, _ in slots]
        self.weights = [torch.from_numpy(window).float() for _, window in slots]
        self.added = torch.cat([index.flatten() for index in self.gathered])

    def tables(self) -> list[Tensor]:
        """What is kept between calls."""
        return [self.windows, self.indices, self.added, *self.gathered, *self.weights]

    def encode(self, x: Tensor) -> list[Tensor]:
        """Grids of signals (batch, samples)."""
        spectrum = torch.fft.rfft(x, self.cqt.bands.grid)
        pairs = zip(self.gathered, self.weights, strict=True)
        return [torch.fft.ifft(spectrum[:, index] * weight) for index, weight in pairs]

    def decode(self, z: Sequence[Tensor]) -> Tensor:
        """Signals of grids."""
        frames = self.cqt.bands.frames
        triples = zip(z, self.weights, frames, strict=True)
        slots = torch.cat([(torch.fft.fft(g) * (w * t)).flatten(1) for g, w, t in triples], dim=1)
        spectrum = slots.new_zeros(slots.shape[0], self.cqt.bands.grid // 2 + 1).index_add(1, self.added, slots)
        return torch.fft.irfft(spectrum * self.cqt.inverse_diagonal, self.cqt.bands.grid)[:, : self.cqt.samples]


class Dense(Gather):
    """Dense tables, dense work: the spectrum times every window over all frequencies, both ways."""

    def encode(self, x: Tensor) -> list[Tensor]:
        """Grids of signals (batch, samples)."""
        product = torch.fft.rfft(x, self.cqt.bands.grid)[:, None] * self.windows
        first, grids = 0, []
        for index, weight in zip(self.gathered, self.weights, strict=True):
            part = product[:, first : first + len(index)]
            kept = torch.take_along_dim(part, index[None], dim=2) * (weight != 0.0)
            grids.append(torch.fft.ifft(kept))
            first += len(index)
        return grids

    def decode(self, z: Sequence[Tensor]) -> Tensor:
        """Signals of grids."""
        half, first, spectrum = self.cqt.bands.grid // 2 + 1, 0, torch.zeros(())
        for grid, index, weight, frames in zip(z, self.gathered, self.weights, self.cqt.bands.frames, strict=True):
            slots = torch.fft.fft(grid) * (frames * (weight != 0.0))
            wide = slots.new_zeros(*slots.shape[:2], half).scatter_add(2, index.expand(slots.shape), slots)
            spectrum = spectrum + (wide * self.windows[first : first + len(index)]).sum(dim=1)
            first += len(index)
        return torch.fft.irfft(spectrum * self.cqt.inverse_diagonal, self.cqt.bands.grid)[:, : self.cqt.samples]


class Ours:
    """The package's own."""

    def __init__(self, cqt: Cqt) -> None:
        self.encode, self.decode, self.tables = cqt.encode, cqt.decode, lambda: list(cqt.buffers())


KINDS: dict[str, Callable[[Cqt], Gather | Ours]] = {"caesura": Ours, "gather": Gather, "dense": Dense}
JOBS = ("forward", "inverse", "gradient")


def transform(seconds: float) -> Cqt:
    """The transform of a signal of that many seconds."""
    return Cqt(round(seconds * RATE), RATE, window="published", spacing="exact")


def kinds(seconds: float) -> list[str]:
    """Transforms that fit in memory and patience at that length."""
    return [name for name in KINDS if name != "dense" or seconds <= LONGEST_DENSE]


def times(seconds: float, batch: int, repeats: int) -> dict[str, dict[str, float]]:
    """Least processor seconds of every transform and job; the transforms take turns, "dense" only three."""
    cqt = transform(seconds)
    x = torch.randn(batch, cqt.samples, generator=torch.Generator().manual_seed(0), requires_grad=True)
    still, grids = x.detach(), cqt.encode(x.detach())
    both = {name: KINDS[name](cqt) for name in kinds(seconds) if batch == 1 or name != "dense"}
    for one in both.values():
        torch.testing.assert_close(one.decode(one.encode(still)), cqt.decode(grids), rtol=0.0, atol=ROUNDING)
    jobs: dict[str, Callable[[Gather | Ours], object]] = {
        "forward": lambda one: one.encode(still),
        "inverse": lambda one: one.decode(grids),
        "gradient": lambda one: torch.autograd.grad(one.decode(one.encode(x)).square().sum(), x),
    }
    best = {name: dict.fromkeys(JOBS, float("inf")) for name in both}
    for turn in range(repeats):
        order = list(both.items())[:: 1 if turn % 2 else -1]  # nobody always comes first
        for job, run in jobs.items():
            for name, one in order:
                if name == "dense" and (turn >= 3 or job == "gradient"):
                    continue
                start = time.process_time()
                run(one)
                best[name][job] = min(best[name][job], time.process_time() - start)
    return best


def memory(name: str, seconds: float) -> dict[str, float]:
    """Gigabytes of one transform that encodes, decodes and differentiates; run in a process of its own."""
    base = peak_so_far()
    start = time.process_time()
    one = KINDS[name](transform(seconds))
    build = time.process_time() - start
    tables = sum(table.numel() * table.element_size() for table in one.tables()) / GIGABYTE
    x = torch.randn(1, round(seconds * RATE), requires_grad=True)
    one.decode(one.encode(x.detach()))
    peak = peak_so_far()
    if name == "dense":
        return {"base": base, "build": build, "tables": tables, "peak": peak - base, "learning": float("nan")}
    torch.autograd.grad(one.decode(one.encode(x)).square().sum(), x)
    learning = peak_so_far()
    return {"base": base, "build": build, "tables": tables, "peak": peak - base, "learning": learning - base}


def peak_so_far() -> float:
    """Gigabytes of memory that this process has held at most, on Linux."""
    status = Path("/proc/self/status").read_text()
    return float(status.split("VmHWM:")[1].split()[0]) * 1024 / GIGABYTE


def in_a_process(name: str, seconds: float) -> dict[str, float]:
    """`memory`, measured where nothing else is held."""
    command = [sys.executable, __file__, "--child", name, "--seconds", str(seconds)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def ratio(own: float, other: float) -> str:
    """Own over other."""
    return f"{own / other:.2f}" if own >= 0.1 * other else f"1/{other / own:.0f}"


def pad(cells: list[str]) -> list[str]:
    """As many cells as there are jobs."""
    return cells + [""] * (len(JOBS) - len(cells))


def time_rows(seconds: float, batch: int, repeats: int) -> list[list[str]]:
    """One row for every transform."""
    found = times(seconds, batch, repeats)
    rows = []
    for name, jobs in found.items():
        cells = [f"{seconds:g} s", str(batch), name]
        taken = [job for job in JOBS if jobs[job] < float("inf")]
        own = [] if name == "caesura" else [ratio(found["caesura"][job], jobs[job]) for job in taken]
        cells += pad([f"{1000 * jobs[job]:.1f}" for job in taken])
        rows.append(cells + pad(own))
    return rows


def memory_rows(seconds: float) -> list[list[str]]:
    """One row for every transform."""
    found = {name: in_a_process(name, seconds) for name in kinds(seconds)}
    own = found["caesura"]
    rows = []
    for name, one in found.items():
        cells = [f"{seconds:g} s", name, f"{one['build']:.2f}", f"{one['tables'] * GIGABYTE / MEGABYTE:.1f}"]
        keys = [key for key in ("tables", "peak", "learning") if one[key] == one[key]]
        cells += [f"{one[key] * GIGABYTE / MEGABYTE:.0f}" for key in keys[1:]] + [""] * (3 - len(keys))
        rows.append(cells + pad([] if name == "caesura" else [ratio(own[key], one[key]) for key in keys]))
    return rows


def sheet_rows(seconds: Sequence[float], base: float) -> list[list[str]]:
    """What was measured elsewhere."""
    rows = []
    for name, lengths in SHEET.items():
        for length in (length for length in seconds if length in lengths):
            forward, inverse, peak, tables = lengths[length]
            cells = [
                f"{1000 * forward:.1f}",
                f"{1000 * inverse:.1f}",
                f"{1000 * tables:.0f}",
                f"{1000 * (peak - base):.0f}",
            ]
            rows.append([f"{length:g} s", name, *cells])
    return rows


def page(seconds: Sequence[float], repeats: int) -> str:
    """The whole page."""
    spaces = [row for length in seconds for row in memory_rows(length)]
    runs = [(length, batch) for length in seconds for batch in ((1, 4) if length <= LONGEST_DENSE else (1,))]
    speeds = [row for length, batch in runs for row in time_rows(length, batch, repeats)]
    intro = " ".join(__doc__.split("\n\n")[2].split())
    over = ["forward, ratio", "inverse, ratio", "gradient, ratio"]
    more = ["tables, ratio", "peak, ratio", "gradient, ratio"]
    return "\n\n".join(
        [
            "# The constant-Q transform: time and memory",
            "`python benchmarks/cqt.py --write` made this page; do not edit.",
            intro,
            f"torch {torch.__version__} on {platform.machine()}, {os.cpu_count()} shared cores. A ratio is caesura's "
            "figure over that of the row: below 1 caesura takes less.",
            "## Processor time, milliseconds",
            "*gradient*: forward, inverse, and the derivative of both.",
            table(["length", "batch", "transform", *JOBS, *over], speeds),
            "## Memory, MB",
            "*tables*: held between calls. *peak*: on top of Python and torch, while building, encoding and decoding. "
            "*gradient*: the same with a derivative. *build*: seconds.",
            table(["length", "transform", "build", "tables", "peak", "gradient", *more], spaces),
            "## The published programs themselves",
            "Measured on another machine with the programs as published: milliseconds; memory in MB, the peak on top "
            "of Python and torch.",
            table(["length", "kind", "forward", "inverse", "tables", "peak"], sheet_rows(seconds, 0.22)),
        ]
    )


def main() -> None:
    """Measure, print, and write the page if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, nargs="+", default=[4.1765, 60.0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name} in docs/benchmarks")
    parser.add_argument("--child", choices=list(KINDS), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.child:
        print(json.dumps(memory(asked.child, asked.seconds[0])))
        return
    text = page(asked.seconds, asked.repeats)
    print(text)
    if asked.write:
        PAGE.write_text(text + "\n")


if __name__ == "__main__":
    main()
