"""Recipe of `cqtdiff`: the lean CQT network, told the context, trained to denoise gaps of music.

    caesura prepare music corpus --scores midi --hours 40 --rate 44100 --mix recordings
    caesura train cqtdiff --preset gpu --data corpus --out run --precision bf16-mixed --steps 100000
    caesura train cqtdiff --preset gpu --data corpus --out run --precision bf16-mixed --steps 100000 --resume
    caesura train cqtdiff --preset gpu --out run --export lean.safetensors

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024.
"""

from __future__ import annotations

__all__ = ["PRESETS", "Preset", "Run", "export", "train"]

import datetime
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from caesura.atomic import replacing
from caesura.data.music import Corpus, Layout, recordings
from caesura.networks import cqt_lean
from caesura.training.examples import Gapped, Gaps
from caesura.training.listening import Listening
from caesura.training.restorer import Optimisation, Restorer

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
class Preset:
    """One size of the model with what suits it."""

    shape: cqt_lean.Shape
    how: Optimisation
    gaps: Gaps = field(default_factory=Gaps)
    workers: int = 1
    """Processes that prepare examples."""
    listen: int = 1000
    """Steps from one sample in TensorBoard to the next."""


PRESETS = {
    "tiny": Preset(
        cqt_lean.PRESETS["tiny"],
        Optimisation(batch=2, rate=3e-3, warmup=5, decay=0.9),
        Gaps(longest=0.1, apart=0.05),
        workers=0,
    ),
    "cpu": Preset(
        cqt_lean.PRESETS["cpu"],
        Optimisation(batch=2, rate=1e-3, warmup=100, decay=0.998),
        Gaps(shortest=0.04, apart=0.06, most=4, blind=0.05),
    ),
    "gpu": Preset(
        cqt_lean.PRESETS["gpu"],
        Optimisation(batch=8, rate=4e-4, warmup=1000, decay=0.9995),
        Gaps(longest=0.6, most=6),
        workers=12,
    ),
}


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
    """To take at most, those before a resumption included; None: no limit."""
    devices: int = 1
    accelerator: str = "auto"
    precision: str = "32-true"
    resume: bool = False
    """Go on from the last checkpoint in `out`."""
    progress: bool = True


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Restorer:
    """Train, and write `last.ckpt` every few minutes and at the end.

    Raises:
        ValueError: there is nothing to resume from, or a run that would be overwritten.
    """
    last = run.out / LAST
    if run.resume and not last.is_file():
        raise ValueError(f"there is no checkpoint '{last}' to resume from")
    if not run.resume and last.is_file():
        raise ValueError(f"'{last}' exists: pass --resume to go on with it, or choose another folder")
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    corpus = Corpus(recordings(run.data, run.layout), preset.shape.sample_rate)
    examples = Gapped(corpus, preset.shape.samples, preset.gaps, run.seed)
    restorer = Restorer(preset.shape, preset.how, examples, seed=run.seed, workers=preset.workers, steps=run.steps)
    with warnings.catch_warnings():
        for harmless in HARMLESS:
            warnings.filterwarnings("ignore", harmless)
        trainer = _trainer(preset, run, callbacks)
        trainer.fit(restorer, ckpt_path=last if run.resume else None)
        trainer.save_checkpoint(last)
    return restorer


def _trainer(preset: Preset, run: Run, callbacks: Sequence[Callback]) -> Trainer:
    saving = ModelCheckpoint(
        dirpath=run.out,
        filename="step{step}",
        auto_insert_metric_name=False,
        train_time_interval=datetime.timedelta(minutes=SAVE_MINUTES),
        save_top_k=1,
        save_last=True,
        enable_version_counter=False,
    )
    return Trainer(
        accelerator=run.accelerator,
        devices=run.devices,
        strategy="ddp" if run.devices > 1 else "auto",
        precision=run.precision,  # type: ignore[arg-type]
        max_steps=run.steps,
        max_time=None if run.minutes is None else datetime.timedelta(minutes=run.minutes),
        gradient_clip_val=preset.how.clip,
        logger=TensorBoardLogger(run.out, name="", version="tensorboard"),
        callbacks=[saving, Listening(preset.listen), *callbacks],
        enable_progress_bar=run.progress,
        enable_model_summary=run.progress,
        log_every_n_steps=10,
        use_distributed_sampler=False,
    )


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights as half-precision safetensors that say what they are.

    Raises:
        ValueError: the checkpoint is not one of this recipe and preset.
    """
    from safetensors.torch import save_file

    if not checkpoint.is_file():
        raise ValueError(f"there is no checkpoint '{checkpoint}'")
    facts = torch.load(checkpoint, map_location="cpu", weights_only=True)
    prefix = "average.network."
    weights = {
        name.removeprefix(prefix): value.half().contiguous()
        for name, value in facts["state_dict"].items()
        if name.startswith(prefix)
    }
    try:
        cqt_lean.restored(preset, {name: value.float() for name, value in weights.items()})
    except RuntimeError as error:
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"'{checkpoint}' holds no network of preset {preset}: {said}") from None
    metadata = {"network": "cqt_lean", "preset": preset, "steps": str(facts["global_step"])}
    with replacing(out, force=True) as partial:
        save_file(weights, partial, metadata=metadata)
