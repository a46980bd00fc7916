"""What Lightning drives to learn notes: the autoencoder, and the transformers that fill its codes.

    autoencoder:   reconstruction + 0.25 distance from the codes;   transformer:   -ln p(selected codes | the rest)

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["Coder", "Filler", "Learner", "Optimisation", "exported", "fit", "pieces"]

import datetime
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from caesura.atomic import replacing
from caesura.networks import codemap_transformer, vqvae2
from caesura.training.average import Average
from caesura.training.examples import Endless
from caesura.training.notes import Coded, Selections
from caesura.training.recipes.cqtdiff import HARMLESS, LAST, SAVE_MINUTES, Run

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


class Learner(LightningModule):
    """Adam with a warm-up, and examples from where the run stands."""

    network: nn.Module

    def __init__(self, how: Optimisation, examples: Dataset[Any]) -> None:
        super().__init__()
        self.how, self.examples = how, examples

    def configure_optimizers(self) -> Any:
        """Adam with a warm-up."""
        optimizer = torch.optim.AdamW(self.network.parameters(), lr=self.how.rate, betas=(0.9, 0.99), weight_decay=0.01)
        warmup = max(self.how.warmup, 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min((n + 1) / warmup, 1.0))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def train_dataloader(self) -> DataLoader[Any]:
        """Examples from where the run stands."""
        world = self.trainer.world_size
        first = self.global_step * self.how.batch * world
        sampler = Endless(first, self.global_rank, world)
        return DataLoader(self.examples, batch_size=self.how.batch, sampler=sampler, num_workers=self.how.workers)


class Coder(Learner):
    """The autoencoder in training.

    Args:
        shape: of the network.
        how: of the optimisation.
        examples: images.
        held_out: images to measure on (notes, 2, bins, frames); there may be none.
        seed: of the weights.
    """

    network: vqvae2.Vqvae2

    def __init__(
        self, shape: vqvae2.Shape, how: Optimisation, examples: Dataset[Tensor], held_out: Tensor, seed: int
    ) -> None:
        super().__init__(how, examples)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            # a fifth faster on a processor, whose convolutions have few channels here
            self.network = vqvae2.Vqvae2(shape).to(memory_format=torch.channels_last)
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

    network: codemap_transformer.CodemapTransformer

    def __init__(
        self, shape: codemap_transformer.Shape, how: Optimisation, examples: Selections, held_out: Selections | None,
        seed: int,
    ) -> None:  # fmt: skip
        super().__init__(how, examples)
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


def fit(learner: Learner, run: Run, callbacks: Sequence[Callback] = ()) -> None:
    """Train, and write `last.ckpt` every few minutes and at the end.

    Raises:
        ValueError: there is nothing to resume from, or a run that would be overwritten.
    """
    last = run.out / LAST
    if run.resume and not last.is_file():
        raise ValueError(f"there is no checkpoint '{last}' to resume from")
    if not run.resume and last.is_file():
        raise ValueError(f"'{last}' exists: pass --resume to go on with it, or choose another folder")
    saving = ModelCheckpoint(
        dirpath=run.out, filename="step{step}", auto_insert_metric_name=False, save_top_k=1, save_last=True,
        train_time_interval=datetime.timedelta(minutes=SAVE_MINUTES), enable_version_counter=False,
    )  # fmt: skip
    trainer = Trainer(
        accelerator=run.accelerator,
        devices=run.devices,
        strategy="ddp" if run.devices > 1 else "auto",
        precision=run.precision,  # type: ignore[arg-type]
        max_steps=run.steps,
        max_time=None if run.minutes is None else datetime.timedelta(minutes=run.minutes),
        gradient_clip_val=learner.how.clip,
        logger=TensorBoardLogger(run.out, name="", version="tensorboard"),
        callbacks=[saving, *callbacks],
        enable_progress_bar=run.progress,
        enable_model_summary=run.progress,
        log_every_n_steps=10,
        use_distributed_sampler=False,
    )
    with warnings.catch_warnings():
        for harmless in HARMLESS:
            warnings.filterwarnings("ignore", harmless)
        trainer.fit(learner, ckpt_path=last if run.resume else None)
        trainer.save_checkpoint(last)


def exported(checkpoint: Path, out: Path, module: ModuleType, preset: str, prefix: str) -> None:
    """Write the weights under `prefix` of a checkpoint as half-precision safetensors that say what they are.

    Raises:
        ValueError: the checkpoint is not one of this network and preset.
    """
    from safetensors.torch import save_file

    if not checkpoint.is_file():
        raise ValueError(f"there is no checkpoint '{checkpoint}'")
    facts = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = {
        name.removeprefix(prefix): value.half().contiguous()
        for name, value in facts["state_dict"].items()
        if name.startswith(prefix)
    }
    try:
        module.restored(preset, {name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"'{checkpoint}' holds no network of preset {preset}: {said}") from None
    name = module.__name__.rpartition(".")[2]
    with replacing(out, force=True) as partial:
        save_file(weights, partial, metadata={"network": name, "preset": preset, "steps": str(facts["global_step"])})
