"""The published way to make a long sound out of clips, written from its description, in 16-bit steps.

    y_k <- g_k floor(a_k y_k),   y = y_1 + ramp (y_2 - y_1) in what two clips share

Every clip is brought to -12 dB below full scale, cut off there, and then its peak to -0.1 dB. `benchmarks/image.py`
compares it with one long picture.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FULL = 32_768
CONTROL, CONTROL_SIDE = 512, 64  # pixels
SIDE = 32  # pixels: sides of a picture are a multiple
LEVEL, PEAK = -12.0, -0.1  # decibels
FAINT = 1e-6  # where ramps begin: -120 dB
FINE = 100  # milliseconds of a ramp up to which it moves from sample to sample, and above it every millisecond


def downmix(x: Array) -> Array:
    """One channel (1, samples) of two."""
    return np.asarray(np.floor(x.mean(axis=0, keepdims=True)))


def taken(pixels: NDArray[np.uint8]) -> Array:
    """A picture (rows, columns, 3) as the network is given it, squeezed to size: (3, rows, columns) from -1 to 1."""
    from PIL import Image

    rows, columns = (side // SIDE * SIDE for side in pixels.shape[:2])
    sized = Image.fromarray(pixels).resize((columns, rows), Image.Resampling.LANCZOS)
    return np.moveaxis(np.asarray(sized, np.float64), -1, 0) / 127.5 - 1.0


def control_size(height: int, width: int) -> tuple[int, int]:
    """What Riff-CNET's program squeezes a picture to: the short side 512, both multiples of 64."""
    scale = CONTROL / min(height, width)
    rows, columns = (round(scale * side / CONTROL_SIDE) * CONTROL_SIDE for side in (height, width))
    return rows, columns


def peak_levelled(x: Array) -> Array:
    """A clip (samples,) in 16-bit steps, its peak the largest there is: what the authors' pictures are made of."""
    return np.asarray(np.trunc(x / np.abs(x).max() * (FULL - 1)))


def clip_starts(start: float, duration: float, clip: float, overlap: float) -> Array:
    """Seconds at which the clips of a recording begin; what is left after the last one is dropped."""
    return start + np.arange(0.0, duration - clip, clip - overlap)


def levelled(x: Array) -> Array:
    """A clip (samples,) as loud as all of them."""
    rms = math.floor(math.sqrt(float(np.mean(x**2))))
    loud = amplified(x, 10.0 ** (LEVEL / 20.0) * FULL / rms)
    return amplified(loud, 10.0 ** (PEAK / 20.0) * FULL / float(np.abs(loud).max()))


def amplified(x: Array, gain: float | Array) -> Array:
    """Times a gain, rounded down to 16 bits and cut off."""
    return np.asarray(np.floor(np.clip(gain * x, -FULL, FULL - 1)))


def joined(first: Array, second: Array, overlap: float, rate: int) -> Array:
    """Two clips (samples,) that share `overlap` seconds."""
    shared = round(overlap * rate)
    if not shared:
        return np.concatenate([first, second])
    count = round(1000 * overlap)
    edges = (np.arange(count + 1) * rate / 1000).astype(int)
    up = np.arange(shared) / shared
    if count > FINE:
        up = np.repeat(np.arange(count) / count, np.diff(edges))
    ways = FAINT + (1.0 - FAINT) * up, 1.0 - (1.0 - FAINT) * up
    both = amplified(second[:shared], ways[0]) + amplified(first[-shared:], ways[1])
    return np.concatenate([first[:-shared], np.clip(both, -FULL, FULL - 1), second[shared:]])
