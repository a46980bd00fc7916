"""Where else a recording sounds like the surroundings of a gap.

Two frames differ by the root mean square D of their level differences over the bands that sound, and a moment later
the same two frames of both passages differ again: what counts is the mean along a diagonal of the similarity matrix,

    D(d) = sum_t w_t |F_t - F_(t+d)| / (sqrt(a) sum_t w_t),

with frames t on one side of the gap, their weights w_t falling with the distance from it, a the mean number of bands
that sound, and the shift d in frames. Distances are not squared: a passage that repeats the last second only is still
a good source. F holds levels above a floor 50 dB below the loudest band around the gap
and, weighted by how far a band stands above the floor, the pitch inside the band.

References:
    N. Perraudin, N. Holighaus, P. Majdak, P. Balazs, "Inpainting of long audio segments with similarity graphs",
    IEEE/ACM Trans. Audio, Speech and Language Processing 26, 2018.
"""

from __future__ import annotations

__all__ = ["Similarity", "similarity"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.features import Features

Points = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""(channels, frames, 2 bands) and whether they are known, (channels, frames)."""

RANGE = 50.0  # dB under the loudest band that are heard; below that music masks itself
PITCH_WEIGHT = 6.0  # dB that a tone at the edge of its band differs from one in the middle
LEAST_EVIDENCE = 0.5  # of the weights must fall on known frames of a source, or its cost says nothing


@dataclass(frozen=True, eq=False)
class Similarity:
    """Costs of all shifts d from -(frames - 1) to frames - 1, in decibels; infinite where too little is known."""

    before: NDArray[np.float64]
    """(shifts,): difference of what precedes the gap."""
    after: NDArray[np.float64]
    """(shifts,): difference of what follows it."""
    inside: NDArray[np.float64]
    """(shifts,): difference during the gap, where a channel goes on."""
    weights: NDArray[np.float64]
    """(3, frames): what every frame counts before, after and during the gap."""
    points: NDArray[np.float32]
    """(channels, frames, 2 bands): features as they were compared."""
    known: NDArray[np.bool_]
    """(channels, frames), see `Features`."""
    floor: float
    """Level in decibels below which nothing is heard."""
    active: float
    """Mean number of bands that sound around the gap."""

    def at(self, frames: NDArray[np.intp]) -> Points:
        """Frames of the recording as points, unknown where there are none."""
        inside = (frames >= 0) & (frames < self.known.shape[1])
        frames = np.where(inside, frames, 0)
        return self.points[:, frames], self.known[:, frames] & inside

    def of(self, features: Features) -> Points:
        """Frames of something else as points that can be compared with them."""
        return _points(features, self.floor), features.known

    def between(self, one: Points, other: Points) -> NDArray[np.float64]:
        """Difference in decibels of frames from frames, infinite where either is not known."""
        total, count = self._distances(one, other)
        return _mean(total, count, count > 0.0)

    def costs(self, first: int, source: Points) -> tuple[float, float, float]:
        """Difference of a source from the surroundings, frame `first` onwards, before, after and during the gap."""
        frames = np.arange(first, first + source[1].shape[1])
        total, count = self._distances(self.at(frames), source)
        weights, possible = self.weights[:, frames], self.known[:, frames].sum(axis=0)
        evidence = weights @ count
        before, after, inside = _mean(weights @ total, evidence, evidence > LEAST_EVIDENCE * (weights @ possible))
        return float(before), float(after), float(inside)

    def _distances(self, one: Points, other: Points) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Distances (frames,) summed over the channels known in both, and the number of these."""
        both = one[1] & other[1]
        distance = np.sqrt(np.sum((one[0] - other[0]) ** 2, axis=2, dtype=np.float64) / self.active)
        return np.sum(distance * both, axis=0), np.sum(both, axis=0, dtype=np.float64)


def similarity(features: Features, start: int, stop: int, *, reach: float, decay: float) -> Similarity | None:
    """Compare the surroundings of a gap with the whole recording.

    Args:
        features: of the recording.
        start: first sample of the gap.
        stop: one past its last sample.
        reach: samples on either side that are compared.
        decay: samples over which their weight falls to 1/e.

    Returns:
        None where nothing around the gap is known.
    """
    hop, window = features.hop, features.window
    begin = np.arange(features.frames) * hop
    near = (begin + window > start - reach) & (begin < stop + reach)
    heard = near & features.known.any(axis=0)
    if not heard.any():
        return None
    floor = float(features.level[:, heard].max(initial=-120.0, where=features.known[:, heard, None])) - RANGE
    points = _points(features, floor)
    weights = np.stack(
        [
            (begin + window <= start) * np.exp(-np.abs(start - begin - window) / decay),
            (begin >= stop) * np.exp(-np.abs(begin - stop) / decay),
            1.0 * (begin + window > start) * (begin < stop),
        ]
    )
    weights[:, ~near] = 0.0
    sounding = (points[:, :, : features.level.shape[2]] > 0.0).sum(axis=2)
    active = max(float(sounding[:, heard].mean(where=features.known[:, heard])), 1.0)
    before, after, inside = (_cost(points, features.known, weight, active) for weight in weights)
    return Similarity(before, after, inside, weights, points, features.known, floor, active)


def _points(features: Features, floor: float) -> NDArray[np.float32]:
    above = np.maximum(features.level - np.float32(floor), 0.0)
    gate = np.minimum(above / RANGE, 1.0)
    return np.concatenate([above, PITCH_WEIGHT * gate * features.pitch], axis=2, dtype=np.float32)


def _cost(
    points: NDArray[np.float32],
    known: NDArray[np.bool_],
    weight: NDArray[np.float64],
    active: float,
) -> NDArray[np.float64]:
    """D of all shifts: frames against frames by matrix product, summed along the diagonals."""
    frames = known.shape[1]
    total, evidence = np.zeros((2, 2 * frames - 1))
    possible = 0.0
    for own, valid in zip(points, known, strict=True):
        rows = np.flatnonzero(valid & (weight > 0.0))
        possible += float(weight[rows].sum())
        square = np.sum(own**2, axis=1)
        distance = np.maximum(square[rows, None] + square - 2.0 * (own[rows] @ own.T), 0.0)
        distance = np.sqrt(distance / active) * valid
        for t, w, row in zip(rows, weight[rows], distance, strict=True):
            diagonal = slice(frames - 1 - t, 2 * frames - 1 - t)
            total[diagonal] += w * row
            evidence[diagonal] += w * valid
    return _mean(total, evidence, evidence > LEAST_EVIDENCE * possible)


def _mean(total: NDArray[np.float64], count: NDArray[np.float64], enough: NDArray[np.bool_]) -> NDArray[np.float64]:
    return np.where(enough, total / np.where(enough, count, 1.0), np.inf)
