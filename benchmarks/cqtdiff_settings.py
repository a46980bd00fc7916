"""First guesses, starts of the walk and levels for `cqtdiff`, on recordings that are in no training and in no test.

    python benchmarks/cqtdiff_settings.py --music ../shared/data/music/by-sa [--rows spain,level] [--write]

Three excerpts of each recording and gap length, 1.024 s at 16 kHz with the gap in the middle, where the gap is at most
20 dB quieter than the excerpt. Everything happens at the network's own rate, so nothing above 8 kHz counts. With
--write the table takes the place of the one in docs/benchmarks/cqtdiff.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from caesura.audio import read, resample
from caesura.diffusion import Seeded, Unconstrained, dpm_solver_2m, karras, sample
from caesura.evaluation.metrics import energy_loss, gap_snr, log_mel_distance, lsd
from caesura.methods import build
from caesura.methods._level import levelled
from caesura.networks.context import Context
from caesura.networks.weights import load
from caesura.problem import Problem, Region

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "cqtdiff.md"
BEGIN, END = "<!-- settings: benchmarks/cqtdiff_settings.py writes what follows -->\n", "<!-- end of settings -->\n"
RATE, SAMPLES = 16_000, 16_384
MILLISECONDS = (50, 100, 200, 300)
EACH = 3  # excerpts of a recording for each length
SHARE = 0.6  # of the difference in level
LOW = 0.01  # lowest level of a walk
BATCH = 12


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
        rows = []
        for e, fill in zip(some, fills, strict=True):
            if e.gap.stop - e.gap.start == milliseconds * RATE // 1000:
                x, y, mask = e.x[None], fill[None], e.mask[None]
                rows.append(
                    (
                        gap_snr(x, y, mask),
                        lsd(x, y, mask=mask, n_fft=1024, hop_length=256),
                        log_mel_distance(x, y, RATE, mask=mask),
                        energy_loss(x, y, mask),
                    )
                )
        cells.append("{:.2f}, {:.2f}, {:.3f}, {:+.1f}".format(*np.mean(rows, axis=0)))
    return cells


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True)
    parser.add_argument("--rows", default="", help="only rows whose names hold one of these words")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    some = excerpts(given.music)
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
    if given.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n\n{END}{rest.partition(END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
