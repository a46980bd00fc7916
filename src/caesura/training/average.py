"""Moving average of a network's weights.

    w_avg <- b w_avg + (1 - b) w,    b = min(decay, (1 + n) / (10 + n)) after n updates

References:
    B. T. Polyak, A. B. Juditsky, "Acceleration of stochastic approximation by averaging", SIAM J. Control 30, 1992.
"""

from __future__ import annotations

__all__ = ["Average"]

import copy

import torch
from torch import Tensor, nn


class Average(nn.Module):
    """A copy of a network that follows it slowly; a module, so that checkpoints hold it.

    Args:
        network: what is followed.
        decay: b in the long run, from 0 to below 1.
    """

    updates: Tensor

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        if not 0.0 <= decay < 1.0:
            raise ValueError(f"decay={decay} must lie in [0, 1)")
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take a step towards the weights of `network`."""
        self.updates += 1
        n = int(self.updates)
        step = 1.0 - min(self.decay, (1 + n) / (10 + n))
        for mean, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(weight, step)
