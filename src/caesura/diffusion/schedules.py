"""Lists of noise levels, and paths along them that may go up.

    karras:  sigma_i = (sigma_max^(1/rho) + i/(n-1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho, then 0
    ddpm:    sigma = sqrt((1 - abar) / abar) of every (N/steps)-th level of a discrete schedule, then 0
    travel:  down along the list, and at every `length`-th level `repeat` - 1 times back up by `length`

A level that follows a lower one means noising the state up to it: that is all that time travel is.

References:
    T. Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022.
    A. Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022.
"""

from __future__ import annotations

__all__ = ["ddpm", "karras", "revisit", "sigmas_of", "travel", "walk"]

import torch
from torch import Tensor


def karras(steps: int, sigma_min: float, sigma_max: float, rho: float = 7.0) -> Tensor:
    """Levels that are evenly spaced in sigma^(1/rho).

    Args:
        steps: number of levels above zero, 2 or more.
        sigma_min: the last of them.
        sigma_max: the first of them.
        rho: 7 for images; 13 spends more levels near zero, as CQT-Diff+ does.

    Returns:
        (steps + 1,) float64, ends in 0.
    """
    if steps < 2 or not 0.0 < sigma_min < sigma_max:
        raise ValueError(
            f"steps={steps}, sigma_min={sigma_min:g}, sigma_max={sigma_max:g}: "
            "a schedule has 2 or more steps and 0 < sigma_min < sigma_max"
        )
    share = torch.arange(steps, dtype=torch.float64) / (steps - 1)
    high, low = sigma_max ** (1.0 / rho), sigma_min ** (1.0 / rho)
    return torch.cat([(high + share * (low - high)) ** rho, torch.zeros(1, dtype=torch.float64)])


def sigmas_of(alphas_cumprod: Tensor) -> Tensor:
    """sqrt((1 - abar) / abar), float64: the levels of a variance-preserving schedule at signal scale 1."""
    abar = alphas_cumprod.double()
    return ((1.0 - abar) / abar).sqrt()


def ddpm(alphas_cumprod: Tensor, steps: int, *, offset: int = 0) -> Tensor:
    """Every (levels // steps)-th level of a discrete schedule.

    Args:
        alphas_cumprod: (levels,), falling.
        steps: how many of them to keep.
        offset: index of the lowest one that is kept; AudioLDM and diffusers' DDIM use 1.

    Returns:
        (steps + 1,) float64, ends in 0.
    """
    if not 1 <= steps <= len(alphas_cumprod):
        raise ValueError(f"steps={steps}: the schedule has {len(alphas_cumprod)} levels to choose from")
    kept = (torch.arange(steps) * (len(alphas_cumprod) // steps) + offset).clamp(max=len(alphas_cumprod) - 1)
    return torch.cat([sigmas_of(alphas_cumprod)[kept].flip(0), torch.zeros(1, dtype=torch.float64)])


def walk(levels: int, length: int, repeat: int, *, top: int | None = None) -> list[int]:
    """RePaint's walk over level indices, from `levels` - 1 down to -1, which stands for clean.

    Args:
        levels: number of levels above clean.
        length: levels that a jump goes back up.
        repeat: passes over each stretch; 1 never goes up.
        top: highest level that a jump may reach; None: any.
    """
    if length < 1 or repeat < 1:
        raise ValueError(f"length={length}, repeat={repeat}: both are whole numbers of 1 or more")
    highest = levels - 1 if top is None else min(top, levels - 1)
    jumps = dict.fromkeys(range(0, highest - length + 1, length), repeat - 1)
    path, level = [levels - 1], levels - 1
    while level >= 0:
        if jumps.get(level, 0) > 0:
            jumps[level] -= 1
            path += range(level + 1, level + length + 1)
            level += length
        level -= 1
        path.append(level)
    return path


def travel(sigmas: Tensor, length: int, repeat: int, *, top: int | None = None) -> Tensor:
    """A falling list of levels that ends in 0, walked as RePaint does; see `walk`."""
    return sigmas[[len(sigmas) - 2 - k for k in walk(len(sigmas) - 1, length, repeat, top=top)]]


def revisit(sigmas: Tensor, length: int) -> Tensor:
    """A falling list of levels that ends in 0, where every level is reached anew from `length` levels above it.

    This is the time travel of DDNM's algorithm with a jump before every step, at most up to the start.
    """
    path = [0]
    for k in range(len(sigmas) - 1):
        above = max(k - length, 0)
        path += range(above if above < k else k + 1, k + 2)
    return sigmas[path]
