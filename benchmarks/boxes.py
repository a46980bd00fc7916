"""Boxes of the time-frequency plane: what comes back inside, and how a phone ring disappears from speech.

    python benchmarks/boxes.py --data ../shared/data            # writes docs/benchmarks/boxes.md
    python benchmarks/boxes.py --data ../shared/data --seeds 3 --limit 4
    python benchmarks/boxes.py --data ../shared/data --step 6 --methods janssen_tf,nmf,cqtdiff --report boxes.md

Every clip of `test/` and `standard/` (first channel, own rate) loses one box of each of nine shapes, 0.1, 0.25 and
0.5 s by 200-800, 800-3200 and 3200-8000 Hz. The place is drawn uniformly, at least a second from the ends; places whose
content in the box is more than 45 dB below the clip's level are drawn again, up to fifty times. With B the operator of
`caesura.box`, the score is 10 log10(|B x|^2 / |B x - B x_hat|^2), in which leaving the box empty is 0 dB, and the
log-spectral distance of the restored signal over the bins of the band in the frames of the span. Every sample outside
the span is compared bit for bit. Time is CPU time of `restore` per box; set
OMP_NUM_THREADS=1 for one thread, as `make bench` does.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import soundfile
from boxes_tables import Result, Ring, report

from caesura.box import band_part
from caesura.methods import build
from caesura.methods.nmf import Nmf
from caesura.problem import Problem, Region
from caesura.restoration import restore

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "benchmarks" / "boxes.md"
DURATIONS = (0.1, 0.25, 0.5)
BANDS = ((200.0, 800.0), (800.0, 3200.0), (3200.0, 8000.0))
SPEECH = ("speech", "voice", "historical")  # beginnings of the names of spoken and sung clips
EDGE = 1.0  # seconds from the ends of a clip
QUIETEST = -45.0  # decibels of the box's content, relative to the clip
DRAWS = 50
POWER_FLOOR = 1e-8  # of the mean power in the band, so that an empty box has a logarithm

Method = Callable[[Problem], np.ndarray]


def main() -> None:
    """Measure, and write the report."""
    arguments = _arguments()
    results: list[Result] = []
    methods = {name: METHODS[name] for name in arguments.methods.split(",")}
    for clip, x, rate in _clips(arguments.data, arguments.limit, arguments.step):
        for seed in range(arguments.seeds):
            for box in _boxes(clip, x, rate, seed):
                results += [_measured(name, method, clip, x, rate, box) for name, method in methods.items()]
        print(clip, len(results), file=sys.stderr, flush=True)
    spoken = [(x, rate) for clip, x, rate in _clips(arguments.data, None) if clip.startswith("speech")]
    rings = [ring for x, rate in spoken for ring in _rings(x, rate, methods)]
    arguments.report.parent.mkdir(parents=True, exist_ok=True)
    arguments.report.write_text(report(results, rings))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What comes back inside a box of the time-frequency plane.")
    parser.add_argument("--data", type=Path, default=HERE.parent.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=1, help="places per clip and shape")
    parser.add_argument("--limit", type=int, help="only so many clips")
    parser.add_argument("--step", type=int, default=1, help="distance from one clip to the next that is taken")
    parser.add_argument("--methods", default=",".join(METHODS), help="some of them")
    parser.add_argument("--report", type=Path, default=REPORT)
    return parser.parse_args()


def _clips(data: Path, limit: int | None, step: int = 1) -> Iterator[tuple[str, np.ndarray, int]]:
    paths = [*sorted((data / "test").rglob("*.flac")), *sorted((data / "standard").glob("*.flac"))]
    if not paths:
        raise SystemExit(f"there are no clips in {data}: pass --data FOLDER with test/ and standard/")
    for path in paths[::step][:limit]:
        x, rate = soundfile.read(path, dtype="float64", always_2d=True)
        yield path.stem, x[:, 0], rate


def _boxes(clip: str, x: np.ndarray, rate: int, seed: int) -> Iterator[Region]:
    rng = np.random.default_rng([seed, *clip.encode()])
    level = np.mean(x**2)
    for seconds in DURATIONS:
        for low, high in BANDS:
            length = round(seconds * rate)
            for _ in range(DRAWS):
                start = int(rng.integers(round(EDGE * rate), x.size - round(EDGE * rate) - length))
                box = Region(start, start + length, low, high)
                if 10 * np.log10(np.mean(_inside(x, box, rate) ** 2) / level + 1e-12) > QUIETEST:
                    yield box
                    break


def _inside(x: np.ndarray, box: Region, rate: int) -> np.ndarray:
    return band_part(x[None, box.start : box.stop], box.low, box.high, rate)[0]


def _measured(name: str, method: Method, clip: str, x: np.ndarray, rate: int, box: Region) -> Result:
    problem = Problem(x[None], (box,), rate)
    begin = time.process_time()
    restored = method(problem)
    seconds = time.process_time() - begin
    _check_outside(x, restored, box)
    # What was pasted is B x_hat: the restored signal less the observation.
    shape = (round(box.length / rate, 3), box.low, box.high)
    truth = (x - problem.y[0])[box.start : box.stop]
    pasted = (restored - problem.y[0])[box.start : box.stop]
    return Result(clip, shape, name, _snr(truth, pasted), _band_lsd(x, restored, box, rate), seconds)


def _check_outside(x: np.ndarray, restored: np.ndarray, box: Region) -> None:
    before, after = slice(None, box.start), slice(box.stop, None)
    if not (np.array_equal(x[before], restored[before]) and np.array_equal(x[after], restored[after])):
        raise SystemExit(f"samples outside {box} have changed")


def _snr(x: np.ndarray, estimate: np.ndarray) -> float:
    return float(10 * np.log10(np.sum(x**2) / np.sum((x - estimate) ** 2)))


def _band_lsd(x: np.ndarray, restored: np.ndarray, box: Region, rate: int) -> float:
    """Log-spectral distance in decibels over the bins of the band, frames of 46 ms from end to end of the span."""
    length = _window_length(rate)
    span = slice(box.start, max(box.stop, box.start + length))
    truth, other = (_spectra(s[span], length, length // 4) for s in (x, restored))
    frequencies = np.fft.rfftfreq(length, 1.0 / rate)
    band = (frequencies >= box.low) & (frequencies <= box.high)
    p, q = np.abs(truth[:, band]) ** 2, np.abs(other[:, band]) ** 2
    floor = POWER_FLOOR * p.mean() + 1e-20
    return float(np.mean(np.sqrt(np.mean((10 * np.log10((p + floor) / (q + floor))) ** 2, axis=1))))


def _window_length(rate: int) -> int:
    return int(2 ** round(np.log2(0.046 * rate)))


def _spectra(x: np.ndarray, length: int, hop: int) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(x, length)[::hop]
    return np.fft.rfft(frames * np.hanning(length), axis=1)


def _zeroed(problem: Problem) -> np.ndarray:
    return np.array(problem.y[0])


def _package(name: str) -> Method:
    return lambda problem: restore(problem, build(name)).samples[0]


def _spectrally_interpolated(problem: Problem) -> np.ndarray:
    """Spectral repair: magnitudes interpolated over the box, phases advanced from both sides, crossfaded.

    The frames next to the span give magnitude and, with their neighbours, the phase advance of every bin.
    """
    (box,) = problem.boxes
    y, length = problem.y[0], _window_length(problem.sample_rate)
    hop, window = length // 4, np.sin(np.pi * (np.arange(length) + 0.5) / length)
    distance = box.length + length  # from the last frame before the span to the first one after it
    sides = []
    for start, step in ((box.start - length, hop), (box.stop, -hop)):
        here, behind = (np.fft.rfft(y[s : s + length] * window) for s in (start, start - step))
        sides.append((start, step, np.abs(here), np.angle(here), np.angle(here * np.conj(behind))))
    fills = []
    for (start, step, magnitude, phase, turn), other in zip(sides, (sides[1][2], sides[0][2]), strict=True):
        fill = np.zeros(y.size + 2 * length)
        for k in range(distance // hop + 1):
            share = k * hop / distance
            frame = ((1 - share) * magnitude + share * other) * np.exp(1j * (phase + k * turn))
            at = start + k * step
            fill[at : at + length] += 0.5 * np.fft.irfft(frame, length) * window
        fills.append(fill[box.start : box.stop])
    fade = np.cos(0.5 * np.pi * (np.arange(box.length) + 0.5) / box.length) ** 2
    estimate = np.array(problem.y)
    estimate[0, box.start : box.stop] = fade * fills[0] + (1 - fade) * fills[1]
    return problem.paste(estimate)[0]


class _FromTheSides(Nmf):
    """The power in the box interpolated between the sides, on a logarithmic scale, instead of learned."""

    def _expected(
        self,
        power: np.ndarray,
        touched: np.ndarray,
        clean: np.ndarray,
        frequencies: np.ndarray,
        box: Region,
        rng: np.random.Generator,
    ) -> np.ndarray:
        frames = np.flatnonzero(touched)
        left, right = (power[part].mean(axis=0) for part in _sides(clean, frames))
        share = np.linspace(0.0, 1.0, frames.size)[:, None]
        inside = (frequencies >= box.low) & (frequencies <= box.high)
        between = np.exp((1 - share) * np.log(left + 1e-20) + share * np.log(right + 1e-20))
        return np.where(inside, between, 0.0)


def _sides(clean: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The eight clean frames on either side: as many as overlap one of them."""
    known = np.flatnonzero(clean)
    return known[known < frames[0]][-8:], known[known > frames[-1]][:8]


