"""Noise out of a recording by a prior of music: a posterior draw given the noisy signal, in pieces that overlap.

    x_hat = x_c + up(H z - down(x_c)),   z ~ p(z | W y),   W = 1 / H,   noise of W y at frequency f: sigma / H(f)

x_c is the classical estimate, whose envelope H whitens a piece and which alone knows what lies above the network's
band. The network is told the envelope only.

References:
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
"""

from __future__ import annotations

__all__ = ["denoised"]

import math

import numpy as np
import torch
from numpy.typing import NDArray

from caesura.audio import resample
from caesura.denoising import Spectral
from caesura.diffusion import Renoise, karras, sample
from caesura.diffusion.coloured import Coloured
from caesura.diffusion.noise import from_rng
from caesura.inpainter import Progress
from caesura.networks.context import Context
from caesura.networks.cqt_lean import CqtLean
from caesura.networks.cqt_priors import Facts
from caesura.problem import Problem

Array = NDArray[np.float64]

BATCH = 8  # pieces that are sampled at once
TOP = 2.0  # level, of a whitened signal, at which the walk starts from the classical estimate
STEPS = 12


def denoised(facts: Facts, problem: Problem, rng: np.random.Generator, progress: Progress, steps: int = STEPS) -> Array:
    """The recording (channels, samples) without white noise of the level that the problem states.

    Args:
        facts: the network and how it is used.
        problem: the noisy recording.
        rng: where the walk's noise comes from.
        progress: called with the fraction done.
        steps: levels of the walk.

    Raises:
        ValueError: the network is one that cannot be told an envelope alone.
    """
    if not isinstance(facts.network, CqtLean):
        raise ValueError(f"a {type(facts.network).__name__} takes out no noise: weights=lean does")
    classical = Spectral()(problem, rng=rng)
    low = problem.at(facts.sample_rate)
    guess = resample(classical, problem.sample_rate, facts.sample_rate)
    change = np.zeros_like(guess)
    seed = int(rng.integers(2**63))
    for c, (y, x) in enumerate(zip(low.y, guess, strict=True)):

        def part(fraction: float, c: int = c) -> None:
            progress((c + fraction) / problem.channels)

        change[c] = _drawn(facts, facts.network, y, x, low.noise, seed, steps, part) - x
    rise = resample(change, facts.sample_rate, problem.sample_rate)[:, : problem.samples]
    return classical + np.pad(rise, ((0, 0), (0, problem.samples - rise.shape[1])))


def _drawn(
    facts: Facts, network: CqtLean, y: Array, x: Array, noise: float, seed: int, steps: int, progress: Progress
) -> Array:
    """One channel (samples,) at the network's rate: pieces with half of them in common, faded into each other."""
    length, hop = facts.samples, facts.samples // 2
    count = math.ceil(y.size / hop) + 1
    room = (hop, (count + 1) * hop - y.size - hop + length)
    starts = [k * hop for k in range(count)]
    pieces = [np.stack([np.pad(each, room)[s : s + length] for s in starts]) for each in (y, x)]
    fade, total = np.sin(np.pi * (np.arange(length) + 0.5) / length) ** 2, np.zeros(room[0] + y.size + room[1])
    for first in range(0, count, BATCH):
        batch = [torch.from_numpy(each[first : first + BATCH]).float() for each in pieces]
        rngs = [np.random.default_rng((seed, k)) for k in range(first, first + len(batch[0]))]
        for k, wave in enumerate(_walked(facts, network, batch[0], batch[1], noise, rngs, steps), start=first):
            total[starts[k] : starts[k] + length] += fade * wave
        progress(min(first + BATCH, count) / count)
    return total[hop : hop + y.size]


def _walked(
    facts: Facts,
    network: CqtLean,
    y: torch.Tensor,
    x: torch.Tensor,
    level: float,
    rngs: list[np.random.Generator],
    steps: int,
) -> Array:
    """Draws (pieces, samples) given noisy pieces `y`, with the envelopes of `x`."""
    place = next(network.parameters()).device
    y, x = y.to(place), x.to(place)
    blind = torch.ones(len(y), dtype=torch.bool, device=place)
    context = Context(network, x, torch.ones_like(x, dtype=torch.bool), blind)
    state, noise = context.whiten(x), from_rng(rngs)
    known = Coloured(context.whiten(y), level / context.envelope)
    sigmas = karras(steps, facts.sigma_min, TOP, facts.rho)
    z = sample(context, known, None, sigmas, Renoise(), start=state + TOP * noise(state), noise=noise)
    return np.asarray(context.colour(z).double().cpu().numpy())
