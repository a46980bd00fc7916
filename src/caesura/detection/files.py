"""Damage in a file, read a few seconds at a time."""

from __future__ import annotations

__all__ = ["detect_file"]

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.audio import open_audio
from caesura.detection.search import detect_blocks
from caesura.inpainter import Progress, silent
from caesura.labels import Label


def detect_file(
    path: Path | str,
    *,
    kinds: Collection[str] | None = None,
    sensitivity: float = 1.0,
    progress: Progress = silent,
) -> list[Label]:
    """Find what is damaged in a sound file.

    Args:
        path: any readable audio file.
        kinds: which kinds to look for; all of them when None.
        sensitivity: 1 as measured; 2 finds fainter damage and more that is none, 0.5 the opposite.
        progress: called with the fraction read; raising from it cancels.

    Returns:
        labels in order of time, in samples of the file.

    Raises:
        ValueError: the file cannot be read as audio, or an argument does not exist.
        OSError: the file cannot be opened.
    """
    with open_audio(path) as reader:
        info = reader.info

        def read(start: int, stop: int) -> NDArray[np.float64]:
            progress(start / info.frames)
            return reader.read(start, stop)

        found = detect_blocks(read, info.frames, info.sample_rate, kinds=kinds, sensitivity=sensitivity)
    progress(1.0)
    return found
