"""First guesses, starts of the walk and levels for `cqtdiff`, on recordings that are in no training and in no test.

    python benchmarks/cqtdiff_settings.py --music ../shared/data/music/by-sa [--rows spain,level] [--write]
    python benchmarks/cqtdiff_settings.py --music ../shared/data/music/by-sa --sampler [--write]

Three excerpts of each recording and gap length, 1.024 s at 16 kHz with the gap in the middle, where the gap is at most
20 dB quieter than the excerpt. Everything happens at the network's own rate, so nothing above 8 kHz counts. With
--write the table takes the place of the one in docs/benchmarks/cqtdiff.md. --sampler compares the walk with the
published one on five of the excerpts instead: 70 levels, Heun, churn, guidance 0.25 with projection.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from caesura.audio import read, resample
from caesura.diffusion import Seeded, Unconstrained, dpm_solver_2m, karras, sample
from caesura.evaluation.metrics import energy_loss, gap_snr, log_mel_distance, lsd
from caesura.methods import build
from caesura.methods._level import levelled
from caesura.networks.context import Context
from caesura.networks.cqt_lean import CqtLean
from caesura.networks.weights import load
from caesura.problem import Problem, Region

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "cqtdiff.md"
BEGIN, END = "<!-- settings: benchmarks/cqtdiff_settings.py writes what follows -->\n", "<!-- end of settings -->\n"
BEGIN_SAMPLER, END_SAMPLER = BEGIN.replace("settings:", "sampler:"), END.replace("settings", "sampler")
RATE, SAMPLES = 16_000, 16_384
MILLISECONDS = (50, 100, 200, 300)
EACH = 3  # excerpts of a recording for each length
SHARE = 0.6  # of the difference in level
LOW = 0.01  # lowest level of a walk
BATCH = 12
COMPARED = 5  # excerpts that the published sampler is run on: it takes half a minute for each
COMPARED_MILLISECONDS = (100, 200)
PUBLISHED = {"steps": "70", "conditioner": "guidance", "strength": "0.25", "solver": "heun", "start": "0", "level": "0"}


@dataclass(frozen=True, eq=False)
class Excerpt:
    """A second of music and where its gap lies."""

    number: int
    x: np.ndarray
    gap: slice

    @property
    def mask(self) -> np.ndarray:
        """True where reliable."""
        known = np.ones(SAMPLES, dtype=bool)
        known[self.gap] = False
        return known


def excerpts(folder: Path) -> list[Excerpt]:
    """All of them; the same ones every time."""
    rng, found = np.random.default_rng(1), []
    for path in sorted(folder.glob("*.ogg")):
        audio = read(path)
        x = resample(audio.samples.mean(axis=0, keepdims=True), audio.sample_rate, RATE)[0]
        for milliseconds in MILLISECONDS:
            length = milliseconds * RATE // 1000
            gap = slice(SAMPLES // 2 - length // 2, SAMPLES // 2 - length // 2 + length)
            for _ in range(EACH):
                while True:
                    start = int(rng.integers(0, x.size - SAMPLES))
                    part = x[start : start + SAMPLES]
                    whole = np.sqrt(np.mean(part**2))
                    if np.sqrt(np.mean(part[gap] ** 2)) > 0.1 * whole > 1e-4:
                        break
                found.append(Excerpt(len(found), part, gap))
    if not found:
        raise SystemExit(f"there are no .ogg files in {folder}")
    return found


def classical(name: str, **settings: str) -> Callable[[list[Excerpt]], np.ndarray]:
    """Fills of a method, (excerpts, samples)."""
    method = build(name, settings)

    def fill(some: list[Excerpt]) -> np.ndarray:
        problems = (Problem(e.x[None], (Region(e.gap.start, e.gap.stop),), RATE) for e in some)
        found = [method(problem, rng=np.random.default_rng(0))[0] for problem in problems]
        return np.stack([np.where(e.mask, e.x, y) for e, y in zip(some, found, strict=True)])

    return fill


def walked(some: list[Excerpt], guess: np.ndarray, start: float, steps: int) -> np.ndarray:
    """The network's fills, from a guess and as much noise as `start` says."""
    network, sigmas, filled = load("lean").eval(), karras(steps, LOW, start, 7.0), []
    for first in range(0, len(some), BATCH):
        part = some[first : first + BATCH]
        unknown = torch.from_numpy(np.stack([~e.mask for e in part]))
        context = Context(network, torch.from_numpy(guess[first : first + BATCH]).float(), unknown)  # type: ignore[arg-type]
        noise = Seeded([e.number for e in part])
        begin = context.guess + start * noise(context.guess)
        z = sample(context, Unconstrained(), None, sigmas, dpm_solver_2m, start=begin, noise=noise)
        found = context.colour(z).detach().double().numpy()
        filled += [np.where(e.mask, e.x, y) for e, y in zip(part, found, strict=True)]
    return np.stack(filled)


def scores(some: list[Excerpt], fills: np.ndarray) -> list[str]:
    """One cell per length."""
    cells = []
    for milliseconds in MILLISECONDS:
        rows = [judged(e, fill) for e, fill in zip(some, fills, strict=True) if lasts(e, milliseconds)]
        cells.append("{:.2f}, {:.2f}, {:.3f}, {:+.1f}".format(*np.mean(rows, axis=0)))
    return cells


def lasts(e: Excerpt, milliseconds: int) -> bool:
    """Whether the gap of an excerpt is so long."""
    return e.gap.stop - e.gap.start == milliseconds * RATE // 1000


