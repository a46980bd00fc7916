"""Every network as one function: D(x, sigma) = E[x0 | x0 + sigma n = x].

    Karras:        D = c_skip x + c_out F(c_in x, ln(sigma) / 4)
    FromEpsilon:   D = x - sigma F(x / sqrt(1 + sigma^2), t)
    FromVelocity:  D = x / (1 + sigma^2) - sigma / sqrt(1 + sigma^2) F(x / sqrt(1 + sigma^2), t)
    Gaussian:      D = m + C (C + sigma^2 I)^-1 (x - m)
    Guided:        D = D_u + w (D_c - D_u)
    Instructed:    D = D_u + w_i (D_i - D_u) + w_t (D_ti - D_i)

where c_skip = s^2 / (sigma^2 + s^2), c_out = sigma s / sqrt(sigma^2 + s^2), c_in = 1 / sqrt(sigma^2 + s^2), s is the
standard deviation of the data, and t is the index of the level sigma^2 = (1 - abar_t) / abar_t.

References:
    T. Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022.
    T. Salimans, J. Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022.
    J. Ho, T. Salimans, "Classifier-free diffusion guidance", 2022.
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
"""

from __future__ import annotations

__all__ = ["Denoiser", "FromEpsilon", "FromVelocity", "Gaussian", "Guided", "Instructed", "Karras", "per_item"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from caesura.diffusion.schedules import sigmas_of

Network = Callable[..., Tensor]


class Denoiser(Protocol):
    """E[x0 | x], the prior as everything else sees it."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """Denoise.

        Args:
            x: x0 + sigma n, (batch, ...).
            sigma: one level, or one per item (batch,).
            cond: what the network is told besides.

        Returns:
            (batch, ...).
        """


def per_item(sigma: Tensor | float, x: Tensor) -> Tensor:
    """Levels in the type and place of `x`, (batch, 1, ..., 1)."""
    level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1)
    return level.expand(len(x)).reshape(-1, *(1,) * (x.ndim - 1))


@dataclass(frozen=True, eq=False)
class Karras:
    """A network F(x, ln(sigma) / 4) with unit variance going in and coming out."""

    network: Network
    """(scaled x, c_noise (batch,), **cond) -> what is added to the skipped input."""
    sigma_data: float
    """Standard deviation of the data."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`."""
        level = per_item(sigma, x)
        power = level**2 + self.sigma_data**2
        out = self.network(x / power.sqrt(), 0.25 * level.reshape(-1).log(), **cond)
        return self.sigma_data**2 / power * x + level * self.sigma_data / power.sqrt() * out


@dataclass(frozen=True, eq=False)
class _Discrete:
    network: Network
    """(x_vp, t (batch,), **cond) -> its prediction."""
    alphas_cumprod: Tensor
    """(levels,), falling."""

    @cached_property
    def _log_levels(self) -> Tensor:
        return sigmas_of(self.alphas_cumprod).log().cpu()

    def _predict(self, x: Tensor, level: Tensor, cond: dict[str, Any]) -> Tensor:
        wanted = level.reshape(-1, 1).double().log().cpu()
        index = (self._log_levels - wanted).abs().argmin(dim=1).to(x.device)
        return self.network(x / (1.0 + level**2).sqrt(), index, **cond)


@dataclass(frozen=True, eq=False)
class FromEpsilon(_Discrete):
    """A network that predicts the noise at one of a list of variance-preserving levels."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`; the level nearest to sigma is named to the network."""
        level = per_item(sigma, x)
        return x - level * self._predict(x, level, cond)


@dataclass(frozen=True, eq=False)
class FromVelocity(_Discrete):
    """A network that predicts v = sqrt(abar) n - sqrt(1 - abar) x0."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`; the level nearest to sigma is named to the network."""
        level = per_item(sigma, x)
        return x / (1.0 + level**2) - level / (1.0 + level**2).sqrt() * self._predict(x, level, cond)


@dataclass(frozen=True, eq=False)
class Guided:
    """Classifier-free guidance: away from what the prior says without the condition."""

    prior: Denoiser
    """Called with and without."""
    scale: float
    """w; 1 follows the condition and calls the prior once."""
    without: Mapping[str, Any] = field(default_factory=dict)
    """Conditions that stand for none, such as the embedding of an empty text; they replace those of the same name."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`."""
        told = self.prior(x, sigma, **cond)
        if self.scale == 1.0:
            return told
        untold = self.prior(x, sigma, **{**cond, **self.without})
        return untold + self.scale * (told - untold)


@dataclass(frozen=True, eq=False)
class Instructed:
    """Guidance by a text and by what it is about, each with a scale of its own."""

    prior: Denoiser
    """Called with both, without the text, and with neither."""
    scale: float
    """w_t: how strongly the text is followed."""
    image_scale: float
    """w_i: how strongly what it is about is kept to."""
    untold: Mapping[str, Any]
    """Conditions that stand for no text; they replace those of the same name."""
    unseen: Mapping[str, Any]
    """Conditions that stand for no image."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`; an answer that the scales leave out is not asked for."""
        branches: tuple[tuple[float, Mapping[str, Any]], ...] = (
            (self.scale, {}),
            (self.image_scale - self.scale, self.untold),
            (1.0 - self.image_scale, {**self.untold, **self.unseen}),
        )
        total = torch.zeros_like(x)
        for weight, without in branches:
            if weight:
                total = total + weight * self.prior(x, sigma, **{**cond, **without})
        return total


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The exact denoiser of a normal distribution, with which everything else is tested."""

    covariance: Tensor
    """(n, n), symmetric; the items of a batch have n elements."""
    mean: float | Tensor = 0.0
    """A number or (n,)."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`."""
        level = torch.as_tensor(sigma, dtype=x.dtype, device=x.device).reshape(-1, 1)
        values, vectors = self._spectrum
        centred = x.reshape(len(x), -1) - self.mean
        shrunk = (centred @ vectors) * (values / (values + level**2)) @ vectors.mT
        return (self.mean + shrunk).reshape(x.shape)

    @cached_property
    def _spectrum(self) -> tuple[Tensor, Tensor]:
        values, vectors = torch.linalg.eigh(self.covariance)
        return values.clamp(min=0.0), vectors
