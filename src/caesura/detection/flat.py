"""Runs of samples that do not change: digital zeros, held values, clipped peaks; and samples that are no numbers.

Sound of amplitude A, seen through a quantiser of step q, repeats a value when its slope is less than q: near zero
when it is as quiet as the step, at the top of a slow wave. There the differences d[n] = x[n] - x[n-1] beside the run
are one or two steps. A gap cuts through moving sound. So each edge of a run is weighed by

    s = max over 0.5 ms beside the edge of |y|  /  max(RATIO r(y), STEPS q, FAINT),

y being x and d for zeros, d with the jump into the run for a held value, and r(y) the second lowest rms of y in the
four spans of 5 ms beside the edge. A straight fade has s = 1/3, whatever its length. A run is damage when both edges
have s >= 1, or when one is so clear that s_1 s_2 >= 2 and the other not under 0.6 (zeros) or 0.4 (a value may be
held from the quiet top of a wave on). The start and the end of the recording are no edges.

References:
    none; the reasoning is above.
"""

from __future__ import annotations

__all__ = ["Piece", "clipped", "flat_pieces", "join", "not_finite", "step_of", "weigh"]

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Span, runs

Array = NDArray[np.float64]

SHORTEST_SECONDS = 0.00025  # the shortest gap looked for; 11 samples at 44.1 kHz
SHORTEST_RUN = 8  # fewer equal samples are ordinary in 16-bit sound
NEAR_SECONDS = 0.0005
FAR_SECONDS = 0.02
FAR_SPANS = 4
RATIO = 0.2
STEPS = 4.0
FAINT = 1e-4  # of full scale: a sound that stops at -80 dB has faded
PRODUCT, LEAST, LEAST_HELD = 2.0, 0.6, 0.4
SURE_SECONDS, UNSURE = 0.001, 1.5  # a shorter run needs edges that are so many times clearer
REST_SECONDS = 0.25  # a longer run may be a rest between two cut notes: both edges must be clearer
CLIPPED_RUN = 3
CLIPPED_SECONDS = 0.002  # a run at the extreme level that is longer is a held value


@dataclass(frozen=True)
class Piece:
    """A run of one value, or the part of it that lies in a block."""

    start: int
    stop: int
    value: float
    before: float = 0.0
    """Weight of the left edge; 0 when it is not in the block."""
    after: float = 0.0
    """Weight of the right edge."""


def flat_pieces(x: Array, sample_rate: int, inside: Span) -> list[Piece]:
    """Runs of equal samples with the weight of their edges.

    Args:
        x: one channel of a block (samples,), finite.
        sample_rate: hertz.
        inside: the part of the block that belongs to the recording.

    Returns:
        the runs that are long enough, with positions in the block.
    """
    low, high = inside
    shortest = max(SHORTEST_RUN, round(SHORTEST_SECONDS * sample_rate))
    pieces = []
    for start, stop in runs(np.diff(x[low:high]) == 0.0):
        if stop - start + 1 >= shortest:
            pieces.append(_piece(x, sample_rate, (low + start, low + stop + 1), inside))
    return pieces


def join(pieces: Iterable[Piece]) -> list[Piece]:
    """Put together what overlaps: the same run seen from several blocks."""
    joined: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (p.start, p.stop)):
        last = joined[-1] if joined else None
        if last is not None and piece.start < last.stop:
            joined[-1] = Piece(
                last.start,
                max(last.stop, piece.stop),
                last.value,
                max(last.before, piece.before),
                max(last.after, piece.after),
            )
        else:
            joined.append(piece)
    return joined


def weigh(piece: Piece, sample_rate: int, sensitivity: float) -> float:
    """How sure it is that a run is damage: 0.5 and more is damage, 0 to 1."""
    seconds = (piece.stop - piece.start) / sample_rate
    needed = (1.0 + seconds / REST_SECONDS) * (1.0 if seconds >= SURE_SECONDS else UNSURE)
    low, high = sorted((piece.before, piece.after))
    if seconds >= SURE_SECONDS:
        least = LEAST if piece.value == 0.0 else LEAST_HELD
        low = max(low, min(math.sqrt(low * high / PRODUCT), low / least))
    s = sensitivity * low / needed
    return s**2 / (1.0 + s**2)