METHODS: dict[str, Method] = {
    "box left empty": _zeroed,
    "spectral interpolation": _spectrally_interpolated,
    "noise from the sides": lambda problem: restore(problem, _FromTheSides()).samples[0],
    "janssen_tf": _package("janssen_tf"),
    "nmf": _package("nmf"),
    "cqtdiff": _package("cqtdiff"),
}

RING_SECONDS = 0.5
RING_MARGIN = 0.03  # seconds that the box is longer than the ring on either side
RING_BAND = (800.0, 3200.0)
RING_LEVEL = 10.0  # decibels above the voice in the box


def _phone(rate: int) -> np.ndarray:
    """Two tones, 1000 and 1250 Hz, that take turns 20 times a second, with their second harmonics."""
    t = np.arange(round(RING_SECONDS * rate)) / rate
    frequency = 1125.0 + 125.0 * np.tanh(4.0 * np.sin(2 * np.pi * 20.0 * t))
    phase = 2 * np.pi * np.cumsum(frequency) / rate
    ramp = np.clip(np.minimum(t, t[::-1]) / 0.01, 0.0, 1.0)
    return np.sin(0.5 * np.pi * ramp) ** 2 * (np.sin(phase) + 0.4 * np.sin(2 * phase))


def _rings(x: np.ndarray, rate: int, methods: Mapping[str, Method]) -> Iterator[Ring]:
    phone = _phone(rate)
    for seed in range(3):
        rng = np.random.default_rng([seed, 77])
        margin = round(RING_MARGIN * rate)
        length = phone.size + 2 * margin
        for _ in range(DRAWS):
            start = int(rng.integers(rate, x.size - rate - length))
            box = Region(start, start + length, *RING_BAND)
            voice = _inside(x, box, rate)
            if 10 * np.log10(np.mean(voice**2) / np.mean(x**2)) > -25.0:
                break
        ring = np.zeros_like(x)
        ring[start + margin : start + margin + phone.size] = phone
        ring *= 10 ** (RING_LEVEL / 20) * np.linalg.norm(voice) / np.linalg.norm(ring)
        for name, method in methods.items():
            yield _silenced(name, method, x, ring, box, rate)


