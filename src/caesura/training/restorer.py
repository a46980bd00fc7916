"""What Lightning drives: the denoising loss of a network that is told the context, its optimiser and its average.

    loss = mean over octaves of mean over unknown cells |F - (z0 - c_skip z) / c_out|^2,    z = z0 + sigma n

with sigma log-normal. Noise and levels of a step are functions of (seed, step, process) alone.

References:
    T. Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022.
"""

from __future__ import annotations

__all__ = ["Optimisation", "Restorer"]

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from caesura.networks.context import Context
from caesura.networks.cqt_lean import CqtLean, Shape
from caesura.training.average import Average
from caesura.training.examples import Example, Gapped
from caesura.training.learner import Learner

LOUDEST = 4.0  # power of a gap, in units of the recording's own, beyond which an example counts for less
NOTHING = 1e-3  # cells' worth of weight that keeps the mean of an octave without unknown cells finite


@dataclass(frozen=True)
class Optimisation:
    """How the weights move."""

    batch: int
    """Crops per step and process."""
    rate: float
    """Learning rate after the warm-up."""
    warmup: int
    """Steps over which the learning rate rises from zero."""
    decay: float
    """Of the average of the weights."""
    clip: float = 1.0
    """Norm that gradients are cut down to."""
    middle: float = 0.5
    """Median of the noise levels; the whitened signal has standard deviation 1."""
    spread: float = 1.3
    """Standard deviation of their logarithm."""


class Restorer(Learner):
    """A lean network in training.

    Args:
        shape: of the network.
        how: of the optimisation.
        examples: what it learns from.
        seed: of weights, noise and levels.
        workers: processes that prepare examples, for each process of the run.
    """

    how: Optimisation
    network: CqtLean

    def __init__(self, shape: Shape, how: Optimisation, examples: Gapped, *, seed: int, workers: int = 0) -> None:
        super().__init__(how, examples, workers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = CqtLean(shape)
        self.average = Average(self.network, how.decay)
        self.seed = seed

    def loss(self, example: Example, key: tuple[int, ...]) -> Tensor:
        """Loss of a batch, with the noise that belongs to `key`."""
        context = Context(self.network, example.guess, example.unknown, example.blind)
        z0 = context.whiten(example.x)
        rng = np.random.default_rng(key)
        sigma = self.how.middle * np.exp(self.how.spread * rng.standard_normal((len(z0), 1)))
        level = torch.from_numpy(sigma).to(z0)
        noise = torch.from_numpy(rng.standard_normal(tuple(z0.shape), dtype=np.float32)).to(z0)
        z, power = z0 + level * noise, 1.0 + level**2
        target = (z0 - z / power) * power.sqrt() / level
        found = self.network.predict(
            z / power.sqrt(), 0.25 * level[:, 0].log(), context=context.guess, unknown=context.unknown
        )
        planes, shares = self.network.planes(target), self.network.shares(context.unknown)
        heard = (context.unknown * z0.square()).sum(dim=1) / context.unknown.sum(dim=1).clamp(min=1.0)
        weight = (LOUDEST / heard.clamp(min=LOUDEST))[:, None, None, None]
        terms = [
            (weight * share * (f - t).square()).sum() / (2.0 * share.sum() + NOTHING)
            for f, t, share in zip(found, planes, shares, strict=True)
        ]
        return torch.stack(terms).mean()

    def training_step(self, example: Example, _: int) -> Tensor:
        """One step of Lightning's."""
        loss = self.loss(example, (self.seed, self.global_step, self.global_rank))
        self.log("loss", loss, prog_bar=True)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """The average follows."""
        self.average.update(self.network)
