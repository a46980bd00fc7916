"""How firmly a guide is held, over time and frequency: a picture laid over a recording.

    w(t, f) = 1 - L / 255,      L the grey level of the pixel that t and f fall on

White is free, black is held, grey is pulled back a little at every step of the drawing. Columns are spread evenly over
the recording; rows, the highest frequency first, evenly over the scale m(h) = log(1 + h / 700), as in pictures of
sound. What is black for good needs no method: the regions are the smallest gaps and boxes around the rest.

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
"""

from __future__ import annotations

__all__ = ["Hold"]

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.region import Region, Span

Array = NDArray[np.float64]
Rectangle = tuple[Span, Span]
"""Rows and columns, half open."""

CORNER = 700.0  # hertz, of the scale
TIE = 1e-6  # of a pixel: what falls between two by rounding belongs to the later one
MOST_SPOTS = 1000


@dataclass(frozen=True, eq=False)
class Hold:
    """A picture of what of the guide stays."""

    weights: Array
    """(rows, columns), 1 held and 0 free; the highest row first."""
    start: float
    """Where the first column begins, in samples; before the recording where it was cut off."""
    stop: float
    """Where the last column ends."""
    low: float = 0.0
    """Lower edge of the lowest row in hertz."""
    high: float = 10_000.0
    """Upper edge of the highest row in hertz."""

    def __post_init__(self) -> None:
        if self.weights.ndim != 2 or not self.weights.size:
            raise ValueError(f"a hold has weights (rows, columns), got the shape {self.weights.shape}")
        if not (self.weights >= 0.0).all() or not (self.weights <= 1.0).all():
            raise ValueError(f"weights lie between 0 and 1, got {self.weights.min():g} to {self.weights.max():g}")
        if not self.start < self.stop or not 0.0 <= self.low < self.high:
            raise ValueError(
                f"a hold needs start < stop and 0 <= low < high, got {self.start:g} to {self.stop:g} samples "
                f"and {self.low:g} to {self.high:g} Hz"
            )

    def shifted(self, offset: float) -> Hold:
        """The same `offset` samples later."""
        return dataclasses.replace(self, start=self.start + offset, stop=self.stop + offset)

    def scaled(self, ratio: float) -> Hold:
        """The same at `ratio` times the sample rate."""
        return dataclasses.replace(self, start=self.start * ratio, stop=self.stop * ratio)

    def over(self, shape: tuple[int, int], band: tuple[float, float], span: tuple[float, float]) -> Array:
        """Weights of a grid of cells, each that of the pixel on which its middle falls.

        Args:
            shape: rows, the highest first, and columns of the grid.
            band: lower and upper edge of the grid in hertz; its rows are spread as the picture's are.
            span: samples at which it begins and ends.
        """
        top, bottom, low, high = (math.log1p(hertz / CORNER) for hertz in (self.high, self.low, *band))
        middle = high - (np.arange(shape[0]) + 0.5) / shape[0] * (high - low)
        time = span[0] + (np.arange(shape[1]) + 0.5) / shape[1] * (span[1] - span[0])
        rows = _pixels((top - middle) / (top - bottom), self.weights.shape[0])
        columns = _pixels((time - self.start) / (self.stop - self.start), self.weights.shape[1])
        return np.asarray(self.weights[rows[:, None], columns])

    def regions(self, samples: int) -> tuple[Region, ...]:
        """What is not held all through: the smallest gaps and boxes around it, in order of time.

        A spot from the lowest row to the highest is a gap, for the full band.

        Args:
            samples: length of the recording.

        Raises:
            ValueError: nothing is free, or the picture is dust.
        """
        from scipy.ndimage import find_objects, label

        marked, count = label(self.weights < 1.0, np.ones((3, 3)))
        if not count:
            raise ValueError("the mask is black everywhere: paint white what is to change")
        if count > MOST_SPOTS:
            raise ValueError(f"the mask has {count} separate spots, at most {MOST_SPOTS} make sense: smooth it")
        spots = _merged([((r.start, r.stop), (c.start, c.stop)) for r, c in find_objects(marked)])
        return tuple(sorted((self._region(spot, samples) for spot in spots), key=Region.order))

    def _region(self, spot: Rectangle, samples: int) -> Region:
        (first, last), columns = spot
        height, width = self.weights.shape
        start, stop = (self.start + column * (self.stop - self.start) / width for column in columns)
        begin = min(max(math.floor(start), 0), samples - 1)
        end = min(max(math.ceil(stop), begin + 1), samples)
        if last - first == height:
            return Region(begin, end)
        top, bottom = (math.log1p(hertz / CORNER) for hertz in (self.high, self.low))
        high, low = (CORNER * math.expm1(top - row / height * (top - bottom)) for row in (first, last))
        return Region(begin, end, max(low, 0.0), high)


def _pixels(place: Array, count: int) -> NDArray[np.int64]:
    """Indices of pixels at places between 0 and 1; beyond them the first and the last."""
    return np.clip(np.floor(place * count + TIE).astype(np.int64), 0, count - 1)


def _merged(spots: Sequence[Rectangle]) -> list[Rectangle]:
    """Rectangles that do not meet, around those that do."""
    done: list[Rectangle] = []
    for spot in spots:
        own, rest = spot, done
        while meeting := [other for other in rest if _meet(own, other)]:
            rest = [other for other in rest if other not in meeting]
            rows, columns = zip(own, *meeting, strict=True)
            own = _around(rows), _around(columns)
        done = [*rest, own]
    return done


def _around(spans: Sequence[Span]) -> Span:
    return min(start for start, _ in spans), max(stop for _, stop in spans)


def _meet(one: Rectangle, other: Rectangle) -> bool:
    return all(a[0] < b[1] and b[0] < a[1] for a, b in zip(one, other, strict=True))