def _silenced(name: str, method: Method, x: np.ndarray, ring: np.ndarray, box: Region, rate: int) -> Ring:
    restored, clean = (method(Problem(s[None], (box,), rate)) for s in (x + ring, x))
    _check_outside(x + ring, restored, box)
    span = slice(box.start, box.stop)
    left = (restored - clean)[span]
    return Ring(
        method=name,
        attenuation=float(10 * np.log10(np.sum(ring**2) / np.sum(left**2))),
        inside=_snr(_inside(x, box, rate), _inside(restored, box, rate)),
        outside=_beside(x[span], restored[span], box, rate),
        lsd=_band_lsd(x, restored, box, rate),
    )


def _beside(x: np.ndarray, restored: np.ndarray, box: Region, rate: int) -> float:
    """Signal-to-noise ratio in the span, 100 Hz or more away from the band."""
    window = np.hanning(x.size)
    frequencies = np.fft.rfftfreq(x.size, 1.0 / rate)
    beside = (frequencies < box.low - 100.0) | (frequencies > box.high + 100.0)
    truth, error = (np.fft.rfft(s * window)[beside] for s in (x, x - restored))
    return float(10 * np.log10(np.sum(np.abs(truth) ** 2) / np.sum(np.abs(error) ** 2)))


if __name__ == "__main__":
    main()