def clipped(x: Array, sample_rate: int, inside: Span, reach: int) -> list[Span]:
    """Runs of equal samples at the extreme level of their surroundings, entered and left with a slope.

    Args:
        x: one channel of a block (samples,), finite.
        sample_rate: hertz.
        inside: the part of the block that belongs to the recording.
        reach: samples over which the extreme level is taken, on either side; divides the block.

    Returns:
        the flat tops, with positions in the block.
    """
    low, high = inside
    equal = np.flatnonzero((x[low : high - 1] == x[low + 1 : high]) & (x[low : high - 1] != 0.0)) + low
    ceiling = _surrounding_peaks(x, reach)
    candidates = equal[np.abs(x[equal]) >= ceiling[equal // reach] * (1.0 - 1e-9)]
    found = []
    for start, stop in _spans(candidates):
        if CLIPPED_RUN <= stop - start <= CLIPPED_SECONDS * sample_rate and low < start and stop < high:
            v = abs(x[start])
            steps = np.array([v - np.sign(x[start]) * x[start - 1], v - np.sign(x[start]) * x[stop]])
            near = x[max(start - 32, low) : min(stop + 32, high)]
            if steps.min() > 0.0 and steps.sum() > 1.5 * STEPS * step_of(np.diff(near)):
                found.append((start, stop))
    return found


def not_finite(x: Array) -> list[Span]:
    """Runs of NaN or infinity in one channel."""
    return runs(~np.isfinite(x))


def step_of(differences: Array) -> float:
    """The step of the quantiser: the smallest difference that is not zero, or 0 when there is none."""
    moved = np.abs(differences[differences != 0.0])
    return float(moved.min()) if moved.size else 0.0


def _spans(positions: NDArray[np.intp]) -> list[Span]:
    """Runs of equal samples from the positions whose next sample is the same."""
    if not positions.size:
        return []
    ends = np.flatnonzero(np.diff(positions) > 1)
    firsts = positions[np.r_[0, ends + 1]]
    lasts = positions[np.r_[ends, positions.size - 1]]
    return [(int(a), int(b) + 2) for a, b in zip(firsts, lasts, strict=True)]


def _surrounding_peaks(x: Array, reach: int) -> Array:
    peaks = np.abs(x).reshape(-1, reach).max(axis=1)
    wide = np.concatenate([peaks[:1], peaks, peaks[-1:]])
    return np.asarray(np.maximum(np.maximum(wide[:-2], wide[1:-1]), wide[2:]))


def _piece(x: Array, sample_rate: int, span: Span, inside: Span) -> Piece:
    start, stop = span
    far = round(FAR_SECONDS * sample_rate)
    left = x[max(start - far, inside[0]) : start + 1]
    right = x[stop - 1 : min(stop + far, inside[1])][::-1]
    near = max(round(NEAR_SECONDS * sample_rate), 4)
    weights = [_edge(side, near) for side in (left, right)]
    return Piece(start, stop, float(x[start]), *weights)


def _edge(side: Array, near: int) -> float:
    """Weight of an edge from the samples before it and the first of the run."""
    if side.size <= 2 * near:
        return 0.0
    moves = np.diff(side)
    step = step_of(moves)
    weights = [_stands_out(moves, near, step)]
    if side[-1] == 0.0:
        weights.append(_stands_out(side[:-1], near, step))
    return max(weights)


def _stands_out(y: Array, near: int, step: float) -> float:
    levels = sorted(float(np.sqrt(np.mean(span**2))) for span in np.array_split(y, FAR_SPANS))
    return float(np.abs(y[-near:]).max()) / max(RATIO * levels[1], STEPS * step, FAINT)
