"""Ways from one noise level to the next lower one.

    euler       x0 + sigma_next e
    heun        the mean of the directions at both ends; second order
    ancestral   x0 + sigma_down e + sigma_up n; DDPM, and DDIM with eta
    renoise     x0 + sigma_next (sqrt(1 - eta^2) e + eta n); DDNM's own
    churn       noise up by a share gamma, then any other step from there
    2M          exponential integrator with the previous estimate; second order at one evaluation

References:
    T. Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022.
    J. Song, C. Meng, S. Ermon, "Denoising diffusion implicit models", ICLR 2021.
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
    C. Lu et al., "DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models", 2022.
"""

from __future__ import annotations

__all__ = ["Ancestral", "Churn", "Denoise", "Renoise", "Step", "dpm_solver_2m", "euler", "heun"]

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from caesura.diffusion.estimate import Draw, Estimate


class Denoise(Protocol):
    """The conditioned denoiser as a step sees it; it remembers what it was asked at the last step."""

    previous: tuple[float, Estimate] | None
    """Level and estimate the last step began with; None at the start and after going up."""

    def __call__(self, x: Tensor, sigma: float) -> Estimate:
        """E[x0 | x, y]."""


Step = Callable[[Denoise, Tensor, float, float, Draw], Tensor]
"""(denoise, x, sigma, sigma_next, draw) -> the state at the lower sigma_next. What needs no noise draws none."""


def euler(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, draw: Draw) -> Tensor:
    """First order, no noise; DDIM with eta 0."""
    return denoise(x, sigma).leave(sigma_next, 0.0, draw)


def heun(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, draw: Draw) -> Tensor:
    """Second order with two evaluations; Euler to zero."""
    first = denoise(x, sigma)
    there = first.leave(sigma_next, 0.0, draw)
    if sigma_next == 0.0:
        return there
    second = denoise(there, sigma_next)
    return there + 0.5 * (sigma_next - sigma) * (second.noise - first.noise)


@dataclass(frozen=True)
class Ancestral:
    """A step down and new noise up again; `Ancestral()` is DDPM with the small variance."""

    eta: float = 1.0
    """Share of the ancestral noise; DDIM's eta, 0 is Euler."""

    def __call__(self, denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, draw: Draw) -> Tensor:
        """See `Step`."""
        up = self.eta * sigma_next * math.sqrt(sigma**2 - sigma_next**2) / sigma
        down = math.sqrt(sigma_next**2 - up**2)
        return denoise(x, sigma).leave(down, up, draw)


@dataclass(frozen=True)
class Renoise:
    """Noise of the next level on the estimate, part of it the old one."""

    eta: float = 0.85
    """Share of new noise, 0 to 1; DDNM publishes 0.85."""

    def __call__(self, denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, draw: Draw) -> Tensor:
        """See `Step`."""
        kept = math.sqrt(1.0 - self.eta**2) * sigma_next
        return denoise(x, sigma).leave(kept, self.eta * sigma_next, draw)


@dataclass(frozen=True)
class Churn:
    """Another step from a level that was raised a little first, which corrects the errors of earlier steps."""

    step: Step
    """What follows."""
    gamma: float
    """The level is raised to (1 + gamma) sigma. Of S_churn spread over n levels: S_churn / n, at most sqrt(2) - 1."""
    low: float = 0.0
    """Levels at or below this are left alone."""
    high: float = math.inf
    """Levels at or above this are left alone."""
    s_noise: float = 1.0
    """Standard deviation of what is added, in units of what the level asks for."""

    def __call__(self, denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, draw: Draw) -> Tensor:
        """See `Step`."""
        if self.gamma == 0.0 or not self.low < sigma < self.high:
            return self.step(denoise, x, sigma, sigma_next, draw)
        raised = (1.0 + self.gamma) * sigma
        x = x + math.sqrt(raised**2 - sigma**2) * self.s_noise * draw()
        return self.step(denoise, x, raised, sigma_next, draw)


def dpm_solver_2m(denoise: Denoise, x: Tensor, sigma: float, sigma_next: float, draw: Draw) -> Tensor:
    """DPM-Solver++(2M): the estimate is continued linearly in log sigma from the one before."""
    before = denoise.previous
    estimate = denoise(x, sigma)
    if sigma_next == 0.0 or before is None or before[0] <= sigma:
        return estimate.leave(sigma_next, 0.0, draw)
    ratio = math.log(before[0] / sigma) / math.log(sigma / sigma_next)
    extrapolated = estimate.x0 + (estimate.x0 - before[1].x0) / (2.0 * ratio)
    return extrapolated + sigma_next / sigma * (x - extrapolated)
