"""What Lightning drives to learn notes: the autoencoder, and the transformers that fill its codes.

    autoencoder:   reconstruction + 0.25 distance from the codes;   transformer:   -ln p(selected codes | the rest)

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["Coder", "Filler", "Optimisation", "pieces"]

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset

from caesura.networks import codemap_transformer, vqvae2
from caesura.training.average import Average
from caesura.training.learner import Learner
from caesura.training.notes import Coded, Selections

WEIGHT_DECAY = 0.01
FIRST_HELD_OUT = 2**40  # number of the first example that is measured on, out of the reach of training


@dataclass(frozen=True)
class Optimisation:
    """How the weights move."""

    batch: int
    """Notes per step and process."""
    rate: float
    """Learning rate after the warm-up."""
    warmup: int
    """Steps over which the learning rate rises from zero."""
    decay: float = 0.999
    """Of the average of a transformer's weights."""
    smoothing: float = 0.0
    """Probability that a transformer is told to leave to the wrong codes."""
    free: int = 0
    """Steps that an autoencoder takes before its codes begin."""
    settled: int = 0
    """Steps after which its codes stay, so that transformers can be trained on them, and only what draws an image from
    them learns on; 0: never."""
    clip: float = 1.0
    """Norm that gradients are cut down to."""
    every: int = 500
    """Steps from one measurement on held-out notes to the next."""
    workers: int = 0
    """Processes that prepare notes."""


class Coder(Learner):
    """The autoencoder in training.

    Args:
        shape: of the network.
        how: of the optimisation.
        examples: images.
        held_out: images to measure on (notes, 2, bins, frames); there may be none.
        seed: of the weights.
    """

    how: Optimisation
    network: vqvae2.Vqvae2
    rests = True
    weight_decay: ClassVar[float] = WEIGHT_DECAY

    def __init__(
        self, shape: vqvae2.Shape, how: Optimisation, examples: Dataset[Tensor], held_out: Tensor, seed: int
    ) -> None:
        super().__init__(how, examples, how.workers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # a fifth faster on a processor, whose convolutions have few channels here
            self.network = vqvae2.Vqvae2(shape).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.held_out = held_out

    def training_step(self, image: Tensor, _: int) -> Tensor:
        """One step of Lightning's."""
        passed = self._passed(image)
        loss = self.network.loss(image, passed)
        for name, value in zip(("top", "bottom"), passed.perplexities, strict=True):
            self.log(f"perplexity/{name}", value.float())
        self.log("distance", passed.distance)
        self.log("loss", loss, prog_bar=True)
        return loss

    def _passed(self, image: Tensor) -> vqvae2.Passed:
        if self.global_step < self.how.free:
            return self.network.unquantised(image)
        if self.how.settled and self.global_step >= self.how.settled:
            return self.network.settled(image)
        passed: vqvae2.Passed = self.network(image)
        return passed

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """Measure now and then."""
        if len(self.held_out) and self.global_step % self.how.every == 0:
            self.network.eval()
            image = self.held_out.to(self.device)
            self.log("held out/loss", self.network.loss(image, self.network(image)))
            self.network.train()


class Filler(Learner):
    """A transformer in training; its average is what is kept.

    Args:
        shape: of the network.
        how: of the optimisation.
        examples: notes with selections.
        held_out: notes that are measured on; there may be none.
        seed: of the weights.
    """

    how: Optimisation
    network: codemap_transformer.CodemapTransformer
    weight_decay: ClassVar[float] = WEIGHT_DECAY

    def __init__(
        self, shape: codemap_transformer.Shape, how: Optimisation, examples: Selections, held_out: Selections | None,
        seed: int,
    ) -> None:  # fmt: skip
        super().__init__(how, examples, how.workers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = codemap_transformer.CodemapTransformer(shape)
        self.average = Average(self.network, how.decay)
        self.held_out = held_out

    def training_step(self, batch: Coded, _: int) -> Tensor:
        """One step of Lightning's."""
        loss = self.network.loss(*batch, smoothing=self.how.smoothing)
        self.log("loss", loss, prog_bar=True)
        return loss

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """The average follows, and is measured now and then."""
        self.average.update(self.network)
        if self.held_out is not None and self.global_step % self.how.every == 0:
            batch = pieces(self.held_out, self.how.batch)
            network = cast(codemap_transformer.CodemapTransformer, self.average.network).eval()
            codes, known, labels, coarse = (part.to(self.device) for part in batch)
            self.log("held out/nats", network.loss(codes, known, labels, coarse))


def pieces(examples: Selections, count: int) -> Coded:
    """A batch that is the same every time."""
    found = [examples[FIRST_HELD_OUT + k] for k in range(count)]
    return Coded(*(torch.stack(parts) for parts in zip(*found, strict=True)))
