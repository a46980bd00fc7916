"""How far the confidence of `auto` can be trusted.

    python benchmarks/confidence.py --data ../shared/data                   # measure on test/, print the table
    python benchmarks/confidence.py --data ../shared/data --write PAGE      # and write the page
    python benchmarks/confidence.py --data ../shared/data --fit             # find the constants on music/ and speech/

One gap at a time, 5 to 80 ms, at random where there is sound. What a fill explains of a gap is
1 - |x - x_hat|^2 / |x|^2, at least 0. The constants of `caesura.autoregression.calibration` come from `music` and
`speech`; the page is measured on `test`, which no constant has seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import spearmanr

from caesura.autoregression import calibration
from caesura.methods import build
from caesura.problem import Problem, Region
from caesura.restoration import restore

Array = NDArray[np.float64]

SECONDS = 6.0  # of an excerpt
LENGTHS = (5, 10, 20, 30, 50, 80)  # milliseconds
QUIET = 0.1  # of the excerpt's level: a gap below it holds no sound to speak of
EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)
ABOUT = """\
# How far the confidence of `auto` can be trusted

Made by `python benchmarks/confidence.py --data DIR --write docs/benchmarks/confidence.md`. The constants were fitted on
other recordings (`--fit`). *Told* is the mean confidence of the gaps in a row, *true* the mean share of the energy that
their fills explain; one gap at a time, 5 to 80 ms, in 30 clips of music, voice, speech and environment.
"""


@dataclass(frozen=True)
class Gap:
    """What was told of one gap and what was true."""

    confidence: float
    explained: float


def main() -> None:
    """Fit or measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with music, speech and test")
    parser.add_argument("--fit", action="store_true", help="find the constants instead of measuring them")
    parser.add_argument("--each", type=int, default=8, help="gaps per recording, default %(default)s")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="Markdown page")
    asked = parser.parse_args()
    if asked.fit:
        files = [*sorted((asked.data / "music").rglob("*.ogg")), *sorted((asked.data / "speech").rglob("*.ogg"))[::12]]
        gaps = [gap for quality in ("default", "best") for gap in measure(files, quality, asked.each)]
        offset, slope = fit(gaps)
        print(f"OFFSET = {offset:.3f}\nSLOPE = {slope:.3f}\n{len(gaps)} gaps")
        return
    files = sorted((asked.data / "test").rglob("*.flac"))
    text = page({quality: measure(files, quality, asked.each) for quality in ("default", "best")})
    print(text)
    if asked.write:
        asked.write.write_text(text)


def measure(files: list[Path], quality: str, each: int) -> list[Gap]:
    """Fill `each` gaps of every file."""
    method, found = build("auto", {"quality": quality}), []
    for number, path in enumerate(files):
        for x, rate, gap in _gaps(path, each, np.random.default_rng(number)):
            restored = restore(Problem(x, (gap,), rate), method)
            truth, filled = x[:, gap.start : gap.stop], restored.samples[:, gap.start : gap.stop]
            left = float(np.sum((truth - filled) ** 2) / np.sum(truth**2))
            told = np.mean([fill.confidence for fill in restored.fills if fill.confidence is not None])
            found.append(Gap(float(told), max(1.0 - left, 0.0)))
    return found


def _gaps(path: Path, each: int, rng: np.random.Generator) -> Iterator[tuple[Array, int, Region]]:
    info = soundfile.info(path)
    frames = min(int(SECONDS * info.samplerate), info.frames)
    for _ in range(each):
        first = int(rng.integers(info.frames - frames + 1))
        x = soundfile.read(path, start=first, frames=frames, dtype="float64", always_2d=True)[0].T
        length = round(LENGTHS[rng.integers(len(LENGTHS))] * info.samplerate / 1000)
        start = int(rng.integers(frames // 4, 3 * frames // 4 - length))
        if np.std(x[:, start : start + length]) > QUIET * np.std(x) > 0.0:
            yield x, info.samplerate, Region(start, start + length)


def fit(gaps: list[Gap]) -> tuple[float, float]:
    """Constants that bring what is told nearest to what is true, whatever they were while it was told."""
    told = np.clip([gap.confidence for gap in gaps], 1e-9, 1.0 - 1e-9)
    logit = (np.log(told / (1.0 - told)) - calibration.OFFSET) / calibration.SLOPE
    true = np.array([gap.explained for gap in gaps])

    def error(constants: Array) -> float:
        return float(np.sum((1.0 / (1.0 + np.exp(-constants[0] - constants[1] * logit)) - true) ** 2))

    offset, slope = minimize(error, [calibration.OFFSET, calibration.SLOPE], method="Nelder-Mead").x
    return float(offset), float(slope)


def page(measured: dict[str, list[Gap]]) -> str:
    """The page, by quality."""
    lines = [ABOUT]
    for quality, gaps in measured.items():
        told, true = np.array([g.confidence for g in gaps]), np.array([g.explained for g in gaps])
        linear, ranks = np.corrcoef(told, true)[0, 1], spearmanr(told, true)[0]
        off = np.sqrt(np.mean((told - true) ** 2))
        lines += [
            f"## Quality {quality}",
            "",
            f"{told.size} gaps. Correlation {linear:.2f}, of ranks {ranks:.2f};",
            f"mean told {told.mean():.2f}, true {true.mean():.2f}; one gap is off by {off:.2f} (root mean square).",
            "",
            "| told | gaps | mean told | mean true |",
            "|---|--:|--:|--:|",
        ]
        for low, high in pairwise(EDGES):
            own = (told >= low) & ((told < high) | (high == 1.0))
            if own.any():
                lines.append(f"| {low} to {high} | {own.sum()} | {told[own].mean():.2f} | {true[own].mean():.2f} |")
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
