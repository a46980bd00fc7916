"""What a network is shown of a recording: pieces of equal length at its own rate, and what comes back from them.

Classical fills stand in for gaps and boxes before anything else is done. So resampling smears no zeros into the
context, what lies above the network's band is filled as well, and there is a guess to start from:

    x_hat = x_AR + up(z - down(x_AR)),   z the network's fill at its own rate

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
"""

from __future__ import annotations

__all__ = ["Job", "Piece", "Recording", "cut", "length_for"]

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.audio import resample
from caesura.inpainter import Accepts
from caesura.methods import build
from caesura.methods._colour import lost_noise
from caesura.methods._level import levelled
from caesura.problem import Problem, Region, runs
from caesura.region import clipped
from caesura.seam import seam_score
from caesura.windows import plan

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MARGIN = 0.05  # of a piece, beyond the ends of the recording: a transform is periodic, and its ends meet
BAND = 0.95  # of half the network's rate: what it fills; resampling takes away what is above
SILENCE = 1e-6  # root mean square below which there is nothing to continue


@dataclass(frozen=True, eq=False)
class Piece:
    """As much of one channel as the network takes at once."""

    guess: Array
    """The signal with classical fills in its gaps and boxes (length,); zero beyond the ends of the recording."""
    heard: Array
    """The same with nothing in its boxes (length,)."""
    mask: Flags
    """(length,), True where reliable; False beyond the ends of the recording."""
    taken: Flags
    """(length,), True where the network's fill is taken over; other pieces' regions may lie in this one as well."""
    boxes: tuple[Region, ...]
    """Parts of the spectrum to fill, in samples of the piece."""
    start: int
    """First sample, at the network's rate; may lie before the recording."""
    channel: int
    """Of the recording."""

    @property
    def silent(self) -> bool:
        """Whether there is nothing to go by."""
        known = self.guess[self.mask]
        return not known.size or float(np.sqrt(np.mean(known**2))) < SILENCE

    def conspicuous(self, fill: Array) -> float:
        """How unusual the edges of a fill (length,) are; see `caesura.seam`."""
        spans = [Region(a, b) for a, b in runs(~self.mask & self.taken)]
        scores = [seam_score(fill[None], span, self.mask[None]) for span in spans]
        return sum(score for score in scores if score is not None)


class Recording:
    """A problem at the network's rate, and the way back."""

    def __init__(
        self, problem: Problem, sample_rate: int, guess: str, settings: Mapping[str, str] | None = None
    ) -> None:
        """Fill the gaps of `problem` with the method `guess` and go to `sample_rate`."""
        self.problem, self.sample_rate = problem, sample_rate
        self.filled = np.where(problem.mask, problem.y, build(guess, settings)(problem, rng=np.random.default_rng(0)))
        self.heard = resample(self.filled, problem.sample_rate, sample_rate)
        if problem.boxes:
            self.filled = _boxes_filled(replace(problem, y=self.filled, unknown=(), observed=True))
        self.low = resample(self.filled, problem.sample_rate, sample_rate) if problem.boxes else self.heard
        self.change = np.zeros_like(self.low)

    def put(self, piece: Piece, fill: Array) -> None:
        """Take over what the network made of a piece (length,)."""
        first, stop = max(piece.start, 0), min(piece.start + fill.size, self.low.shape[1])
        inside = slice(first - piece.start, stop - piece.start)
        self.change[piece.channel, first:stop] += np.where(piece.taken, fill - piece.guess, 0.0)[inside]

    def estimate(self, seed: int | None = None, level: float = 0.0) -> Array:
        """The problem's estimate (channels, samples).

        Args:
            seed: of the noise above the network's band; None: no noise.
            level: see `caesura.methods._level`.
        """
        change = resample(self.change, self.sample_rate, self.problem.sample_rate)
        samples = min(change.shape[1], self.filled.shape[1])
        estimate = self.filled.copy()
        estimate[:, :samples] += change[:, :samples]
        rate, low = self.problem.sample_rate, BAND * self.sample_rate / 2.0
        if seed is not None and low < rate / 2.0:
            for row, mask in zip(estimate, self.problem.mask, strict=True):
                row += lost_noise(row, mask, rate, low, np.random.default_rng(seed))
        if level:
            for row, mask in zip(estimate, self.problem.mask, strict=True):
                row[:] = levelled(row, mask, rate, level)
        return estimate


