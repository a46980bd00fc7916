"""A window on the spectrogram of a recording of any length, as a picture.

    S(f, t) = 20 log10 |sum_n w[n] x[t + n] exp(-2 pi i f n)| 2 / sum w

A full-scale sine has 0 dB. Columns nearer than a window are transformed one by one; where they lie further apart each
shows the loudest of a few frames, so that the work for a picture does not grow with what it shows. Rows follow a
linear, logarithmic or mel scale: a row that holds bins shows the loudest, one between two bins interpolates.

References:
    D. O'Shaughnessy, "Speech communication: human and machine", Addison-Wesley 1987 (mel).
"""

from __future__ import annotations

__all__ = ["LOWEST", "PALETTES", "SCALES", "View", "decibels", "png"]

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.audio import Reader

Array = NDArray[np.float64]

SCALES = ("linear", "log", "mel")
LOWEST = 27.5  # hertz, lower edge of the log scale: the lowest A of a piano
FRAMES = 3  # looked at per column where columns lie further apart than a window
SILENT = 1e-15  # power below which there is nothing to see
MEL = 700.0  # hertz at which the mel scale turns from linear to logarithmic

# Colours at equal steps of loudness; those between are mixed.
PALETTES = {
    "magma": ((0, 0, 4), (28, 16, 68), (79, 18, 123), (129, 37, 129), (181, 54, 122), (229, 80, 100), (251, 135, 97),
              (254, 194, 135), (252, 253, 191)),
    "grey": ((0, 0, 0), (255, 255, 255)),
    "ink": ((255, 255, 255), (23, 32, 56)),
}  # fmt: skip


@dataclass(frozen=True)
class View:
    """What a picture shows.

    Raises:
        ValueError: the scale is not known, or the view is empty.
    """

    start: int
    """First sample; what lies outside the recording is silent."""
    hop: float
    """Samples per column."""
    columns: int
    rows: int
    scale: str = "log"
    """linear, log or mel."""
    low: float = 0.0
    """Lower edge in hertz."""
    high: float = 0.0
    """Upper edge in hertz; 0: half the sample rate."""
    window: int = 2048
    """Samples of a frame."""
    channel: int | None = None
    """None: the mean power of all channels."""

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ValueError(f"scale '{self.scale}' is not one of {', '.join(SCALES)}")
        if self.columns < 1 or self.rows < 1 or not self.hop > 0 or self.window < 2:
            raise ValueError(f"a view of {self.columns} columns and {self.rows} rows is empty")


