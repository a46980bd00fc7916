"""Controls: what is left of a spectrogram picture for a network that is to draw around it.

    gx = K * v,   gy = K^T * v,   K = [1 2 1]^T [-1 0 1]

    Canny: |gx| + |gy| > h where it is largest across the edge, and what is joined to it with |gx| + |gy| > l
    Sobel: sqrt(gx^2 + gy^2), the largest 255
    denoised: v[p] <- sum_q w(p, q) v[q],   w = exp(-|V_p - V_q|^2 / (49 s^2)), V_p the 7 x 7 pixels around p

Pictures are of bytes, as `codecs.image` makes them; so are controls.

References:
    J. Canny, "A computational approach to edge detection", IEEE Transactions on Pattern Analysis and Machine
        Intelligence 8, 1986.
    A. Buades, B. Coll, J.-M. Morel, "A non-local algorithm for image denoising", IEEE CVPR 2005.
"""

from __future__ import annotations

__all__ = ["Control", "canny", "control_of", "denoised", "sobel"]

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Pixels = NDArray[np.uint8]
Integers = NDArray[np.int64]

Control = Literal["canny", "sobel", "sobel_denoised", "spectrogram"]

WHITE = 255
LOW, HIGH = 100, 200  # thresholds of the published weights; the later program of the authors begins at 150
STRENGTH = 15.0  # of the denoising: s
TEMPLATE, SEARCH = 7, 21  # pixels that are compared, and where; both published
LEAST_WEIGHT = 1e-3  # under which a pixel does not count
SLOPE = 13573  # tan(22.5 degrees) in units of 2^-15: the directions are told apart in whole numbers, as published


def control_of(pixels: Pixels, control: Control, *, low: int = LOW) -> Pixels:
    """The control of a picture.

    Args:
        pixels: (rows, columns, 3), all colours alike.
        control: "canny", "sobel", "sobel_denoised", or "spectrogram", which is the picture itself.
        low: threshold from which Canny's method goes on with an edge.

    Returns:
        (rows, columns, 3), all colours alike.
    """
    grey = pixels[..., 0]
    if control == "canny":
        found = canny(grey, low)
    elif control == "spectrogram":
        found = grey
    else:
        found = sobel(grey if control == "sobel" else denoised(grey))
    return np.repeat(found[..., None], 3, axis=-1)


def canny(grey: Pixels, low: int = LOW, high: int = HIGH) -> Pixels:
    """Edges one pixel wide, 255 on 0.

    Args:
        grey: (rows, columns).
        low: gradient above which an edge goes on.
        high: gradient above which there is one.
    """
    gx, gy = _gradients(grey, "nearest")
    size = np.abs(gx) + np.abs(gy)
    thin = _largest_across(size, gx, gy) & (size > low)
    parts, count = ndimage.label(thin, np.ones((3, 3)))
    strong = np.zeros(count + 1, bool)
    strong[parts[thin & (size > high)]] = True
    return np.asarray(WHITE * strong[parts], np.uint8)


def sobel(grey: Pixels) -> Pixels:
    """How steep a picture (rows, columns) is, the steepest place 255; all 0 where it is flat."""
    gx, gy = _gradients(grey, "reflect")
    size = np.sqrt((gx**2 + gy**2).astype(np.float64))
    most = size.max(initial=0.0)
    return (WHITE * (size / most)).astype(np.uint8) if most else np.zeros_like(grey)


def denoised(grey: Pixels, strength: float = STRENGTH) -> Pixels:
    """Means of the pixels of a picture (rows, columns) that look alike within 10 pixels, by how much they do."""
    reach, half = SEARCH // 2, TEMPLATE // 2
    rows, columns = grey.shape
    around = np.pad(grey.astype(np.float32), reach + half, mode="reflect")
    own = around[reach : reach + rows + 2 * half, reach : reach + columns + 2 * half]
    total, weights = np.zeros(grey.shape, np.float32), np.zeros(grey.shape, np.float32)
    for down in range(SEARCH):
        for right in range(SEARCH):
            other = around[down : down + own.shape[0], right : right + own.shape[1]]
            distance = _box((own - other) ** 2, TEMPLATE)
            weight = np.exp(distance * (-1.0 / (TEMPLATE * strength) ** 2))
            weight[weight < LEAST_WEIGHT] = 0.0
            weights += weight
            total += weight * other[half : half + rows, half : half + columns]
    return np.asarray(np.floor(total / weights + 0.5), np.uint8)


def _gradients(grey: Pixels, mode: Literal["nearest", "reflect"]) -> tuple[Integers, Integers]:
    """Differences along the rows and along the columns, smoothed across; neither is scaled."""
    x = grey.astype(np.int64)
    along = [
        ndimage.correlate1d(ndimage.correlate1d(x, [1, 2, 1], axis=1 - axis, mode=mode), [-1, 0, 1], axis, mode=mode)
        for axis in (1, 0)
    ]
    return along[0], along[1]


def _largest_across(size: Integers, gx: Integers, gy: Integers) -> NDArray[np.bool_]:
    """Where a gradient is larger than those on both sides of it in its own direction; of equal ones the first."""
    rows, columns = size.shape
    around = np.pad(size, 1)

    def beside(down: int, right: int) -> Integers:
        return around[1 + down : 1 + down + rows, 1 + right : 1 + right + columns]

    x, y = np.abs(gx) * SLOPE, np.abs(gy) << 15
    flat, steep = y < x, y > x + (np.abs(gx) << 16)
    rising = (gx ^ gy) < 0
    slanted = np.where(rising, (size > beside(-1, 1)) & (size > beside(1, -1)),
                       (size > beside(-1, -1)) & (size > beside(1, 1)))  # fmt: skip
    level = (size > beside(0, -1)) & (size >= beside(0, 1))
    upright = (size > beside(-1, 0)) & (size >= beside(1, 0))
    return np.where(flat, level, np.where(steep, upright, slanted))


def _box(x: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """Sums over squares of pixels that lie within a picture."""
    for axis in (0, 1):
        sums = np.cumsum(x, axis=axis, dtype=np.float64)
        ends = np.take(sums, range(width - 1, sums.shape[axis]), axis)
        begins = np.insert(np.take(sums, range(sums.shape[axis] - width), axis), 0, 0.0, axis)
        x = (ends - begins).astype(np.float32)
    return x
