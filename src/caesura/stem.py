"""What a repair added or took away, as a sound of its own.

    stem = after - before

With integer samples the difference is exact in 32-bit floats, so that before + stem is after, sample by sample.
"""

from __future__ import annotations

__all__ = ["write_stem"]

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from caesura.atomic import replacing
from caesura.audio import Reader, open_audio
from caesura.audio.encoding import Shape, encode
from caesura.audio.targets import Target
from caesura.inpainter import Progress, silent


def write_stem(before: Path, after: Path, target: Path, *, force: bool = False, progress: Progress = silent) -> None:
    """Write the difference of two files of one length as a WAV of 32-bit floats.

    Args:
        before: what there was.
        after: what came of it; it may be longer, as what continues `before` is.
        target: where the difference goes.
        force: overwrite an existing file.
        progress: called with the fraction done.

    Raises:
        ValueError: the two have another rate or other channels.
    """
    with open_audio(before) as old, open_audio(after) as new:
        pair = [(r.info.sample_rate, r.info.channels) for r in (old, new)]
        if pair[0] != pair[1]:
            raise ValueError(f"'{before}' and '{after}' differ in rate or channels, {pair[0]} and {pair[1]}: no stem")
        shape = Shape(new.info.sample_rate, new.info.channels, new.info.frames)
        with replacing(target, force=force) as partial:
            encode(partial, Target("WAV", "FLOAT", False), shape, _differences(old, new, progress))


def _differences(old: Reader, new: Reader, progress: Progress) -> Iterator[NDArray[np.float64]]:
    for start, stop in new.blocks():
        x = np.nan_to_num(new.read(start, stop))
        there = min(stop, old.info.frames) - start
        if there > 0:
            x[:, :there] -= np.nan_to_num(old.read(start, start + there))
        progress(stop / new.info.frames)
        yield x
