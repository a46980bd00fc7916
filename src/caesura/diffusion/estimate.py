"""What a conditioner knows of the clean signal at one noise level, and how a step leaves it.

    x_next = x0 + down e + up n,   down^2 + up^2 = sigma_next^2

Every one-evaluation step is a choice of (down, up): Euler (sigma_next, 0), ancestral, re-noising. e is the direction
the state has been noised along, (x - x0) / sigma unless the conditioner says otherwise.

References:
    J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021.
"""

from __future__ import annotations

__all__ = ["Draw", "Estimate", "consistent"]

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Draw = Callable[[], Tensor]
"""Fresh standard normal noise of the shape of the state."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """E[x0 | x, y] as a conditioner approximates it."""

    x0: Tensor
    """(batch, ...)."""
    noise: Tensor
    """The direction a step leaves along, (batch, ...), of unit variance where the state is x0 + sigma n."""

    def leave(self, down: float, up: float, draw: Draw) -> Tensor:
        """The state at the next level.

        Args:
            down: how much of the known direction it keeps.
            up: standard deviation of new noise.
            draw: where that comes from; not called where none is needed.
        """
        x = self.x0 + down * self.noise
        return x + up * draw() if up else x


def consistent(x0: Tensor, x: Tensor, sigma: float) -> Estimate:
    """An estimate whose direction is what is left of the state."""
    return Estimate(x0, (x - x0) / sigma)
