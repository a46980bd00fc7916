"""Scores of every classical method on sound made here, so that a change of quality does not pass unseen.

    python benchmarks/regression.py            # measure and compare with benchmarks/regression.json
    python benchmarks/regression.py --store    # a method was meant to change: store what it scores now

Two sounds of two seconds: `chord` is six decaying harmonic tones over noise, `glide` a voice-like tone with vibrato.
Gaps of 5, 20 and 50 ms are scored by the SNR inside in decibels, boxes by the SNR of what the box held, both to three
decimals. `tests/test_regression.py` runs this.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.box import band_part
from caesura.methods import build
from caesura.problem import Problem, Region
from caesura.restoration import restore

Array = NDArray[np.float64]

STORE = Path(__file__).resolve().parent / "regression.json"
RATE = 22050  # hertz
GAPS = ((11025, 110), (22050, 441), (33075, 1102))  # first sample and length: 5, 20 and 50 ms
BOXES = (Region(9000, 12000, 800.0, 2400.0), Region(26000, 33000, 300.0, 900.0))
METHODS: dict[str, tuple[str, dict[str, str]]] = {
    "silence": ("silence", {}),
    "linear": ("linear", {}),
    "repeat": ("repeat", {}),
    "lpc": ("lpc", {}),
    "janssen": ("janssen", {}),
    "lsar": ("lsar", {}),
    "auto": ("auto", {}),
    "auto best": ("auto", {"quality": "best"}),
    "A-SPAIN": ("spain", {}),
    "S-SPAIN": ("spain", {"formulation": "synthesis"}),
    "A-SPAIN-L": ("spain", {"learned": "true"}),
    "U-PHAIN": ("phain", {}),
    "B-PHAIN": ("phain", {"variant": "B"}),
}
BOX_METHODS = ("janssen_tf", "nmf")


def main() -> int:
    """Compare or store; 1 where a score has changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", action="store_true", help="keep the scores")
    if parser.parse_args().store:
        scores = {label: score(label) for label in (*METHODS, *BOX_METHODS)}
        STORE.write_text(json.dumps(scores, indent=1) + "\n")
        return 0
    changed = 0
    for label, before in json.loads(STORE.read_text()).items():
        now = score(label)
        changed += now != before
        print(f"{label:16} {now} {'' if now == before else f'was {before}'}")
    return int(changed > 0)


def score(label: str) -> dict[str, float]:
    """SNR in decibels of every sound and gap or box, by a method of `METHODS` or `BOX_METHODS`."""
    found = {}
    for name, x in sounds().items():
        if label in METHODS:
            method = build(METHODS[label][0], METHODS[label][1])
            regions = tuple(Region(start, start + length) for start, length in GAPS)
        else:
            method, regions = build(label, {}), BOXES
        restored = restore(Problem(x, regions, RATE), method).samples[0]
        for region in regions:
            found[f"{name} {region.start}"] = round(_snr(x, restored, region), 3)
    return found


def sounds() -> dict[str, Array]:
    """Both sounds (samples,), by name."""
    rng = np.random.default_rng(0)
    t = np.arange(2 * RATE) / RATE
    chord = 0.003 * rng.standard_normal(t.size)
    for pitch in (110.0, 164.8, 220.0, 277.2, 329.6, 440.0):
        for h in range(1, 9):
            tone = np.sin(2.0 * np.pi * pitch * h * t + rng.uniform(0.0, 2.0 * np.pi))
            chord += 0.05 / h * np.exp(-t * (0.5 + 0.2 * h)) * tone
    turns = 180.0 * t + 0.5 * np.sin(2.0 * np.pi * 5.0 * t)  # vibrato of 5 Hz
    glide = 0.002 * rng.standard_normal(t.size)
    glide += sum(0.1 / h * np.sin(2.0 * np.pi * h * turns + h) for h in range(1, 13))
    return {"chord": chord, "glide": glide}


def _snr(x: Array, restored: Array, region: Region) -> float:
    held, error = x[region.start : region.stop], (restored - x)[region.start : region.stop]
    if not region.is_gap:
        held = band_part(held[None], region.low, region.high, RATE)
    return float(10.0 * np.log10(np.sum(held**2) / np.sum(error**2)))


if __name__ == "__main__":
    sys.exit(main())
