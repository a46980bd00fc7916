"""What a bank of windowed Fourier multipliers lets through: an operator for observations that lack a part of a plane.

    B x = sum_t w_t F* M F w_t x

w_t is a window placed at t, F the real Fourier transform, M weighs its bins. B is self-adjoint. A signal that lacks
samples and such parts, one after the other, is observed through A = m (I - B_n) ... (I - B_1) m.

References:
    E. Moliner, V. Välimäki, "Diffusion-based audio inpainting", J. Audio Eng. Soc. 72(3), 2024 (section on
    spectrogram inpainting).
"""

from __future__ import annotations

__all__ = ["Multiplier", "lacking"]

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from caesura.diffusion.observation import Linear


@dataclass(frozen=True, eq=False)
class Multiplier:
    """B, on the last axis of a tensor."""

    starts: Sequence[int]
    """First sample of each window, all of them inside the signal."""
    window: Tensor
    """(length,)."""
    weights: Tensor
    """Of the bins of a transform at least as long as the window, (n_fft // 2 + 1,)."""

    def __call__(self, x: Tensor) -> Tensor:
        """(..., samples) to the same."""
        first = torch.as_tensor(list(self.starts), device=x.device)
        index = first[:, None] + torch.arange(len(self.window), device=x.device)
        window, n_fft = self.window.to(x), 2 * (len(self.weights) - 1)
        spectrum = self.weights.to(x) * torch.fft.rfft(x[..., index] * window, n_fft)
        parts = torch.fft.irfft(spectrum, n_fft)[..., : len(window)] * window
        return torch.zeros_like(x).index_add(-1, index.flatten(), parts.flatten(-2))


def lacking(y: Tensor, mask: Tensor, parts: Sequence[Sequence[Multiplier]]) -> Linear:
    """The observation of signals that lack samples, and parts of a plane.

    Args:
        y: (batch, samples), without them.
        mask: bool, (batch, samples), True where reliable.
        parts: what each item lacks besides, in the order in which it was taken out.

    Returns:
        an operator that serves as its own pseudo-inverse: it is a projection but for the rims, where windows fade.
    """

    def without(x: Tensor, own: Sequence[Multiplier]) -> Tensor:
        for part in own:
            x = x - part(x)
        return x

    def forward(x: Tensor) -> Tensor:
        rows = zip(torch.where(mask, x, 0.0), parts, strict=True)
        return torch.where(mask, torch.stack([without(row, own) for row, own in rows]), 0.0)

    def transposed(x: Tensor) -> Tensor:
        rows = zip(torch.where(mask, x, 0.0), parts, strict=True)
        return torch.where(mask, torch.stack([without(row, own[::-1]) for row, own in rows]), 0.0)

    return Linear(torch.where(mask, y, 0.0), forward, transposed, inverse=transposed)
