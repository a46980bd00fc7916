"""Drawing a code from logits: temperature, the most likely ones only, and noise that the caller brings.

    p ~ exp(logits / temperature) over the top k codes, of them the fewest whose share exceeds p
    logits = told + guidance (told - untold)

References:
    J. Ho, T. Salimans, "Classifier-free diffusion guidance", NeurIPS 2021 workshop on deep generative models.
    A. Holtzman et al., "The curious case of neural text degeneration", ICLR 2020 (top-p).
"""

from __future__ import annotations

__all__ = ["Draw", "filtered"]

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Draw:
    """How codes are drawn."""

    temperature: float = 1.0
    """0 takes the most likely code."""
    top_k: int = 0
    """Codes that may be drawn at most; 0: all."""
    top_p: float = 1.0
    """Share of the probability that the most likely codes, which alone are drawn, exceed; 1: all."""
    guidance: float = 0.0
    """How far logits are moved on, from those without labels past those with them."""

    def __post_init__(self) -> None:
        if not self.temperature >= 0.0:
            raise ValueError(f"temperature={self.temperature} must be 0 or more")
        if self.top_k < 0:
            raise ValueError(f"top_k={self.top_k} must be 0 or more")
        if not 0.0 < self.top_p <= 1.0:
            raise ValueError(f"top_p={self.top_p} must lie in (0, 1]")
        if not self.guidance >= 0.0:
            raise ValueError(f"guidance={self.guidance} must be 0 or more")

    def guided(self, logits: Tensor) -> Tensor:
        """Logits (batch, codes) of twice as many: the first half was told the labels, the second was not."""
        told, untold = logits.chunk(2)
        return told + self.guidance * (told - untold)

    def __call__(self, logits: Tensor, uniform: Tensor) -> Tensor:
        """Draw one code each.

        Args:
            logits: (batch, codes).
            uniform: numbers from 0 to below 1 (batch,); equal ones draw equally.

        Returns:
            (batch,).
        """
        if self.temperature == 0.0:
            return logits.argmax(dim=1)
        kept = filtered(logits / self.temperature, self.top_k, self.top_p)
        total = kept.double().softmax(dim=1).cumsum(dim=1)
        # the last sum may fall short of 1 by rounding
        drawn = torch.searchsorted(total, (uniform[:, None].double() * total[:, -1:]), right=True)[:, 0]
        return drawn.clamp(max=logits.shape[1] - 1)


def filtered(logits: Tensor, top_k: int = 0, top_p: float = 1.0) -> Tensor:
    """Logits (..., codes) with minus infinity for what may not be drawn: the top k first, then the top p of them."""
    if top_k:
        least = logits.topk(min(top_k, logits.shape[-1]), dim=-1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if top_p < 1.0:
        ordered, order = logits.sort(dim=-1, descending=True)
        share = ordered.softmax(dim=-1)
        late = share.cumsum(dim=-1) - share > top_p  # those before it exceed p already
        logits = logits.masked_fill(torch.zeros_like(late).scatter(-1, order, late), -torch.inf)
    return logits
