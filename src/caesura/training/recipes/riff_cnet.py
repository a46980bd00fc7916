"""Recipe of `riff_cnet`: a ControlNet that leads Riffusion along the edges of a backing, trained on pairs of pictures.

    caesura prepare gtzan pairs --source GTZAN
    caesura train riff_cnet --base riffusion/riffusion-model-v1 --preset gpu --data pairs --out run --precision 16-mixed
    caesura train riff_cnet --preset gpu --out run --export mine
    caesura add song.wav -o mix.wav --method riff_cnet -s control_weights=mine --text "airy female vocal"

The encoder of the U-Net is copied, and its answers go into the decoder through convolutions that are zero at first, so
training begins with what Riffusion does. The base stays as it is, or with the preset `unlocked` its decoder learns as
well. Edges are taken from the source picture when it is needed, from 0 to 1. One text in ten is left out. Published are
20,000 steps of four pairs.

References:
    Z. Shah and co-authors, Riff-CNET (zachary-shah/riff-cnet), 2023.
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Leader", "Preset", "Run", "dropped", "export", "shown", "train"]

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning import Callback
from torch import Tensor, nn

from caesura.codecs.edges import Control, control_of
from caesura.codecs.image import Pixels
from caesura.networks.checkpoints import part_of
from caesura.networks.riffusion import PictureModel, opened
from caesura.training.exporting import part, pipeline, trained, written
from caesura.training.pictures import Batch, Drawing, Optimisation, base_of, examples, share
from caesura.training.run import LAST, Run, check, fit

DROPPED = 0.1  # share of examples without the text; none are published, but guidance asks the network without it
CLASS = "StableDiffusionControlNetPipeline"  # what diffusers calls a folder with all the parts
DECODER = ("up_blocks", "conv_norm_out", "conv_out")  # of the U-Net: what learns where it is unlocked


@dataclass(frozen=True)
class Preset:
    """How a ControlNet is trained; its size is that of --base."""

    how: Optimisation
    columns: int = 512
    """Of a picture, 10 ms each."""
    control: Control = "canny"
    """What is shown of the source."""
    unlocked: bool = False
    """Whether the decoder of the base learns as well."""
    hint: tuple[int, ...] = (16, 32, 96, 256)
    """Channels of what reads the control picture."""


PRESETS = {
    "tiny": Preset(Optimisation(batch=2, rate=1e-2, warmup=5, every=4), 64, hint=(4, 4, 8, 8)),
    "cpu": Preset(Optimisation(batch=1, rate=1e-5, every=100), 256),
    "gpu": Preset(Optimisation(batch=4, rate=1e-5, workers=8)),
    "unlocked": Preset(Optimisation(batch=4, rate=2e-6, workers=8), unlocked=True),
}


class Leader(Drawing):
    """The ControlNet in training, and the U-Net where its decoder learns as well."""

    def predicted(self, network: nn.ModuleDict, noisy: Tensor, words: Tensor, batch: Batch) -> Tensor:
        """See `Drawing`; the control picture goes into the ControlNet, and what it says into the U-Net."""
        control: Any = network["controlnet"]
        unet: Any = {"unet": self.base.unet, **network}["unet"]
        down, middle = control(noisy, batch.level, words, controlnet_cond=batch.source, return_dict=False)
        noise: Tensor = unet(
            noisy,
            batch.level,
            words,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        return noise


def dropped(number: float) -> tuple[bool, bool]:
    """Whether the text is kept from the network, by a number from 0 to 1; the control picture never is."""
    return number < DROPPED, False


def shown(pixels: Pixels, control: Control) -> Tensor:
    """The control picture (3, rows, columns) of a source, from 0 to 1."""
    return share(control_of(pixels, control))


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Leader:
    """Train a ControlNet for `run.base` on the pairs in `run.data`.

    Raises:
        MissingWeights: the base is not on this machine.
        ValueError: there is no base, there are no pairs, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    base, folder = base_of(run.base, "riff_cnet")
    learnt, held_out = examples(run, preset.columns, partial(shown, control=preset.control), dropped)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        parts = {"controlnet": _control(base, preset).requires_grad_(True).train()}
    if preset.unlocked:
        parts["unet"] = base.unet.train()
        for name in DECODER:
            getattr(base.unet, name).requires_grad_(True)
    leader = Leader(parts, base, folder, preset.how, learnt, held_out)
    fit(leader, run, callbacks)
    return leader


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write a folder in diffusers' layout: the ControlNet, or with an unlocked decoder all parts of the model.

    Raises:
        ValueError: the checkpoint is none of this recipe, or the folder exists.
    """
    weights, base = trained(checkpoint)
    if not any(name.startswith("unet.") for name in weights):
        control = part(weights, "controlnet", _control(opened(base), PRESETS[preset]), checkpoint)
        with written(out) as folder:
            control.save_pretrained(folder, safe_serialization=True)
        return
    pipeline(checkpoint, out, CLASS, lambda model: {"unet": model.unet, "controlnet": _control(model, PRESETS[preset])})


def _control(base: PictureModel, preset: Preset) -> nn.Module:
    made: nn.Module = part_of("diffusers", "ControlNetModel").from_unet(
        base.unet, conditioning_embedding_out_channels=preset.hint
    )
    return made
