"""What every network in training has: Adam, a learning rate that rises, stays and falls, and examples in order.

    rate(n) = rate min(1, (n + 1) / warmup, (1 - done) / 0.3),    done = the part of the run that is over

`done` is counted in steps or in minutes, whichever limits the run and is further; without a limit the rate stays.

References:
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    I. Loshchilov, F. Hutter, "Decoupled weight decay regularization", ICLR 2019.
"""

from __future__ import annotations

__all__ = ["Learner", "Pace"]

from typing import Any, ClassVar, Protocol

import torch
from lightning import LightningModule
from lightning.pytorch.callbacks import Timer
from torch import nn
from torch.utils.data import DataLoader, Dataset

from caesura.training.examples import Endless

COOLING = 0.3  # share of a run over which the learning rate falls


class Pace(Protocol):
    """How the weights move; each kind of network adds what it needs besides."""

    @property
    def batch(self) -> int:
        """Examples per step and process."""

    @property
    def rate(self) -> float:
        """Learning rate after the warm-up."""

    @property
    def warmup(self) -> int:
        """Steps over which the learning rate rises from zero."""

    @property
    def clip(self) -> float:
        """Norm that gradients are cut down to."""


class Learner(LightningModule):
    """A network in training.

    Args:
        how: of the optimisation.
        examples: what it learns from, found by their number.
        workers: processes that prepare examples, for each process of the run.
    """

    network: nn.Module
    weight_decay: ClassVar[float] = 0.0
    betas: ClassVar[tuple[float, float]] = (0.9, 0.99)
    rests: ClassVar[bool] = False
    """Whether some of its weights stop learning on the way."""

    def __init__(self, how: Pace, examples: Dataset[Any], workers: int = 0) -> None:
        super().__init__()
        self.how, self.examples, self.workers = how, examples, workers

    def configure_optimizers(self) -> Any:
        """Adam with decoupled weight decay."""
        optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.how.rate, betas=self.betas, weight_decay=self.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._share_of_rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _share_of_rate(self, n: int) -> float:
        rise = (n + 1) / max(self.how.warmup, 1)
        return min(rise, max(1.0 - self._done(n), 0.0) / COOLING, 1.0)

    def _done(self, n: int) -> float:
        steps = self.trainer.max_steps
        done = n / steps if steps > 0 else 0.0
        for timer in self.trainer.callbacks:  # type: ignore[attr-defined]
            left = timer.time_remaining() if isinstance(timer, Timer) else None
            if left is not None:
                spent = timer.time_elapsed()
                done = max(done, spent / max(spent + left, 1e-9))
        found: float = self.trainer.strategy.broadcast(done)  # processes that disagreed on the rate would drift apart
        return found

    def train_dataloader(self) -> DataLoader[Any]:
        """Examples from where the run stands."""
        world = self.trainer.world_size
        first = self.global_step * self.how.batch * world
        sampler = Endless(first, self.global_rank, world)
        return DataLoader(self.examples, batch_size=self.how.batch, sampler=sampler, num_workers=self.workers)
