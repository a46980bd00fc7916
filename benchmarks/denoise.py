"""Noise taken out of recordings: what is won over the noisy input and over an estimate that is nothing but zeros.

    python benchmarks/denoise.py --data DIR [--files 8] [--seconds 6] [--levels 20,10,5,0] [--methods cqtdiff] [--write]

White noise is added at a level below each recording's own. "stated" is told that level, the others estimate it with
its colour. Means over recordings, with the standard error of the gain over the noisy input.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from caesura.audio import open_audio
from caesura.denoising import Spectral, noise_spectrum
from caesura.evaluation import metrics
from caesura.methods import build
from caesura.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks" / "denoise.md"
BEGIN, END = "<!-- measured: begin -->\n", "<!-- measured: end -->\n"
FRAME = 2048
SOUND = (".wav", ".flac", ".ogg", ".aiff")

Row = tuple[float, float, float]
"""SNR and log-mel distance against the clean recording, and seconds."""


def recordings(folder: Path, count: int, seconds: float) -> Iterator[tuple[str, np.ndarray, int]]:
    """The middle of recordings (1, samples), evenly chosen in the order of their names."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SOUND)
    if not found:
        raise SystemExit(f"there are no sound files in {folder}")
    for path in found[:: max(len(found) // count, 1)][:count] if count else found:
        with open_audio(path) as reader:
            length = min(round(seconds * reader.info.sample_rate), reader.info.frames)
            start = (reader.info.frames - length) // 2
            yield path.stem, reader.read(start, start + length)[:1], reader.info.sample_rate


def cleaners(methods: Sequence[str]) -> dict[str, Callable[[np.ndarray, int, float], np.ndarray]]:
    """Row -> (noisy, rate, true level) -> estimate."""

    def stated(y: np.ndarray, rate: int, sigma: float) -> np.ndarray:
        return Spectral()(Problem(y, (), rate, noise=sigma), rng=np.random.default_rng(0))

    def estimated(y: np.ndarray, rate: int, sigma: float) -> np.ndarray:
        return Spectral().heard([y], rate)(Problem(y, (), rate), rng=np.random.default_rng(0))

    def by(spec: str) -> Callable[[np.ndarray, int, float], np.ndarray]:
        name, *settings = spec.split(":")
        method = build(name, dict(setting.split("=", 1) for setting in settings))

        def clean(y: np.ndarray, rate: int, sigma: float) -> np.ndarray:
            level = noise_spectrum([y], rate, FRAME).sigma
            problem = Problem(y, (), rate, noise=level)
            return method.denoise(problem, rng=np.random.default_rng(0))  # type: ignore[attr-defined,no-any-return]

        return clean

    rows = {
        "noisy input": lambda y, rate, sigma: y,
        "all zeros": lambda y, rate, sigma: np.zeros_like(y),
        "spectral, level stated": stated,
        "spectral": estimated,
    }
    return rows | {spec: by(spec) for spec in methods}


def row(x: np.ndarray, y: np.ndarray, rate: int, sigma: float, clean: Callable[..., np.ndarray]) -> Row:
    """Measures of one estimate."""
    before = time.process_time()
    estimate = clean(y, rate, sigma)
    spent = time.process_time() - before
    return metrics.snr(x, estimate), metrics.log_mel_distance(x, estimate, rate), spent


def main() -> int:
    """Measure, print, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--files", type=int, default=0, help="how many; 0: all")
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--levels", default="20,10,5,0", help="decibels of the recording over the noise")
    parser.add_argument("--methods", nargs="*", default=[])
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    given = parser.parse_args()
    levels, rows = [float(part) for part in given.levels.split(",")], cleaners(given.methods)
    found: dict[tuple[str, float], list[Row]] = {}
    names = []
    for stem, x, rate in recordings(given.data, given.files, given.seconds):
        names.append(stem)
        for level in levels:
            sigma = float(np.sqrt(np.mean(x**2))) * 10.0 ** (-level / 20.0)
            y = x + sigma * np.random.default_rng(len(names)).standard_normal(x.shape)
            for name, clean in rows.items():
                found.setdefault((name, level), []).append(row(x, y, rate, sigma, clean))
        print(f"{stem}: done", file=sys.stderr)
    text = page(found, list(rows), levels, names)
    print(text)
    if given.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


def page(found: dict[tuple[str, float], list[Row]], rows: list[str], levels: list[float], names: list[str]) -> str:
    """Tables as markdown."""
    head = " | ".join(f"{level:g} dB" for level in levels)
    parts = [
        f"    python benchmarks/denoise.py {' '.join(sys.argv[1:])}",
        f"{len(names)} recordings: {', '.join(names)}.",
    ]
    for k, (title, sign) in enumerate((("SNR, dB (higher is better)", 1), ("Log-mel distance (lower is better)", -1))):
        lines = [f"{title}\n", f"| | {head} |", "|---|" + "--:|" * len(levels)]
        for name in rows:
            cells = []
            for level in levels:
                own, noisy = (np.array([r[k] for r in found[each, level]]) for each in (name, "noisy input"))
                gain, error = own - noisy, np.std(own - noisy) / np.sqrt(len(own))
                extra = "" if name == "noisy input" else f" ({np.mean(gain):+.2f} ± {error:.2f})"
                better = "**" if sign * np.mean(gain) > 0 and name not in ("noisy input", "all zeros") else ""
                cells.append(f"{better}{np.mean(own):.2f}{better}{extra}")
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        parts.append("\n".join(lines))
    spent = ", ".join(
        f"{name} {np.mean([r[2] for level in levels for r in found[name, level]]):.2f}" for name in rows[2:]
    )
    return "\n\n".join([*parts, f"Processor seconds for each recording: {spent}."]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
