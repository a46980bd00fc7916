"""Crops of music with gaps: example i is a function of (seed, i) alone, so a resumed run misses and repeats nothing.

    example i = crop_i with gaps_i,   guess_i = crop_i with its gaps filled by linear prediction

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["Endless", "Example", "Gapped", "Gaps"]

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from caesura.data.music import Corpus
from caesura.methods import build
from caesura.problem import Problem, Region

ATTEMPTS = 20  # crops that are drawn until one sounds
QUIETEST = 1e-3  # root mean square of a crop that sounds, full scale 1


@dataclass(frozen=True)
class Gaps:
    """How gaps are drawn."""

    shortest: float = 0.02
    """Seconds."""
    longest: float = 0.35
    """Seconds."""
    apart: float = 0.08
    """Seconds of context between two of them, and at the ends, at least."""
    most: int = 3
    """Gaps of one crop at most."""
    blind: float = 0.1
    """Share of crops of which nothing is told but the spectral envelope: the prior by itself is learnt from them."""

    def draw(self, samples: int, sample_rate: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """First sample of each gap and one past its last; lengths are uniform in their logarithm."""
        margin = round(self.apart * sample_rate)
        spans: list[tuple[int, int]] = []
        for _ in range(int(rng.integers(1, self.most + 1))):
            seconds = np.exp(rng.uniform(np.log(self.shortest), np.log(self.longest)))
            length = min(max(round(seconds * sample_rate), 1), samples - 2 * margin)
            start = int(rng.integers(margin, samples - margin - length + 1))
            if all(start - margin >= b or start + length + margin <= a for a, b in spans):
                spans.append((start, start + length))
        return sorted(spans)


class Example(NamedTuple):
    """One crop, or a batch of them with one axis more."""

    x: Tensor
    """The music (samples,)."""
    guess: Tensor
    """The music with its gaps filled by linear prediction (samples,)."""
    unknown: Tensor
    """bool (samples,), True in the gaps."""
    blind: Tensor
    """bool (), True if the network is told nothing but the envelope."""


class Gapped(Dataset[Example]):
    """Example i of an endless sequence.

    Args:
        corpus: where the crops come from.
        samples: length of a crop.
        gaps: how they are damaged.
        seed: of everything.
    """

    def __init__(self, corpus: Corpus, samples: int, gaps: Gaps, seed: int) -> None:
        self.corpus, self.samples, self.gaps, self.seed = corpus, samples, gaps, seed
        self.filler = build("lpc")

    def __getitem__(self, index: int) -> Example:
        rng = np.random.default_rng((self.seed, index))
        x = self.corpus.crop(self.samples, rng)
        for _ in range(ATTEMPTS):
            if np.sqrt(np.mean(x**2)) > QUIETEST:
                break
            x = self.corpus.crop(self.samples, rng)
        spans = self.gaps.draw(self.samples, self.corpus.sample_rate, rng)
        unknown = np.zeros(self.samples, dtype=bool)
        for start, stop in spans:
            unknown[start:stop] = True
        blind = bool(rng.random() < self.gaps.blind)
        guess = x
        if not blind:
            problem = Problem(x[None], tuple(Region(a, b) for a, b in spans), self.corpus.sample_rate)
            guess = np.where(unknown, self.filler(problem, rng=rng)[0], x)
        return Example(
            torch.from_numpy(x).float(),
            torch.from_numpy(guess).float(),
            torch.from_numpy(unknown),
            torch.tensor(blind),
        )


class Endless(Sampler[int]):
    """Indices from `first` on without end, shared out among the processes of a run.

    Args:
        first: where to begin.
        rank: of this process.
        world: how many there are.
    """

    def __init__(self, first: int, rank: int = 0, world: int = 1) -> None:
        self.first, self.rank, self.world = first, rank, world

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self.first + self.rank, self.world)
