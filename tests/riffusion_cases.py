"""What the tests of Riffusion share: the numbers of the parity file and the signals they are made from."""

import json
from functools import cache
from typing import Any

import numpy as np

from notono_cases import DATA, numbers, signal

__all__ = ["arrays", "at", "close", "entries", "heard", "numbers", "signal"]


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Entries of the parity file by their names."""
    found = json.loads((DATA / "riffusion.json").read_text())["entries"]
    return {entry["id"]: entry for entry in found}


@cache
def arrays() -> dict[str, np.ndarray]:
    with np.load(DATA / "riffusion.npz") as stored:
        return {name: stored[name] for name in stored.files}


@cache
def heard(name: str) -> np.ndarray:
    """The 16-bit signal (channels, samples) of an entry, as whole numbers."""
    given = entries()[name]["input"]
    channels = [signal(given[part]) for part in ("left_or_mono", "right") if part in given]
    return np.clip(np.floor(32767.0 * np.stack(channels) + 0.5), -32768, 32767)


def at(x: np.ndarray, rows: list[list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Elements of an array, and what an entry says of them: rows of indices and a value."""
    table = np.array(rows)
    return x[tuple(table[:, :-1].astype(int).T)], table[:, -1]


def close(x: np.ndarray, rows: list[list[float]], *, rtol: float = 0.0, atol: float = 0.0) -> None:
    found, wanted = at(x, rows)
    np.testing.assert_allclose(found, wanted, rtol=rtol, atol=atol)
