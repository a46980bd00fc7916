"""Guidance with the posterior covariance: the conditional mean, exact wherever x0 given x is normal.

    Cov[x0 | x] = sigma^2 dD/dx                                            (Tweedie's formula, second order)
    E[x0 | x, y] = D + C A* u,   (A C A* + s^2 I) u = y - A D,   C = Cov[x0 | x]

C is never formed: C v is one vector-Jacobian product of the denoiser, and the system is solved for each item by a few
steps of conjugate gradients. They start from the u of the evaluation before, which changes little from level to level:
the solve goes on all the way down, and one step an evaluation does as well as five that start from zero. For a normal
prior the limit is the true conditional mean, whereas replacement, null-space and normalised guidance stay biased
however many steps they take.

References:
    F. Rozet, G. Andry, F. Lanusse, G. Louppe, "Learning diffusion priors from observations by expectation
    maximization", NeurIPS 2024.
    B. Boys et al., "Tweedie moment projected diffusions for inverse problems", TMLR 2024.
"""

from __future__ import annotations

__all__ = ["MomentMatching"]

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from caesura.diffusion.denoisers import Denoiser
from caesura.diffusion.estimate import Estimate
from caesura.diffusion.noise import Noise
from caesura.diffusion.observation import Observation, conjugate_gradients


@dataclass(frozen=True, eq=False)
class _Weighted(Estimate):
    weights: Tensor
    """The u that explains the residual, of the shape of y."""


@dataclass(frozen=True)
class MomentMatching:
    """The mean of x0 given the state and the observation, from the first two moments of x0 given the state."""

    iterations: int = 3
    """Conjugate gradient steps per evaluation. Each is a backward pass of the network, and there are two more."""
    warm: bool = True
    """Start the solve from the result of the evaluation before."""
    floor: float = 0.02
    """Noise that the observation is credited with at least, in units of sigma: what the prior cannot explain, such as
    the traces of a filter, must not be explained by force."""
    project: bool = True
    """Put the observation into the estimate where it is free of noise; what few iterations leave over is small."""

    def denoise(
        self, prior: Denoiser, x: Tensor, sigma: float, observed: Observation, last: Estimate | None, **cond: Any
    ) -> Estimate:
        """See `caesura.diffusion.conditioners.Conditioner`."""
        with torch.enable_grad():
            state = x.detach().requires_grad_()
            x0 = prior(state, sigma, **cond)

        variance = max(observed.noise, self.floor * sigma) ** 2

        def covariance(v: Tensor) -> Tensor:
            return sigma**2 * torch.autograd.grad(x0, state, v, retain_graph=True)[0]

        def normal(v: Tensor) -> Tensor:
            return observed.apply(covariance(observed.adjoint(v))) + variance * v

        mean = x0.detach()
        guess = last.weights if self.warm and isinstance(last, _Weighted) else None
        residual = observed.y - observed.apply(mean)
        weights = conjugate_gradients(normal, residual, self.iterations, start=guess)
        mean = mean + covariance(observed.adjoint(weights))
        if self.project and not observed.noise:
            mean = observed.project(mean)
        return _Weighted(mean, (x - mean) / sigma, weights)

    def restate(self, x: Tensor, sigma: float, observed: Observation, noise: Noise) -> Tensor:
        """The state as it is."""
        return x