def decibels(reader: Reader, view: View) -> Array:
    """The spectrogram in decibels of full scale (rows, columns), the lowest row first.

    Raises:
        ValueError: the band is empty or lies above half the sample rate.
    """
    rate = reader.info.sample_rate
    edges = _edges(view, rate)
    weights = np.hanning(view.window + 1)[:-1]
    power = np.empty((view.columns, view.window // 2 + 1))
    size = max((1 << 19) // view.window, 1)  # frames in memory at a time
    for first in range(0, view.columns, size):
        columns = np.arange(first, min(first + size, view.columns))
        power[columns] = _power(reader, view, columns, weights)
    return np.asarray(10.0 * np.log10(_rows(power, edges * view.window / rate) + SILENT)).T


def png(levels: Array, *, floor: float, ceiling: float, palette: str = "magma") -> bytes:
    """A picture of decibels (rows, columns), the lowest row at the bottom.

    Args:
        levels: from `decibels`.
        floor: decibels of the first colour.
        ceiling: decibels of the last colour.
        palette: one of `PALETTES`.

    Raises:
        ValueError: there is no such palette, or floor and ceiling are not in order.
    """
    if palette not in PALETTES:
        raise ValueError(f"palette '{palette}' is not one of {', '.join(PALETTES)}")
    if not floor < ceiling:
        raise ValueError(f"floor={floor:g} dB must lie below ceiling={ceiling:g} dB")
    shade = np.clip((levels - floor) / (ceiling - floor), 0.0, 1.0)
    pixels = np.rint(255.0 * shade[::-1]).astype(np.uint8)
    points = np.array(PALETTES[palette], dtype=np.float64)
    at = np.linspace(0.0, len(points) - 1.0, 256)
    colours = np.stack([np.interp(at, np.arange(len(points)), band) for band in points.T], axis=1)
    lines = np.pad(pixels, ((0, 0), (1, 0)))  # each line begins with its filter, none
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 3, 0, 0, 0)
    parts = (
        (b"IHDR", header),
        (b"PLTE", np.rint(colours).astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(lines.tobytes(), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _edges(view: View, rate: int) -> Array:
    """Edges of the rows in hertz (rows + 1,)."""
    low = max(view.low, LOWEST) if view.scale == "log" else view.low
    high = min(view.high or rate / 2, rate / 2)
    if not 0.0 <= low < high:
        raise ValueError(f"the band {low:g}-{high:g} Hz is empty: half the sample rate is {rate / 2:g} Hz")
    if view.scale == "linear":
        return np.linspace(low, high, view.rows + 1)
    if view.scale == "log":
        return np.asarray(np.geomspace(low, high, view.rows + 1))
    return np.asarray(MEL * np.expm1(np.linspace(np.log1p(low / MEL), np.log1p(high / MEL), view.rows + 1)))


def _power(reader: Reader, view: View, columns: NDArray[np.int64], weights: Array) -> Array:
    """Power (columns, bins), 1 for a full-scale sine."""
    half = view.window // 2
    if view.hop <= view.window:
        middles = np.round(view.start + (columns + 0.5) * view.hop).astype(np.int64)
        first = int(middles[0]) - half
        x = _read(reader, first, int(middles[-1]) - half + view.window, view.channel)
        spans = np.lib.stride_tricks.sliding_window_view(x, view.window, axis=1)
        return _spectra(spans[:, middles - half - first], weights)
    inside = (np.arange(FRAMES) + 0.5) / FRAMES
    loudest = np.zeros((columns.size, half + 1))
    for part in inside:
        middles = np.round(view.start + (columns + part) * view.hop).astype(np.int64)
        frames = [_read(reader, int(m) - half, int(m) - half + view.window, view.channel) for m in middles]
        np.maximum(loudest, _spectra(np.stack(frames, axis=1), weights), out=loudest)
    return loudest


def _spectra(frames: Array, weights: Array) -> Array:
    """Mean power (columns, bins) of frames (channels, columns, window)."""
    spectra = np.fft.rfft(frames * (2.0 * weights / weights.sum()))
    return np.asarray((spectra.real**2 + spectra.imag**2).mean(axis=0))


def _read(reader: Reader, start: int, stop: int, channel: int | None) -> Array:
    """Samples (channels, stop - start), silence outside the recording."""
    frames = reader.info.frames
    a, b = min(max(start, 0), frames), min(max(stop, 0), frames)
    x = np.nan_to_num(reader.read(a, b)) if a < b else np.zeros((reader.info.channels, 0))
    x = x if channel is None else x[channel : channel + 1]
    return np.pad(x, ((0, 0), (a - start if a < b else stop - start, stop - b if a < b else 0)))


def _rows(power: Array, edges: Array) -> Array:
    """Power (columns, rows) of rows whose edges are given in bins."""
    bins = power.shape[1]
    firsts = np.minimum(np.ceil(edges).astype(np.int64), bins - 1)
    loudest = np.maximum.reduceat(power, firsts[:-1], axis=1)
    last = max(int(np.ceil(edges[-1])), firsts[-2] + 1)
    loudest[:, -1] = power[:, firsts[-2] : last].max(axis=1)
    middles = np.clip(0.5 * (edges[1:] + edges[:-1]), 0.0, bins - 1.0)
    below = np.minimum(middles.astype(np.int64), bins - 2)
    share = middles - below
    between = power[:, below] * (1.0 - share) + power[:, below + 1] * share
    return np.where(firsts[1:] > firsts[:-1], loudest, between)
