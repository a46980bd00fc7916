"""The outline of a waveform at any zoom, in bounded memory.

    low_k = min x[t], high_k = max x[t]   over the samples t of pixel k

A short span is read as it is. For a long one a summary of the whole recording, pairs of extremes per block of samples,
answers at once; before there is a summary, each pixel looks at a few samples only and the answer says so.
"""

from __future__ import annotations

__all__ = ["Extremes", "Summary", "extremes", "summarise"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.audio import Reader
from caesura.inpainter import Progress, silent

Array = NDArray[np.float32]

BLOCK = 1024  # samples per pair of a summary: an hour of stereo at 48 kHz takes 2.7 MB
LONGEST_READ = 1 << 19  # samples per channel that are read for one answer
GLIMPSE = 256  # samples of each pixel that are looked at before there is a summary


@dataclass(frozen=True, eq=False)
class Extremes:
    """Lowest and highest sample under each pixel."""

    low: Array
    """(channels, pixels)"""
    high: Array
    exact: bool
    """Whether every sample was looked at."""


@dataclass(frozen=True, eq=False)
class Summary:
    """Extremes of each block of a recording."""

    low: Array
    """(channels, blocks)"""
    high: Array


def summarise(reader: Reader, progress: Progress = silent) -> Summary:
    """Read a whole recording once; `progress` may raise to stop."""
    channels, frames = reader.info.channels, reader.info.frames
    blocks = -(-frames // BLOCK)
    low, high = np.empty((channels, blocks), np.float32), np.empty((channels, blocks), np.float32)
    step = BLOCK * max(LONGEST_READ // (BLOCK * channels), 1)
    for start in range(0, frames, step):
        x = np.nan_to_num(reader.read(start, min(start + step, frames)))
        first = start // BLOCK
        edges = np.arange(0, x.shape[1], BLOCK)
        low[:, first : first + edges.size] = np.minimum.reduceat(x, edges, axis=1)
        high[:, first : first + edges.size] = np.maximum.reduceat(x, edges, axis=1)
        progress(min((start + step) / frames, 1.0))
    return Summary(low, high)


def extremes(reader: Reader, start: int, stop: int, pixels: int, summary: Summary | None = None) -> Extremes:
    """Extremes of the samples from `start` to `stop`.

    Args:
        reader: the recording.
        start: first sample.
        stop: one past the last sample.
        pixels: how many pairs; where there are fewer samples, neighbours repeat.
        summary: of the whole recording, where there is one; edges of pixels then lie on its blocks.

    Raises:
        ValueError: the span is empty or lies outside, or there are no pixels.
    """
    if not 0 <= start < stop <= reader.info.frames:
        raise ValueError(f"the span {start}-{stop} lies outside the recording, which has {reader.info.frames} samples")
    if pixels < 1:
        raise ValueError(f"pixels={pixels} must be at least 1")
    edges = start + (stop - start) * np.arange(pixels + 1, dtype=np.int64) // pixels
    if stop - start <= LONGEST_READ:
        x = np.nan_to_num(reader.read(start, stop))
        return Extremes(*_reduced(x, x, edges[:-1] - start), exact=True)
    if summary is not None:
        last = -(-stop // BLOCK)
        return Extremes(*_reduced(summary.low[:, :last], summary.high[:, :last], edges[:-1] // BLOCK), exact=True)
    seen = [np.nan_to_num(reader.read(int(a), int(min(a + GLIMPSE, stop)))) for a in edges[:-1]]
    low, high = (np.stack([f(x, axis=1) for x in seen], axis=1).astype(np.float32) for f in (np.min, np.max))
    return Extremes(low, high, exact=False)


def _reduced(low: NDArray[np.floating], high: NDArray[np.floating], firsts: NDArray[np.int64]) -> tuple[Array, Array]:
    return (
        np.minimum.reduceat(low, firsts, axis=1).astype(np.float32),
        np.maximum.reduceat(high, firsts, axis=1).astype(np.float32),
    )
