"""What the other channel is worth when only one is damaged: SNR with and without it, on real and on made stereo.

    python benchmarks/stereo.py --data ../shared/data [--gaps 6] [--write docs/benchmarks/stereo.md]

The stereo clips of `test/` lose one channel for 20, 50 or 100 ms, left and right in turn, at random places where there
is sound, the same for both rows. `auto` fills them with and without the other channel. The second table is stereo made
of the mono recordings of `music/`: one or two sources in synthetic rooms, two unrelated recordings as a control, and
the same recording on both sides with noise of its own on each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from caesura.data.damage import sounding
from caesura.inpainter import Note
from caesura.methods import build
from caesura.problem import Problem, Region

Array = NDArray[np.float64]

GAPS_MS = (20, 50, 100)
SEED = 2027  # the settings were chosen on other places of other recordings
SECONDS = 20
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def recorded(data: Path) -> Iterator[tuple[str, Array, int]]:
    """The stereo clips of the test set."""
    for path in sorted((data / "test").rglob("*.flac")):
        x, rate = soundfile.read(path, always_2d=True)
        if x.shape[1] == 2:
            yield path.stem, np.ascontiguousarray(x.T), rate


def made(data: Path) -> Iterator[tuple[str, Array, int]]:
    """Stereo made of mono recordings."""
    rng = np.random.default_rng(SEED)
    rate = 44_100

    def source(name: str) -> Array:
        x, _ = soundfile.read(data / "music" / f"{name}.ogg", start=60 * rate, frames=SECONDS * rate)
        return np.asarray(x / np.sqrt(np.mean(x**2)))

    def mixed(*sources: tuple[str, tuple[int, float], tuple[int, float]], wet: float, noise: float = 1e-3) -> Array:
        y = np.zeros((2, SECONDS * rate))
        for name, *ways in sources:
            x = source(name)
            for channel, (delay, gain) in enumerate(ways):
                room = wet * rng.standard_normal(4000) * np.exp(-np.arange(4000) / 900.0) / 21.0
                room[delay] += gain
                y[channel] += oaconvolve(x, room)[: x.size]
        return np.asarray(0.1 * (y + noise * rng.standard_normal(y.shape)))

    piano, choir, canon = "satie_gymnopedie_1", "byrd_mass_4_agnus_dei", "pachelbel_canon"
    yield "one source, delay of 8 samples, dry", mixed((piano, (3, 1.0), (11, 0.7)), wet=0.0), rate
    yield "one source, two rooms", mixed((canon, (3, 1.0), (33, 0.8)), wet=0.5), rate
    yield "two sources panned, dry", mixed((choir, (3, 1.0), (3, 0.4)), (piano, (3, 0.4), (3, 1.0)), wet=0.0), rate
    yield "two sources, two rooms", mixed((choir, (3, 1.0), (18, 0.5)), (piano, (15, 0.5), (3, 1.0)), wet=0.3), rate
    yield "unrelated recordings", np.stack([0.1 * source(piano), 0.1 * source(canon)]), rate
    yield "the same, noise at -60 dB on each", mixed((choir, (0, 1.0), (0, 1.0)), wet=0.0), rate


def places(x: Array, rate: int, length: int, count: int, rng: np.random.Generator) -> list[int]:
    """Starts of gaps where both channels sound throughout."""
    margin = min(rate // 2, x.shape[1] // 4)
    silent = np.concatenate([[0], np.cumsum(~(sounding(x[:1], rate) & sounding(x[1:], rate)))])
    starts = np.arange(margin, x.shape[1] - margin - length)
    starts = starts[silent[starts + length] == silent[starts]]
    return sorted(int(s) for s in rng.choice(starts, size=min(count, starts.size), replace=False))


def gains(x: Array, rate: int, ms: int, count: int, quality: str) -> tuple[Array, int, float]:
    """SNR (gaps, 2) without and with the other channel, how often it was used, seconds per gap with it."""
    rng = np.random.default_rng((SEED, ms))
    length, values, used, spent = round(ms * rate / 1000), [], 0, 0.0
    auto = build("auto", {"quality": quality, "max_gap": 1.0})
    for k, start in enumerate(places(x, rate, length, count, rng)):
        channel, gap = k % 2, slice(start, start + length)
        around = slice(max(start - 2 * rate, 0), start + length + 2 * rate)
        here = Region(start - around.start, start - around.start + length, channel=channel)
        true, row = x[channel, gap], []
        for heard in (x[channel : channel + 1, around], x[:, around]):
            own = here if len(heard) == 2 else Region(here.start, here.stop)
            notes: list[Note] = []
            began = time.process_time()
            y = auto(Problem(heard, (own,), rate), rng=rng, note=notes.append)
            took = time.process_time() - began
            wrong = y[channel if len(heard) == 2 else 0, here.start : here.stop] - true
            row.append(10.0 * np.log10((true @ true) / max(float(wrong @ wrong), 1e-12)))
        used += "taps" in notes[0].parameters
        spent += took
        values.append(row)
    return np.array(values), used, spent / max(len(values), 1)


def table(clips: list[tuple[str, Array, int]], count: int, quality: str) -> list[str]:
    """SNR without and with the other channel, and the mean gain with the standard error over the clips."""
    lines = ["| clip | " + " | ".join(f"{ms} ms: alone / with, used" for ms in GAPS_MS) + " |"]
    lines.append("|---|" + "---|" * len(GAPS_MS))
    means: list[list[Array]] = [[] for _ in GAPS_MS]
    seconds: list[list[float]] = [[] for _ in GAPS_MS]
    for name, x, rate in clips:
        cells = []
        for k, ms in enumerate(GAPS_MS):
            values, used, took = gains(x, rate, ms, count, quality)
            means[k].append(values.mean(axis=0))
            seconds[k].append(took)
            alone, both = values.mean(axis=0)
            cells.append(f"{alone:.1f} / **{both:.1f}**, {used} of {len(values)}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    cells = []
    for own, took in zip(means, seconds, strict=True):
        alone, both = np.mean(own, axis=0)
        gain = np.diff(own, axis=1)
        error = float(np.std(gain, ddof=1) / np.sqrt(len(gain)))
        cells.append(f"{alone:.1f} / **{both:.1f}**, {both - alone:+.1f} ± {error:.1f} dB, {np.mean(took):.2f} s a gap")
    return [*lines, "| mean | " + " | ".join(cells) + " |"]


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--gaps", type=int, default=6, help="gaps per clip and length")
    parser.add_argument("--quality", default="default", choices=("default", "best"))
    parser.add_argument("--write", type=Path, help="document whose measured part is replaced")
    options = parser.parse_args()
    lines = ["### Recorded stereo", "", *table(list(recorded(options.data)), options.gaps, options.quality), ""]
    lines += ["### Made stereo", "", *table(list(made(options.data)), options.gaps, options.quality)]
    print("\n".join(lines))
    if options.write:
        head, rest = options.write.read_text(encoding="utf-8").split(BEGIN)
        tail = rest.split(END)[1]
        options.write.write_text("\n".join([head + BEGIN, "", *lines, "", END + tail]), encoding="utf-8")


if __name__ == "__main__":
    main()
