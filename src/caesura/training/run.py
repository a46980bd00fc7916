"""One training run: where its examples come from, how long it goes on, and what stays of it on the disk.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["LAST", "Run", "check", "exported", "fit"]

import datetime
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, Timer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from caesura.atomic import replacing
from caesura.data.music import Layout
from caesura.training.learner import Learner

EMPTY: Mapping[str, Tensor] = MappingProxyType({})
LAST = "last.ckpt"
SAVE_MINUTES = 4.0
HARMLESS = (  # what Lightning warns of
    ".*not resumable",  # examples are found by their number, which makes every run resumable
    ".*does not have many workers",  # an example costs a tenth of a step
    ".*exists and is not empty",  # it holds what is resumed
    ".*LeafSpec",  # Lightning's own use of torch
    ".*Grad strides do not match",  # weights that are one number per channel
)


@dataclass(frozen=True)
class Run:
    """What a run needs besides its preset."""

    data: Path
    """Folder of the corpus."""
    out: Path
    """Folder for checkpoints and TensorBoard."""
    layout: Layout = "folder"
    seed: int = 0
    steps: int = -1
    """To take in all, the learning rate falling over the last 30 %; -1: no limit."""
    minutes: float | None = None
    """To take at most, those before a resumption included, the learning rate falling as well; None: no limit."""
    devices: int = 1
    accelerator: str = "auto"
    precision: str = "32-true"
    resume: bool = False
    """Go on from the last checkpoint in `out`."""
    progress: bool = True
    base: str = ""
    """Weights to begin from, for recipes that need some: a card's name, a file, or what the recipe says."""


def fit(learner: Learner, run: Run, callbacks: Sequence[Callback] = ()) -> None:
    """Train, and write `last.ckpt` every few minutes and at the end.

    Raises:
        ValueError: there is nothing to resume from, or a run that would be overwritten.
    """
    last = check(run)
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    with warnings.catch_warnings():
        for harmless in HARMLESS:
            warnings.filterwarnings("ignore", harmless)
        trainer = _trainer(run, learner, callbacks)
        trainer.fit(learner, ckpt_path=last if run.resume else None)
        trainer.save_checkpoint(last)


def check(run: Run) -> Path:
    """Where the last checkpoint is or will be; for recipes to ask before they read a corpus.

    Raises:
        ValueError: see `fit`.
    """
    last = run.out / LAST
    if run.resume and not last.is_file():
        raise ValueError(f"there is no checkpoint '{last}' to resume from")
    if not run.resume and last.is_file():
        raise ValueError(f"'{last}' exists: pass --resume to go on with it, or choose another folder")
    return last


def _trainer(run: Run, learner: Learner, callbacks: Sequence[Callback]) -> Trainer:
    saving = ModelCheckpoint(
        dirpath=run.out,
        filename="step{step}",
        auto_insert_metric_name=False,
        train_time_interval=datetime.timedelta(minutes=SAVE_MINUTES),
        save_top_k=1,
        save_last=True,
        enable_version_counter=False,
    )
    limit = [] if run.minutes is None else [Timer(datetime.timedelta(minutes=run.minutes))]
    together = "ddp_find_unused_parameters_true" if learner.rests else "ddp"
    return Trainer(
        accelerator=run.accelerator,
        devices=run.devices,
        strategy=together if run.devices > 1 else "auto",
        precision=run.precision,  # type: ignore[arg-type]
        max_steps=run.steps,
        gradient_clip_val=learner.how.clip,
        logger=TensorBoardLogger(run.out, name="", version="tensorboard"),
        callbacks=[*limit, saving, *callbacks],
        enable_progress_bar=run.progress,
        enable_model_summary=run.progress,
        log_every_n_steps=10,
        use_distributed_sampler=False,
    )


def exported(
    checkpoint: Path, out: Path, module: ModuleType, preset: str, prefix: str, *, but_for: Mapping[str, Tensor] = EMPTY
) -> None:
    """Write the weights under `prefix` of a checkpoint as half-precision safetensors that say what they are.

    Args:
        checkpoint: from a run.
        out: the file.
        module: of the network, whose `restored` reads it back.
        preset: its size.
        prefix: of the weights' names.
        but_for: weights that are left out where they are the same, because `restored` knows them.

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
    weights = {
        name: value
        for name, value in weights.items()
        if name not in but_for or not torch.equal(value, but_for[name].half())
    }
    try:
        module.restored(preset, {name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"'{checkpoint}' holds no network of preset {preset}: {said}") from None
    name = module.__name__.rpartition(".")[2]
    with replacing(out, force=True) as partial:
        save_file(weights, partial, metadata={"network": name, "preset": preset, "steps": str(facts["global_step"])})