@dataclass(frozen=True, eq=False)
class Job:
    """A piece to fill, with the seed of its noise."""

    recording: Recording
    piece: Piece
    seed: tuple[int, int, int]

    def identity(self) -> tuple[object, ...]:
        """Equal for jobs whose results are."""
        piece = self.piece
        return self.seed, piece.guess.tobytes(), piece.mask.tobytes(), piece.boxes


def _boxes_filled(problem: Problem) -> Array:
    """The signal with classical fills in its boxes; its gaps count as known."""
    known = replace(problem, regions=problem.boxes)
    fills = (build("nmf")(known.channel(c), rng=np.random.default_rng(0))[0] for c in range(problem.channels))
    return known.paste(np.stack(list(fills)))


def length_for(problem: Problem, context: float, sample_rate: int, trained: int, halvings: int) -> int:
    """Samples of a piece in which the longest region leaves room for its context.

    Args:
        problem: what is to be filled.
        context: seconds on either side of a region.
        sample_rate: of the network, hertz.
        trained: length that the network was trained on; what does not fit gets it doubled.
        halvings: how often it may be halved where that is enough.
    """
    longest = max((r.length for r in (*problem.gaps, *problem.boxes)), default=0) / problem.sample_rate
    needed = (longest + 2.0 * context) * sample_rate
    octaves = math.ceil(math.log2(max(needed, 1.0) / trained))
    return trained << octaves if octaves > 0 else trained >> min(-octaves, halvings)


def cut(recording: Recording, length: int, context: float) -> Iterator[Piece]:
    """Pieces that together hold every region once.

    Args:
        recording: what to cut.
        length: samples of a piece.
        context: seconds on either side of regions that share a piece.

    Raises:
        Unsupported: a region is longer than a piece.
    """
    rate = recording.sample_rate
    hears = Accepts(window=length / rate, context=context)
    for c in range(recording.problem.channels):
        own, low = recording.problem.channel(c), recording.low[c]
        scale = rate / own.sample_rate
        regions = [_moved(r, scale, low.size) for r in (*own.gaps, *own.boxes)]
        unknown = [_moved(r, scale, low.size) for r in own.unknown]
        reliable = ~_covered((r for r in (*regions, *unknown) if r.is_gap), low.size)
        wanted = [r for r in regions if r.is_gap or r.low < rate / 2]
        for window in plan(wanted, low.size, rate, hears):
            start = _placed(window.targets, low.size, length)
            taken = _covered(window.targets, low.size)
            signals = low, recording.heard[c], reliable, taken
            guess, heard, mask, taken = (_stretch(each, start, length) for each in signals)
            boxes = clipped((t for t in window.targets if not t.is_gap), max(start, 0), start + length)
            yield Piece(guess, heard, mask, taken, tuple(b.shifted(max(-start, 0)) for b in boxes), start, c)


def _moved(region: Region, scale: float, samples: int) -> Region:
    start = min(math.floor(region.start * scale), samples - 1)
    return replace(region, start=start, stop=max(min(math.ceil(region.stop * scale), samples), start + 1), channel=None)


def _placed(targets: Iterable[Region], samples: int, length: int) -> int:
    """Where a piece begins: around its regions, and reaching a little beyond the recording at most."""
    targets = tuple(targets)
    middle = (min(t.start for t in targets) + max(t.stop for t in targets)) // 2
    margin = max(math.ceil(MARGIN * length), (length - samples) // 2)
    return max(min(middle - length // 2, samples - length + margin), -margin)


def _covered(regions: Iterable[Region], samples: int) -> Flags:
    covered = np.zeros(samples, dtype=bool)
    for region in regions:
        covered[region.start : region.stop] = True
    return covered


def _stretch(x: NDArray[Any], start: int, length: int) -> NDArray[Any]:
    piece = np.zeros(length, dtype=x.dtype)
    first, stop = max(start, 0), min(start + length, x.size)
    piece[first - start : stop - start] = x[first:stop]
    return piece