def judged(e: Excerpt, fill: np.ndarray) -> tuple[float, float, float, float]:
    """SNR, log-spectral distance, log-mel distance and energy of a fill (samples,)."""
    x, y, mask = e.x[None], fill[None], e.mask[None]
    return (
        gap_snr(x, y, mask),
        lsd(x, y, mask=mask, n_fft=1024, hop_length=256),
        log_mel_distance(x, y, RATE, mask=mask),
        energy_loss(x, y, mask),
    )


@contextmanager
def counted() -> Iterator[list[int]]:
    """Counts how often the network is asked; a batch is asked once for all that is in it."""
    asked: list[int] = []
    forward = CqtLean.forward

    def noted(self: CqtLean, *given: Any, **more: Any) -> torch.Tensor:
        asked.append(1)
        return forward(self, *given, **more)

    CqtLean.forward = noted  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        CqtLean.forward = forward  # type: ignore[method-assign]


def samplers(some: list[Excerpt]) -> list[str]:
    """The walk and the published one on a few excerpts, one at a time, as lines of a table."""
    of_length = [e for e in some if any(lasts(e, m) for m in COMPARED_MILLISECONDS)]
    few = of_length[:: len(of_length) // COMPARED][:COMPARED]
    sparse, linear = classical("spain", learned="true"), classical("lpc")
    rows: dict[str, Callable[[list[Excerpt], np.ndarray | None], np.ndarray]] = {
        "ours, from a sparse guess (its own time not counted)": lambda one, guess: walked(one, guess, 1.0, 6),  # type: ignore[arg-type]
        "ours, from `lpc`": lambda one, guess: walked(one, guess, 2.0, 8),  # type: ignore[arg-type]
        "published: 70 levels, Heun, churn, guidance 0.25 with projection": lambda one, _: classical(
            "cqtdiff", weights="lean", **PUBLISHED
        )(one),
    }
    guesses: dict[str, Callable[[list[Excerpt]], np.ndarray] | None] = dict(
        zip(rows, (sparse, linear, None), strict=True)
    )
    lines = ["| sampler | evaluations | seconds per gap | SNR | log-spectral distance | log-mel | energy |",
             "|---|--:|--:|--:|--:|--:|--:|"]  # fmt: skip
    for name, fill in rows.items():
        found, spent, evaluations = [], [], []
        for e in few:
            first = guesses[name]
            guess = None if first is None else first([e])
            with counted() as asked:
                before = time.process_time()
                filled = fill([e], guess)[0]
                spent.append(time.process_time() - before)
            found.append(judged(e, filled))
            evaluations.append(len(asked))
        means = "{:.2f} | {:.2f} | {:.3f} | {:+.1f}".format(*np.mean(found, axis=0))
        lines.append(f"| {name} | {np.mean(evaluations):g} | {np.mean(spent):.2f} | {means} |")
        print(lines[-1], flush=True)
    return lines


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--rows", default="", help="only rows whose names hold one of these words")
    parser.add_argument("--sampler", action="store_true", help="compare with the published sampler instead")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    some = excerpts(given.music)
    if given.sampler:
        put(samplers(some), BEGIN_SAMPLER, END_SAMPLER, write=given.write)
        return 0
    lines = ["| fill |" + "".join(f" {m} ms |" for m in MILLISECONDS), "|---|" + "---|" * len(MILLISECONDS)]
    guesses: dict[str, np.ndarray] = {}

    def guessed(name: str) -> np.ndarray:
        if name not in guesses:
            guesses[name] = classical("lpc")(some) if name == "lpc" else classical("spain", learned="true")(some)
        return guesses[name]

    def levels(fills: np.ndarray, share: float) -> np.ndarray:
        return np.stack([levelled(y, e.mask, RATE, share) for e, y in zip(some, fills, strict=True)])

    rows: dict[str, Callable[[], np.ndarray]] = {
        "`lpc`": lambda: guessed("lpc"),
        "`spain`, learned": lambda: guessed("spain"),
        **{f"`spain`, learned, level {s}": lambda s=s: levels(guessed("spain"), s) for s in (0.3, 0.6, 0.9)},  # type: ignore[misc]
        "network from `lpc`, start 2": lambda: walked(some, guessed("lpc"), 2.0, 8),
        "network from `spain`, start 2": lambda: walked(some, guessed("spain"), 2.0, 8),
        "network from `spain`, start 1": lambda: walked(some, guessed("spain"), 1.0, 6),
        "network from `spain`, start 0.5": lambda: walked(some, guessed("spain"), 0.5, 5),
        "network from `spain`, start 1, level 0.6": lambda: levels(walked(some, guessed("spain"), 1.0, 6), SHARE),
    }
    for name, fill in rows.items():
        if any(word in name for word in given.rows.split(",")):
            lines.append(f"| {name} | " + " | ".join(scores(some, fill())) + " |")
            print(lines[-1], flush=True)
    put(lines, BEGIN, END, write=given.write)
    return 0


def put(lines: list[str], begin: str, end: str, *, write: bool) -> None:
    """Put a table into the page, between its marks."""
    if write:
        before, _, rest = PAGE.read_text().partition(begin)
        PAGE.write_text(f"{before}{begin}\n" + "\n".join(lines) + f"\n\n{end}{rest.partition(end)[2]}")


if __name__ == "__main__":
    sys.exit(main())
