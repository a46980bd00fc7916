"""Sound out of spectrogram images: against the published way, with known surroundings, and across joints.

    python benchmarks/image.py [--data ../shared/data] [--jobs 1] [--write]

The published way is written here from its description: mel bands are inverted by 200 steps of gradient descent (rate
0.1, momentum 0.9, the loss averaged over the columns, values below zero cut off), and 32 iterations of the fast
Griffin-Lim algorithm begin with random numbers, at 44.1 kHz with transforms of 400 ms. Newer versions of its library
solve least squares once instead. Clips have 5.11 s, one channel, and go through pictures of 8 bits. Processor time of
one thread.

    mel, spectrum   spectral convergence |A_hat - A| / |A| of the mel bands of the clip, and of its spectrum itself
    bass            level below 80 Hz against the clip's, decibels

Both are taken after the gain that fits best, because the published way loses the level; caesura's own needs none.
`--write` puts the tables into docs/benchmarks/image.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from image_chain import clip_starts, joined, levelled
from numpy.typing import NDArray

from caesura.audio import read, resample
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.phase import Stft, griffin_lim, random_phases
from caesura.problem import Problem, Region
from caesura.seam import seam_score

Array = NDArray[np.float64]
RATE, CLIP = 44_100, 225_351
LENGTH, OVERLAP = 5.0, 0.2  # seconds of the clips of the published chain
CODEC = SpectrogramImage()
PUBLISHED = Stft(CODEC.n_fft, CODEC.hop_length, CODEC.win_length, mirrored=True)
CLIPS = ("test/piano_01.flac", "test/chamber_01.flac", "test/voice_01.flac")
LONG = ("music/bach_wtc1_prelude_02_ishizaka.ogg", "music/byrd_mass_4_agnus_dei.ogg")
KNOWN = ("nothing known", "samples known, random phases", "samples known, phases led on")
GAPS = (0.1, 0.25, 1.0)  # seconds
SURROUNDINGS = (
    "A gap whose bands are known: error of the waveform inside it in decibels, mean over the clips; 0 dB is as wrong "
    "as silence. Iterations: 64."
)
JOINTS = (
    "15 s of a recording through pictures. *seam*: how unusual the sound is at the joints, in robust standard "
    "deviations, see `caesura.seam`; caesura draws one picture and has none, and is scored at the same places. "
    "*level*: change over a joint beyond the recording's own."
)
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks" / "image.md"


def descent(mel: Array, rng: np.random.Generator) -> Array:
    """The published inversion of mel bands (bands, columns)."""
    matrix = CODEC._bands.matrix.toarray().astype(np.float32)
    wanted = mel.astype(np.float32)
    found = rng.random((matrix.shape[1], mel.shape[1]), dtype=np.float32)
    velocity, before = np.zeros_like(found), np.inf
    for _ in range(200):
        rest = wanted - matrix @ found
        loss = float(np.mean(np.sum(rest.astype(np.float64) ** 2, axis=0)))
        if loss < 1e-5 or abs(before - loss) < 1e-8:
            break
        before = loss
        velocity = 0.9 * velocity + (2.0 / mel.shape[1]) * (matrix.T @ rest)
        found = np.maximum(found + 0.1 * velocity, 0.0)
    return found


def least_squares(mel: Array, rng: np.random.Generator) -> Array:
    """What newer versions of the published library do."""
    return CODEC._bands.spectra(mel, rounds=1)


def published(mel: Array, samples: int, rng: np.random.Generator, invert: Callable[..., Array] = descent) -> Array:
    """Sound (samples,) of mel bands (bands, columns), in 16-bit steps going in and at any level coming out."""
    magnitude = invert(mel, rng).T.astype(np.float32)
    drawn = rng.random((2, *magnitude.shape), dtype=np.float32)
    start = magnitude * (drawn[0] + 1j * drawn[1]).astype(np.complex64)
    return griffin_lim(magnitude, PUBLISHED, samples, start=start, iterations=32).astype(np.float64)


def own(iterations: int) -> Callable[..., Array]:
    """Our way, with so many iterations."""

    def made(mel: Array, samples: int, rng: np.random.Generator) -> Array:
        return CODEC.decode(mel[None], samples, rng, iterations=iterations)[0]

    return made


WAYS: dict[str, Callable[..., Array]] = {
    "published": published,
    "published, least squares": lambda mel, n, rng: published(mel, n, rng, least_squares),
    "caesura, 16 iterations": own(16),
    "caesura, 64 iterations": own(64),
}


def heard(data: Path, name: str, start: float, seconds: float) -> Array:
    """One channel (samples,) in 16-bit steps, as the published program takes it."""
    audio = read(data / name)
    first = round(start * audio.sample_rate)
    x = audio.samples[:, first : first + round((seconds + 0.1) * audio.sample_rate)].mean(axis=0, keepdims=True)
    return 32768.0 * resample(x, audio.sample_rate, RATE)[0, : round(seconds * RATE)]


def through_picture(x: Array) -> Array:
    """Mel bands of a signal after 8 bits."""
    mel = CODEC.mel(x[None])
    top = float(mel.max())
    return CODEC.from_pixels(CODEC.pixels(mel), top)[0]


def scores(y: Array, x: Array) -> tuple[float, float, float]:
    """Convergence of mel bands and spectrum, and decibels of bass, after the gain that fits best."""
    ours, theirs = (np.abs(PUBLISHED.encode(z)).T for z in (y, x))
    ours *= float(np.sum(ours * theirs) / np.sum(ours**2))
    bands = CODEC._bands
    mel = [bands.apply(a) for a in (ours, theirs)]
    low = bands.edges[2:] < 80.0
    bass = 20.0 * np.log10(np.linalg.norm(mel[0][low]) / np.linalg.norm(mel[1][low]))
    off = [float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in (mel, (ours, theirs))]
    return off[0], off[1], float(bass)


def inversions(data: Path, clip: str) -> list[tuple[float, ...]]:
    """Scores and seconds of every way on one clip."""
    x = heard(data, clip, 2.0, CLIP / RATE)
    mel = through_picture(x)
    found: list[tuple[float, ...]] = []
    for name, way in WAYS.items():
        began = time.process_time()
        y = way(mel, x.size, np.random.default_rng(0))
        spent = time.process_time() - began
        found.append((*scores(y, x), spent))
        print(_row(Path(clip).stem, name, found[-1]), flush=True)
    return found


def _row(clip: str, name: str, values: tuple[float, ...]) -> str:
    mel, spectrum, bass, seconds = values
    return f"| {clip} | {name} | {mel:.4f} | {spectrum:.4f} | {bass:+.2f} | {seconds:.1f} |"


def surroundings(data: Path, clip: str) -> list[list[float]]:
    """Relative error in gaps whose mel bands are known: nothing else known, then samples, then phases led on."""
    x = heard(data, clip, 2.0, CLIP / RATE)
    mel = through_picture(x)
    # Nothing above 10 kHz is in a picture, and nothing above is scored.
    part = CODEC.decode(mel[None], x.size, np.random.default_rng(0), known=Problem(x[None], (), RATE), iterations=0)
    blind = CODEC.decode(mel[None], x.size, np.random.default_rng(0))
    found = []
    for seconds in GAPS:
        gap = Region(CLIP // 2, CLIP // 2 + round(seconds * RATE))
        problem, inside = Problem(x[None], (gap,), RATE), slice(gap.start, gap.stop)
        led = CODEC.decode(mel[None], x.size, np.random.default_rng(0), known=problem)
        errors = [(y - part)[0, inside] for y in (blind, _from_random(mel, problem), led)]
        found.append([float(np.linalg.norm(e) / np.linalg.norm(part[0, inside])) for e in errors])
        print(clip, seconds, found[-1], flush=True)
    return found


def _from_random(mel: Array, problem: Problem) -> Array:
    """Samples known, and random phases to begin with."""
    decoder = CODEC._decoder
    samples = int(np.ceil(problem.samples * decoder.rate / RATE))
    magnitude = decoder.magnitude(CODEC._bands, mel, RATE)
    heard = decoder._heard(problem.at(decoder.rate), samples)
    held = decoder._held(heard, np.zeros(samples, np.float32), slice(0, samples), 0, len(magnitude))
    start = random_phases(magnitude, np.random.default_rng(0))
    x = griffin_lim(magnitude, decoder.stft, samples, start=start, known=held, iterations=64)
    return resample(x[None].astype(np.float64), decoder.rate, RATE)[:, : problem.samples]


def stitched(x: Array) -> tuple[Array, list[int]]:
    """The published chain: clips of 5 s that overlap by 0.2 s, each with the same peak, joined by straight lines."""
    starts = [round(start * RATE) for start in clip_starts(0.0, x.size / RATE, LENGTH, OVERLAP)]
    total = np.zeros(0)
    for k, start in enumerate(starts):
        clip = x[start : start + round(LENGTH * RATE)]
        y = levelled(published(through_picture(clip), clip.size, np.random.default_rng(k), least_squares))
        total = joined(total, y, OVERLAP, RATE) if k else y
    joints = [at for start in starts[1:] for at in (start, start + round(OVERLAP * RATE))]
    return total, joints


def chains(data: Path, name: str) -> list[tuple[float, ...]]:
    """Joints of the published chain, and the same places in one picture."""
    x = heard(data, name, 10.0, 15.0)
    theirs, joints = stitched(x)
    ours = CODEC.decode(through_picture(x)[None], x.size, np.random.default_rng(0))[0]
    found: list[tuple[float, ...]] = []
    for y in (theirs, ours):
        seams = [_seam(y, at) for at in joints]
        jumps = [abs(_jump(y, at) - _jump(x, at)) for at in joints[::2]]
        found.append((float(np.mean(seams)), max(seams), float(np.mean(jumps)), max(jumps)))
        print(name, found[-1], flush=True)
    return found


def _seam(y: Array, at: int) -> float:
    known = np.ones((1, y.size), bool)
    return seam_score((y / np.abs(y).max())[None], Region(at, y.size), known) or 0.0


def _jump(y: Array, at: int) -> float:
    """Decibels from the second before to the second after a joint."""
    before, after = y[at - RATE : at], y[at + RATE // 5 : at + RATE // 5 + RATE]
    return float(20.0 * np.log10(np.linalg.norm(after) / np.linalg.norm(before)))


def tables(done: dict[str, dict[str, list[Any]]]) -> list[tuple[str, str, list[str]]]:
    """Titles, what they mean, and lines of the three tables."""
    first = ["| clip | way | mel | spectrum | bass, dB | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    made = done["inversions"]
    first += [_row(Path(c).stem, w, r) for c, rows in made.items() for w, r in zip(WAYS, rows, strict=True)]
    first += [_row("mean", w, tuple(r)) for w, r in zip(WAYS, np.mean(list(made.values()), axis=0), strict=True)]
    second = [f"| gap, s | {' | '.join(KNOWN)} |", "| --- " * (len(KNOWN) + 1) + "|"]
    decibels = 20.0 * np.log10(np.mean(list(done["surroundings"].values()), axis=0))
    second += [
        f"| {g:g} | " + " | ".join(f"{e:+.1f}" for e in row) + " |" for g, row in zip(GAPS, decibels, strict=True)
    ]
    third = ["| recording | way | seam, mean | seam, most | level, dB, mean | level, dB, most |", "| --- " * 6 + "|"]
    for name, rows in done["chains"].items():
        for way, row in zip(("published", "caesura"), rows, strict=True):
            third.append(f"| {Path(name).stem} | {way} | " + " | ".join(f"{v:.1f}" for v in row) + " |")
    meaning = "Lower is better; 0 dB of bass is all of it."
    return [
        ("Image to audio", meaning, first),
        ("Known surroundings", SURROUNDINGS, second),
        ("Across joints", JOINTS, third),
    ]


def page(found: list[tuple[str, str, list[str]]]) -> str:
    """The page that `--write` writes."""
    parts = [
        "# Sound out of spectrogram images",
        "`python benchmarks/image.py --write` made this page; do not edit.",
        str(__doc__).partition("[--write]\n\n")[2].strip(),
    ]
    for title, text, lines in found:
        parts += [f"## {title}", text, "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--jobs", type=int, default=1, help="processes; every one measures its own processor time")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    work = [(inversions, CLIPS), (surroundings, CLIPS), (chains, LONG)]
    with ProcessPoolExecutor(given.jobs, mp_context=get_context("spawn")) as pool:
        asked = [(do.__name__, name, pool.submit(do, given.data, name)) for do, names in work for name in names]
        done: dict[str, dict[str, list[Any]]] = {}
        for kind, name, answer in asked:
            done.setdefault(kind, {})[name] = answer.result()
    found = tables(done)
    print("\n\n".join("\n".join(lines) for _, _, lines in found))
    if given.write:
        PAGE.write_text(page(found))


if __name__ == "__main__":
    main()
