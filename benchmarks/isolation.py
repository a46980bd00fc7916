"""How near the stem that is isolated from a drawn mix comes to the true one, on sounds that are made here.

    python benchmarks/isolation.py --seeds 4

The drawing is the true picture of the mix, off by noise of 0 or 2 dB that is smoothed over 4 x 4 cells, at twice the
level. error: spectral convergence of the stem; mix: that of backing + stem; leak: what is left of a mix without a
stem, in decibels below the backing. excess: a of `caesura.methods._stems`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from caesura.codecs.image import SpectrogramImage
from caesura.codecs.phase import Stft
from caesura.methods import _stems

Array = NDArray[np.float64]

RATE, SAMPLES = 44_100, 88_200
IMAGE = SpectrogramImage()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="pairs of sounds")
    pairs = [pair(seed) for seed in range(parser.parse_args().seeds)]
    print("| excess | drawing off by | from | error | mix | leak |\n|--:|--:|---|--:|--:|--:|")
    for excess in (1.0, 1.5, 2.0, 3.0):
        _stems.EXCESS = excess
        for decibels in (0.0, 2.0):
            for name, isolate in {"bands": from_bands, "sound": from_sound}.items():
                found = np.mean([scores(*each, decibels, isolate) for each in pairs], axis=0)
                numbers = f"{found[0]:.3f} | {found[1]:.3f} | {max(found[2], -99.0):.0f} dB"
                print(f"| {excess:g} | {decibels:g} dB | {name} | {numbers} |", flush=True)


def scores(
    backing: Array, stem: Array, error: Array, decibels: float, isolate: Callable[[Array, Array], Array]
) -> tuple[float, float, float]:
    """Error of the stem, error of the mix, and leak in decibels."""
    drawn, alone = (2.0 * IMAGE.mel(x) * 10.0 ** (decibels / 20.0 * error) for x in (backing + stem, backing))
    found, left = isolate(drawn, backing), isolate(alone, backing)
    leak = 10.0 * np.log10(np.mean(left**2) / np.mean(backing**2) + 1e-12)
    return convergence(found, stem), convergence(backing + found, backing + stem), float(leak)


def from_bands(drawn: Array, backing: Array) -> Array:
    """What the methods do."""
    return IMAGE.decode(_stems.isolated_bands(drawn, IMAGE.mel(backing)), SAMPLES, np.random.default_rng(0))


def from_sound(drawn: Array, backing: Array) -> Array:
    """The mix made into sound first."""
    return _stems.isolated(IMAGE.decode(drawn, SAMPLES, np.random.default_rng(0)), backing, RATE)


def convergence(x: Array, wanted: Array) -> float:
    """|| |X| - |Y| || / || |Y| || of transforms of 4096 samples."""
    a, b = (np.abs(Stft(4096, 1024).encode(each)) for each in (x, wanted))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


def pair(seed: int) -> tuple[Array, Array, Array]:
    """Chords with bursts of noise, a line with vibrato over them, and smooth noise of about unit variance."""
    rng, t = np.random.default_rng(seed), np.arange(SAMPLES) / RATE
    backing, stem = np.zeros(SAMPLES), np.zeros(SAMPLES)
    for first in range(0, SAMPLES, SAMPLES // 8):
        rest = t[: SAMPLES - first]
        for hertz in 110.0 * 2.0 ** ((np.array([0, 4, 7]) + rng.integers(0, 12)) / 12.0):
            tone = sum(np.sin(2 * np.pi * hertz * h * rest + rng.random()) / h for h in range(1, 6))
            backing[first:] += 0.08 * np.exp(-3.0 * rest) * tone
        backing[first:] += 0.1 * rng.standard_normal(rest.size) * np.exp(-rest / 0.02)
    for first in rng.integers(0, SAMPLES - RATE // 2, 6):
        rest = t[: RATE // 2]
        phase = 2 * np.pi * 440.0 * 2.0 ** (rng.integers(0, 12) / 12.0) * rest + 3.0 * np.sin(2 * np.pi * 5.0 * rest)
        tone = sum(np.sin(h * phase) / h for h in range(1, 8))
        stem[first : first + rest.size] += 0.12 * np.sqrt(np.sin(np.pi * rest / rest[-1])) * tone
    audible = signal.butter(8, 9_500, fs=RATE, output="sos")
    error = signal.convolve2d(rng.standard_normal((IMAGE.bands, IMAGE.frames(SAMPLES))), np.full((4, 4), 0.25), "same")
    return signal.sosfiltfilt(audible, backing)[None], signal.sosfiltfilt(audible, stem)[None], error


if __name__ == "__main__":
    main()
