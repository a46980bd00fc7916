"""Short gaps, thousands of them: one model and one small solve each, all of a batch together.

Every gap gets the least-squares interpolation of `interpolation`, x_m = -T^-1 r with T_ij = b_|i-j|, under a model of
its own surroundings from `burg_many`. A batch holds gaps of about the same length; the shorter ones are padded with
rows of the identity.

References:
    S. Godsill and P. Rayner, "Digital Audio Restoration", Springer, 1998, chapter 5.
"""

from __future__ import annotations

__all__ = ["Short", "short_gaps"]

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.context import segments
from caesura.autoregression.interpolation import LOADING
from caesura.autoregression.many import burg_many
from caesura.autoregression.threads import one_thread

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

Place = tuple[int, int, int]

BATCH = 72  # gaps whose vectors of a few hundred coefficients fit into the cache together


@dataclass(frozen=True, eq=False)
class Short:
    """The fill of a short gap."""

    samples: Array
    """(length of the gap,)."""
    confidence: float
    """The share of its energy that the model can be expected to explain, 0 to 1."""


@dataclass(frozen=True, eq=False)
class _Gap:
    place: int
    known: list[Array]
    around: Array
    """(order + length + order,), zero in the gap."""


def short_gaps(x: Array, missing: Flags, places: Sequence[Place], reach: int, order: int) -> list[Short | None]:
    """Fill short gaps that have the surroundings a model needs, each from its own channel.

    Args:
        x: (channels, samples), zero where it is unknown.
        missing: (channels, samples), True where it is unknown.
        places: channel, first sample and one past the last of every gap.
        reach: samples on either side that a model is estimated from.
        order: its coefficients.

    Returns:
        one per place; None where another gap lies within the order, too little is known, or nothing sounds.
    """
    fills: list[Short | None] = [None] * len(places)
    gaps = sorted(_usable(x, missing, places, reach, order), key=lambda gap: (len(gap.known), gap.around.size))
    with one_thread():
        count = -(-len(gaps) // BATCH)
        for n in range(count):  # equal batches: a small one costs nearly as much as a large one
            batch = gaps[n * len(gaps) // count : (n + 1) * len(gaps) // count]
            for gap, fill in zip(batch, _filled(batch, order), strict=True):
                fills[gap.place] = fill
    return fills


def _usable(x: Array, missing: Flags, places: Sequence[Place], reach: int, order: int) -> Iterator[_Gap]:
    for place, (channel, start, stop) in enumerate(places):
        row, unknown, low, high = x[channel], missing[channel], start - order, stop + order
        if low < 0 or high > row.size or unknown[low:start].any() or unknown[stop:high].any():
            continue
        known = [part for part in segments(row, unknown, start, stop, reach) if part.size > order]
        if sum(part.size for part in known) >= 3 * order and any(part.any() for part in known):
            yield _Gap(place, known, np.where(unknown[low:high], 0.0, row[low:high]))


def _filled(gaps: Sequence[_Gap], order: int) -> Iterator[Short]:
    """The fills of gaps in order of their lengths."""
    from scipy.fft import irfft, next_fast_len, rfft

    models, powers = burg_many([gap.known for gap in gaps], order)
    length = next_fast_len(2 * order + 1, real=True)
    b = irfft(np.abs(rfft(models, length)) ** 2, length)[:, : order + 1]
    widths = np.array([gap.around.size - 2 * order for gap in gaps])
    widest = int(widths.max())
    inside = np.arange(widest)
    column = np.zeros((len(gaps), widest))
    column[:, : order + 1] = b[:, :widest]
    column[:, 0] *= 1.0 + LOADING
    used = inside < widths[:, None]
    matrix = np.where(used[:, :, None] & used[:, None, :], column[:, np.abs(inside[:, None] - inside)], np.eye(widest))
    inverse = np.linalg.inv(matrix)
    traces = np.einsum("gii,gi->g", inverse, used)
    two_sided = np.concatenate([b[:, :0:-1], b], axis=1)
    for k, gap in enumerate(gaps):
        right = np.lib.stride_tricks.sliding_window_view(gap.around, 2 * order + 1) @ two_sided[k]
        samples = -inverse[k, : right.size, : right.size] @ right
        energy = float(samples @ samples)
        spread = float(powers[k] * max(traces[k], 0.0))
        yield Short(samples, energy / (energy + spread) if energy > 0.0 else 0.0)
