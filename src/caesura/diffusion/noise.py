"""Random numbers that mean the same on every device, in every precision and in every batch.

Each item of a batch has a generator of its own on the CPU. Draws are made in single precision there and moved to where
the state lives, so a seed stands for one sequence of numbers wherever the item is computed, whatever stands beside it.

References:
    none needed; the rule is what reproducible means.
"""

from __future__ import annotations

__all__ = ["Noise", "Seeded", "Shared", "from_rng"]

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[Tensor], Tensor]
"""Standard normal numbers of the shape, type and place of a tensor."""


class Seeded:
    """Standard normal noise with one generator per item of the batch."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self.generators = [torch.Generator(device="cpu").manual_seed(seed) for seed in seeds]

    def __call__(self, like: Tensor) -> Tensor:
        """Noise of the shape of `like` (items, ...)."""
        if len(like) != len(self.generators):
            raise ValueError(f"a batch of {len(like)} items needs as many seeds, got {len(self.generators)}")
        draws = [torch.randn(like.shape[1:], generator=g, dtype=torch.float32) for g in self.generators]
        return torch.stack(draws).to(device=like.device, dtype=like.dtype)


class Shared(Seeded):
    """Noise that all items share, or a part of it.

    Args:
        items: of the batch.
        rng: where the seeds come from.
        width: how different the items are: 0 the same, 1 unrelated.
    """

    def __init__(self, items: int, rng: np.random.Generator, width: float) -> None:
        shared, *own = (int(rng.integers(2**63)) for _ in range(items + 1))
        super().__init__([shared] * items)
        self.width, self.own = width, Seeded(own)

    def __call__(self, like: Tensor) -> Tensor:
        """See `Seeded`."""
        common = super().__call__(like)
        if not self.width:
            return common
        angle = 0.5 * math.pi * self.width
        return math.cos(angle) * common + math.sin(angle) * self.own(like)


def from_rng(rngs: Sequence[np.random.Generator]) -> Seeded:
    """Noise whose seeds are drawn from NumPy generators, one per item."""
    return Seeded([int(rng.integers(2**63)) for rng in rngs])
