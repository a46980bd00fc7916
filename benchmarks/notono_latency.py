"""How long a selection of `notono` takes to repaint, by its size: from the sound to the sound, and the drawing alone.

    python benchmarks/notono_latency.py [--weights FOLDER] [--preset cpu] [--threads 4] [--repeats 20] [--write]

The networks are those of a preset, untrained unless weights are named: the time is the same, codes are drawn from
whatever the network says. The note is four seconds at 16 kHz. "Uncached" draws the same codes with the whole network
once for every code, as the published program does; it is measured on one second only.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from caesura.methods import _notono, notono
from caesura.methods._notono import Networks, open_networks, repaint
from caesura.networks.codemap_transformer import PRESETS as FILLERS
from caesura.networks.codemap_transformer import CodemapTransformer
from caesura.networks.sampling import Draw
from caesura.networks.vqvae2 import PRESETS as CODERS
from caesura.networks.vqvae2 import Vqvae2
from caesura.problem import Problem, Region
from caesura.restoration import restore

RATE = 16_000
SECOND = 16_384  # samples of a coarse column
PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks" / "notono-latency.md"
SELECTIONS = {
    "0.25 s, 300-1200 Hz": Region(20_000, 24_000, 300.0, 1200.0),
    "0.25 s, full band": Region(20_000, 24_000),
    "1 s, lowest quarter of the rows": Region(SECOND, 2 * SECOND - 256, 0.0, 342.0),
    "1 s, full band": Region(SECOND, 2 * SECOND - 256),
    "2 s, full band": Region(SECOND, 3 * SECOND - 256),
    "4 s, from nothing": Region(0, 64_000),
}


def note() -> NDArray[np.float64]:
    """A plucked sound of four seconds (1, samples)."""
    t = np.arange(64_000) / RATE
    return np.atleast_2d(sum(0.3 / k * np.exp(-k * t / 2) * np.sin(2 * np.pi * 220.0 * k * t) for k in range(1, 20)))


def untrained(preset: str) -> tuple[Vqvae2, CodemapTransformer, CodemapTransformer]:
    """The networks of a preset."""
    torch.manual_seed(0)
    top, bottom = (CodemapTransformer(FILLERS[f"{name}-{preset}"]) for name in ("top", "bottom"))
    return Vqvae2(CODERS[preset]), top, bottom


def timed(work: Callable[[int], object], repeats: int) -> tuple[float, float, float]:
    """Median and 95th percentile of milliseconds, and the median of those that processors worked, after a first run."""
    work(0)
    passed, worked = [], []
    for k in range(repeats):
        begin, busy = time.perf_counter(), time.process_time()
        work(k)
        passed.append(1e3 * (time.perf_counter() - begin))
        worked.append(1e3 * (time.process_time() - busy))
    return float(np.median(passed)), float(np.quantile(passed, 0.95)), float(np.median(worked))


def one_second() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Cells of the second second of both maps."""
    top, bottom = np.zeros((32, 4), bool), np.zeros((64, 8), bool)
    top[:, 1] = bottom[:, 2:4] = True
    return top, bottom


def drawn(networks: Networks) -> Callable[[int], object]:
    """Draw the codes of one second of both maps."""
    generator = torch.Generator().manual_seed(0)
    shapes, count = ((1, 32, 4), (1, 64, 8)), networks.top.shape.codes
    top, bottom = (torch.randint(count, shape, generator=generator) for shape in shapes)
    chance = torch.rand(shapes[0], generator=generator), torch.rand(shapes[1], generator=generator)
    labels, draw = torch.tensor([[36, 6, 2]]), Draw(1.0, top_p=0.8)

    def work(_: int) -> object:
        return repaint(networks, (top, bottom), one_second(), labels, draw, chance, lambda fraction: None)

    return work


def uncached(networks: Networks) -> Callable[[int], object]:
    """The same with the whole network for every code."""
    generator = torch.Generator().manual_seed(0)
    labels, draw = torch.tensor([[36, 6, 2]]), Draw(1.0, top_p=0.8)

    @torch.inference_mode()
    def work(_: int) -> None:
        top = torch.randint(networks.top.shape.codes, (1, 32, 4), generator=generator)
        bottom = torch.randint(networks.top.shape.codes, (1, 64, 8), generator=generator)
        for network, codes, missing, coarse in zip(
            (networks.top, networks.bottom), (top, bottom), one_second(), (None, top), strict=True
        ):
            known = torch.from_numpy(~missing)
            for cell in network.order.tolist():
                row, column = divmod(cell, codes.shape[2])
                if not known[row, column]:
                    logits = network(codes, known[None], labels, coarse)[:, row, column]
                    codes[:, row, column] = draw(logits, torch.rand(1, generator=generator))

    return work


def row(name: str, milliseconds: tuple[float, ...]) -> str:
    """A line of the table."""
    return f"| {name} | " + " | ".join(f"{value:.0f}" for value in milliseconds) + " |"


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="", help="folder of weights; untrained networks of the preset by default")
    parser.add_argument("--preset", default="cpu", choices=("tiny", "cpu", "gpu"))
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="write the page")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if not given.weights:
        _notono._untrained = lambda: untrained(given.preset)
    method = notono.Notono(given.weights or "tiny", pitch=60, family="mallet")
    networks, x = open_networks(method.weights), note()
    rows = []
    for name, region in SELECTIONS.items():

        def work(seed: int, region: Region = region) -> object:
            return restore(Problem(x, (region,), RATE), method, seed=seed)

        rows.append(row(name, timed(work, given.repeats)))
    fast, slow = timed(drawn(networks), given.repeats), timed(uncached(networks), max(given.repeats // 10, 1))
    rows += [row("codes of 1 s, full band, alone", fast), row("the same, uncached", slow)]
    threads = f"{given.threads} thread{'s' * (given.threads > 1)}"
    head = (
        f"# How long repainting takes\n\nWritten by `python benchmarks/notono_latency.py --preset {given.preset} "
        f"--threads {given.threads} --write`: networks of the preset `{given.preset}`, a note of 4 s at 16 kHz, "
        f"{threads} on {os.cpu_count()} cores ({platform.machine()}), {given.repeats} runs. The machine's load was "
        f"{os.getloadavg()[0]:.1f}: above the number of cores, time passes while others work, and the last column says "
        "what a quiet machine would take with one thread.\n\n"
        "| selection | median, ms | 95th percentile, ms | processors, median, ms |\n|---|---|---|---|\n"
    )
    ratio = f"\nRemembering what was attended to draws the codes {slow[2] / fast[2]:.1f} times as fast.\n"
    text = head + "\n".join(rows) + "\n" + ratio
    print(text)
    if given.write:
        PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
