"""Sampling from a diffusion prior given an observation: mathematics on tensors and callables, nothing about audio.

    x = x0 + sigma n,   D(x, sigma) = E[x0 | x],   dx/dsigma = (x - D(x, sigma)) / sigma

A *denoiser* D is the prior. A *conditioner* turns it into an estimate of E[x0 | x, y]. A *schedule* is a list of
sigmas, a *step* goes from one to the next, and `sample` is the one loop that walks the list. States are (batch, ...)
tensors; no quantity of one item depends on another.

References:
    T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of diffusion-based generative models",
    NeurIPS 2022.
"""

from __future__ import annotations

__all__ = [
    "Ancestral",
    "Churn",
    "Conditioner",
    "Denoiser",
    "Estimate",
    "FromEpsilon",
    "FromVelocity",
    "Gaussian",
    "Guided",
    "Instructed",
    "Karras",
    "Linear",
    "Masked",
    "MomentMatching",
    "Multiplier",
    "NullSpace",
    "Observation",
    "ReconstructionGuidance",
    "Renoise",
    "Replacement",
    "Seeded",
    "Step",
    "Unconstrained",
    "Weighted",
    "ddpm",
    "dpm_solver_2m",
    "euler",
    "heun",
    "karras",
    "revisit",
    "sample",
    "travel",
    "walk",
]

from caesura.diffusion.conditioners import (
    Conditioner,
    NullSpace,
    ReconstructionGuidance,
    Replacement,
    Unconstrained,
)
from caesura.diffusion.denoisers import Denoiser, FromEpsilon, FromVelocity, Gaussian, Guided, Instructed, Karras
from caesura.diffusion.estimate import Estimate
from caesura.diffusion.moments import MomentMatching
from caesura.diffusion.multiplier import Multiplier
from caesura.diffusion.noise import Seeded
from caesura.diffusion.observation import Linear, Masked, Observation, Weighted
from caesura.diffusion.sampling import sample
from caesura.diffusion.schedules import ddpm, karras, revisit, travel, walk
from caesura.diffusion.steps import Ancestral, Churn, Renoise, Step, dpm_solver_2m, euler, heun
