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
    state, found = seed, np.empty(int(np.prod(shape)))
    for i in range(found.size):
        state = (1103515245 * state + 12345) % 2**31
        found[i] = state / 2**30 - 1.0
    return (offset + amplitude * found).reshape(shape)


def signal(term: dict[str, Any]) -> np.ndarray:
    """A signal that an entry describes."""
    if term["kind"] == "sum":
        return np.sum([signal(part) for part in term["terms"]], axis=0)
    if term["kind"] == "lcg":
        return numbers(term["seed"], term["shape"], term["amplitude"], term["offset"])
    if term["kind"] == "lcg_int":
        state, drawn = term["seed"], []
        for _ in range(int(np.prod(term["shape"]))):
            state = (1103515245 * state + 12345) % 2**31
            drawn.append(term["low"] + state // 256 % term["modulus"])
        return np.array(drawn).reshape(term["shape"])
    t = np.arange(term["shape"][0]) / term["rate"]
    return np.sum([a * np.exp(-d * t) * np.sin(2 * np.pi * f * t + p) for f, a, p, d in term["partials"]], axis=0)
