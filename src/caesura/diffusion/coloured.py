"""Noise that has a colour: every frequency is observed at a level of its own (DDNM+ in the Fourier domain).

    y = x0 + W n:   where w <= s':  x <- y + sqrt(s'^2 - w^2) n,    elsewhere  x <- x0 + down / w (y - x0) + up n

with s'^2 = down^2 + up^2 the level that is reached and w the level of the noise. With one w for all it is `NullSpace`
with everything observed.

References:
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
    B. Kawar, M. Elad, S. Ermon, J. Song, "Denoising diffusion restoration models", NeurIPS 2022.
"""

from __future__ import annotations

__all__ = ["Coloured"]

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from caesura.diffusion.denoisers import Denoiser
from caesura.diffusion.estimate import Draw, Estimate
from caesura.diffusion.noise import Noise


@dataclass(frozen=True, eq=False)
class Coloured:
    """The whole signal is known, with noise of a known colour; no observation is needed beside it."""

    y: Tensor
    """(batch, samples)."""
    level: Tensor
    """w: standard deviation of the noise at each frequency, (batch, samples // 2 + 1); of white noise, its own."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Any, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """See `caesura.diffusion.Conditioner`."""
        x0 = prior(x, sigma, **cond)
        return _Coloured(x0, (x - x0) / sigma, self)

    def restate(self, x: Tensor, sigma: float, observed: Any, noise: Noise) -> Tensor:
        """The state as it is."""
        return x


@dataclass(frozen=True, eq=False)
class _Coloured(Estimate):
    known: Coloured

    def leave(self, down: float, up: float, draw: Draw) -> Tensor:
        """See `Estimate`; the noise of the observation is paid for from that of the level."""
        reached, w = math.hypot(down, up), self.known.level
        if not reached:
            return self.x0
        samples = self.x0.shape[-1]
        x0, y, fresh = (torch.fft.rfft(each) for each in (self.x0, self.known.y, draw()))
        sure = y + (reached**2 - w**2).clamp(min=0.0).sqrt() * fresh
        noisy = x0 + down / w.clamp(min=1e-12) * (y - x0) + up * fresh
        left: Tensor = torch.fft.irfft(torch.where(w <= reached, sure, noisy), samples)
        return left
