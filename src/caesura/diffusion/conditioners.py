"""Ways of bringing an observation y = A x0 + s n into the walk from noise to signal.

    Unconstrained            D
    Replacement              D;  then  A x <- y + sqrt(sigma^2 - s^2) A n
    NullSpace                D + A+ (y - A D)
    ReconstructionGuidance   D - sigma xi g sqrt(N) / ||g||,  g = grad_x ||y - A D(x)||

A conditioner has two hooks: on the denoised estimate and on the noisy state. RePaint is `Replacement` on a schedule
that travels; DDNM is `NullSpace` with the step `Renoise`; CQT-Diff+ is `ReconstructionGuidance(project="always")`.
See `moments` for one that uses the posterior covariance.

References:
    Y. Song et al., "Score-based generative modeling through stochastic differential equations", ICLR 2021.
    A. Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022.
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
    E. Moliner, V. Välimäki, "Diffusion-based audio inpainting", J. Audio Eng. Soc. 72(3), 2024.
"""

from __future__ import annotations

__all__ = ["Conditioner", "NullSpace", "ReconstructionGuidance", "Replacement", "Unconstrained"]

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from caesura.diffusion.denoisers import Denoiser
from caesura.diffusion.estimate import Draw, Estimate, consistent
from caesura.diffusion.noise import Noise
from caesura.diffusion.observation import Observation

TINY = 1e-6  # keeps the direction finite where the gradient vanishes; the published value


class Conditioner(Protocol):
    """How an observation enters."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Any, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """E[x0 | x, y], approximately.

        Args:
            prior: E[x0 | x].
            x: state (batch, ...).
            sigma: its level.
            observed: what is known.
            last: what this method returned the time before, wherever that was; None at the start.
            cond: handed on to the prior.
        """

    def restate(self, x: Tensor, sigma: float, observed: Any, noise: Noise) -> Tensor:
        """The state at a level just reached, with y put in, or as it is."""


class _LeavesTheState:
    def restate(self, x: Tensor, sigma: float, observed: Observation, noise: Noise) -> Tensor:
        """The state as it is."""
        return x


@dataclass(frozen=True)
class Unconstrained(_LeavesTheState):
    """The prior alone: for networks that take the observation as input, and for sounds out of nothing."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Any, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """See `Conditioner`."""
        return consistent(prior(x, sigma, **cond), x, sigma)


@dataclass(frozen=True, eq=False)
class Replacement:
    """After every step the known part of the state is replaced by the observation at that noise level."""

    fixed: Tensor | None = None
    """One noise for the known part at every level, such as that of the start (Riffusion); None draws it anew."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Observation, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """See `Conditioner`."""
        return consistent(prior(x, sigma, **cond), x, sigma)

    def restate(self, x: Tensor, sigma: float, observed: Observation, noise: Noise) -> Tensor:
        """See `Conditioner`; below the noise of the observation there is nothing to learn from it."""
        if sigma < observed.noise:
            return x
        missing = math.sqrt(sigma**2 - observed.noise**2)
        target = observed.y
        if missing:
            target = target + missing * observed.apply(noise(x) if self.fixed is None else self.fixed)
        return x + observed.back(target - observed.apply(x))


@dataclass(frozen=True)
class NullSpace(_LeavesTheState):
    """The observation decides what it determines, the prior the rest (DDNM; DDNM+ where the observation is noisy)."""

    keep: bool = True
    """Leave along the noise of the estimate before y was put in, as DDNM's code does. False recomputes it, which is the
    DDPM form of the paper, and more biased."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Observation, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """See `Conditioner`."""
        x0 = prior(x, sigma, **cond)
        correction = observed.back(observed.y - observed.apply(x0))
        if observed.noise:
            own = consistent(x0, x, sigma)
            known = observed.back(observed.apply(own.noise))
            return _Noisy(x0 + correction, own.noise, correction, known, observed, sigma, self.keep)
        rectified = x0 + correction
        return Estimate(rectified, (x - x0) / sigma) if self.keep else consistent(rectified, x, sigma)


@dataclass(frozen=True, eq=False)
class _Noisy(Estimate):
    """DDNM+: the noise that y brings along is paid for from the noise the step would have added."""

    correction: Tensor
    """What y adds to the prior's estimate; x0 has all of it."""
    known: Tensor
    """The observed part of `noise`."""
    observed: Observation
    sigma: float
    keep: bool

    def leave(self, down: float, up: float, draw: Draw) -> Tensor:
        """See `Estimate`."""
        share, left, along = self._terms(down, up)
        x = self.x0 + (share - 1.0) * self.correction + down * self.noise + (along - down) * self.known
        if not up and not left:
            return x
        fresh = draw()
        return x + up * fresh + (left - up) * self.observed.back(self.observed.apply(fresh))

    def _terms(self, down: float, up: float) -> tuple[float, float, float]:
        """Of the observed part: share of y that is taken, deviation of new noise, weight of the old direction."""
        brought = self.observed.noise
        if not self.keep:
            weight = (1.0 - down / self.sigma) * brought
            share = min(1.0, up / weight) if weight else 1.0
            # Recomputing the direction from the rectified estimate takes down / sigma of the correction away again.
            return share * (1.0 - down / self.sigma), math.sqrt(max(up**2 - (share * weight) ** 2, 0.0)), down
        level = math.hypot(down, up)
        if level >= brought:
            return 1.0, math.sqrt(level**2 - brought**2), 0.0
        return down / brought, up, 0.0


@dataclass(frozen=True)
class ReconstructionGuidance:
    """A step of set length against the gradient of the reconstruction error (CQT-Diff+, DPS)."""

    strength: float = 0.25
    """xi: root mean square of the correction, in units of sigma, for each item; 0 takes no gradient."""
    project: Literal["always", "end", "never"] = "always"
    """When the known part is put into the estimate."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Observation, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """See `Conditioner`."""
        x0 = self._guided(prior, x, sigma, observed, cond) if self.strength else prior(x, sigma, **cond)
        return consistent(observed.project(x0) if self.project == "always" else x0, x, sigma)

    def restate(self, x: Tensor, sigma: float, observed: Observation, noise: Noise) -> Tensor:
        """See `Conditioner`."""
        return observed.project(x) if self.project == "end" and sigma == 0.0 else x

    def _guided(self, prior: Denoiser, x: Tensor, sigma: float, observed: Observation, cond: dict[str, Any]) -> Tensor:
        with torch.enable_grad():
            state = x.detach().requires_grad_()
            x0 = prior(state, sigma, **cond)
            errors = (observed.y - observed.apply(x0)).flatten(1).norm(dim=1)
            (gradient,) = torch.autograd.grad(errors.sum(), state)
        root_mean_square = gradient.flatten(1).pow(2).mean(dim=1).sqrt()
        scale = sigma * self.strength / (root_mean_square + TINY)
        return x0.detach() - scale.reshape(-1, *(1,) * (x.ndim - 1)) * gradient
