"""The one sampling loop: walk a list of noise levels, down by steps and up by adding noise.

References:
    Y. Song et al., "Score-based generative modeling through stochastic differential equations", ICLR 2021.
"""

from __future__ import annotations

__all__ = ["sample"]

import itertools
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from caesura.diffusion.conditioners import Conditioner
from caesura.diffusion.denoisers import Denoiser
from caesura.diffusion.estimate import Estimate
from caesura.diffusion.noise import Noise
from caesura.diffusion.observation import Observation
from caesura.diffusion.steps import Step


def sample(
    prior: Denoiser,
    conditioner: Conditioner,
    observed: Observation | None,
    sigmas: Tensor,
    step: Step,
    *,
    start: Tensor,
    noise: Noise,
    progress: Callable[[float], None] = lambda _: None,
    **cond: Any,
) -> Tensor:
    """Draw x0 given an observation.

    Args:
        prior: E[x0 | x].
        conditioner: how the observation enters.
        observed: what is known; None for a conditioner that asks for nothing.
        sigmas: (levels,), as a schedule gives them; a level above the one before it means noising up to it.
        step: how to get to a lower level.
        start: the state at the first level, (batch, ...); `sigmas[0] * noise(like)` knows nothing yet,
            a guess plus as much noise is a warm start.
        noise: where fresh noise comes from.
        progress: called with the fraction done; raising from it cancels.
        cond: handed on to the prior.

    Returns:
        (batch, ...), at the last level of the list.
    """
    denoise = _Remembering(prior, conditioner, observed, cond)
    x, levels = start, sigmas.tolist()
    with torch.no_grad():
        for done, (sigma, sigma_next) in enumerate(itertools.pairwise(levels), start=1):
            if sigma_next > sigma:
                x = x + math.sqrt(sigma_next**2 - sigma**2) * noise(x)
                denoise.previous = denoise.current = None
            else:
                denoise.current = None
                x = step(denoise, x, sigma, sigma_next, lambda x=x: noise(x))  # type: ignore[misc]
                denoise.previous = denoise.current
                if observed is not None:
                    x = conditioner.restate(x, sigma_next, observed, noise)
            progress(done / (len(levels) - 1))
    return x


class _Remembering:
    """The conditioned denoiser; `previous` is what the step before this one began with."""

    def __init__(
        self, prior: Denoiser, conditioner: Conditioner, observed: Observation | None, cond: dict[str, Any]
    ) -> None:
        self.prior, self.conditioner, self.observed, self.cond = prior, conditioner, observed, cond
        self.previous: tuple[float, Estimate] | None = None
        self.current: tuple[float, Estimate] | None = None
        self.last: Estimate | None = None

    def __call__(self, x: Tensor, sigma: float) -> Estimate:
        self.last = self.conditioner.denoise(self.prior, x, sigma, self.observed, self.last, **self.cond)
        if self.current is None:
            self.current = (sigma, self.last)
        return self.last
