"""What the tests of the notes' networks share: the numbers of the parity file and the streams they are made from."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

DATA = Path(__file__).parent / "data"


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Entries of the parity file by their names."""
    found = json.loads((DATA / "notono.json").read_text())["entries"]
    return {entry["id"]: entry for entry in found}


@cache
def arrays() -> dict[str, np.ndarray]:
    with np.load(DATA / "notono.npz") as stored:
        return {name: stored[name] for name in stored.files}


def numbers(seed: int, shape: list[int], amplitude: float = 1.0, offset: float = 0.0) -> np.ndarray:
    """The stream of the parity files, uniform in [-amplitude, amplitude) around the offset."""
    found = states(seed, int(np.prod(shape))) / 2**30 - 1.0
    return (offset + amplitude * found).reshape(shape)


def states(seed: int, count: int) -> np.ndarray:
    """The whole numbers s <- (1103515245 s + 12345) mod 2^31, each half of them from the half before."""
    found, times, plus = np.array([(1103515245 * seed + 12345) % 2**31]), 1103515245, 12345
    while found.size < count:
        found = np.concatenate([found, (times * found + plus) % 2**31])
        times, plus = times * times % 2**31, (times * plus + plus) % 2**31
    return found[:count]


def signal(term: dict[str, Any]) -> np.ndarray:
    """A signal that an entry describes."""
    if term["kind"] == "sum":
        return np.sum([signal(part) for part in term["terms"]], axis=0)
    if term["kind"] == "lcg":
        return numbers(term["seed"], term["shape"], term["amplitude"], term["offset"])
    if term["kind"] == "lcg_int":
        drawn = term["low"] + states(term["seed"], int(np.prod(term["shape"]))) // 256 % term["modulus"]
        return drawn.reshape(term["shape"])
    t = np.arange(term["shape"][0]) / term["rate"]
    return np.sum([a * np.exp(-d * t) * np.sin(2 * np.pi * f * t + p) for f, a, p, d in term["partials"]], axis=0)
