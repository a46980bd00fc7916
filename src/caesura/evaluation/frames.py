"""The log-mel frames of gaps, as they were and as they were filled: what distances between sets are computed from.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["file_of", "keep", "read"]

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.atomic import replacing
from caesura.evaluation import metrics
from caesura.evaluation.rows import Row
from caesura.problem import Span

Array = NDArray[np.float64]


def read(folder: Path, rows: Sequence[Row]) -> tuple[Array, Array]:
    """What a benchmark has kept of rows: the log-mel frames that touch their gaps, originals and fills (frames, bands).

    Raises:
        ValueError: nothing was kept of one of the rows.
    """
    kept = []
    for row in rows:
        path = file_of(folder, row)
        if not path.is_file():
            raise ValueError(f"there are no frames of {row.label} on {row.file} in '{folder}': pass keep= to run")
        with np.load(path) as arrays:
            kept.append((arrays["original"], arrays["restored"]))
    return np.concatenate([a for a, _ in kept]), np.concatenate([b for _, b in kept])


def file_of(folder: Path, row: Row) -> Path:
    """Where the frames of a row lie."""
    return folder / (hashlib.sha256(repr(row.key).encode()).hexdigest()[:24] + ".npz")


def keep(path: Path, original: Array, restored: Array, sample_rate: int, spans: Sequence[Span]) -> None:
    """Write the frames of a recording's gaps.

    Args:
        path: of the file.
        original: (channels, samples).
        restored: (channels, samples).
        sample_rate: hertz.
        spans: the gaps.
    """
    mask = np.ones(original.shape, dtype=bool)
    for start, stop in spans:
        mask[:, start:stop] = False
    pair = [metrics.log_mel_frames(x, sample_rate, mask=mask) for x in (original, restored)]
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, force=True) as partial, partial.open("wb") as file:
        np.savez(file, original=pair[0], restored=pair[1])
