"""Recipe of `riff_p2p`: Riffusion that is shown a backing track and told what to add, trained on pairs of pictures.

    caesura prepare musdb18 pairs --source MUSDB18
    caesura train riff_p2p --base riffusion/riffusion-model-v1 --preset gpu --data pairs --out run --precision 16-mixed
    caesura train riff_p2p --preset gpu --out run --export mine
    caesura add song.wav -o mix.wav --method riff_p2p -s weights=mine --text "add a female vocal pop melody"

The four channels that the backing goes into have no weights at first, so training begins with what Riffusion does. Of
the examples 5 % have no text, 5 % no backing and 5 % neither. Published are 300,000 steps of four pairs.

References:
    Z. Shah and co-authors, Riff-P2P (zachary-shah/riff-pix2pix), 2023.
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Editor", "Preset", "Run", "dropped", "export", "train"]

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning import Callback
from torch import Tensor, nn

from caesura.networks.riff_p2p import seeing
from caesura.training.exporting import pipeline
from caesura.training.pictures import Batch, Drawing, Optimisation, base_of, examples, levels_of
from caesura.training.run import LAST, Run, check, fit

DROPPED = 0.05  # share of examples without the text, without the backing, and without both
CLASS = "StableDiffusionInstructPix2PixPipeline"  # what diffusers calls such a folder


@dataclass(frozen=True)
class Preset:
    """How a model of any size is trained; its size is that of --base."""

    how: Optimisation
    columns: int = 512
    """Of a picture, 10 ms each."""


PRESETS = {
    "tiny": Preset(Optimisation(batch=2, rate=3e-3, warmup=5, decay=0.9, every=4), 64),
    "cpu": Preset(Optimisation(batch=1, rate=1e-4, every=100), 256),
    "gpu": Preset(Optimisation(batch=4, rate=1e-4, workers=8)),
}


class Editor(Drawing):
    """The U-Net in training."""

    def predicted(self, network: nn.ModuleDict, noisy: Tensor, words: Tensor, batch: Batch) -> Tensor:
        """See `Drawing`; the source goes in beside, as latents without a scale."""
        with torch.no_grad():
            shown = self._posterior(batch.source, None) * batch.seen[:, None, None, None]
        out: Any = network["unet"](torch.cat([noisy, shown], dim=1), batch.level, words)
        noise: Tensor = out.sample
        return noise


def dropped(number: float) -> tuple[bool, bool]:
    """Whether the text, and whether the backing, is kept from the network, by a number from 0 to 1."""
    return number < 2.0 * DROPPED, DROPPED <= number < 3.0 * DROPPED


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Editor:
    """Train `run.base` further on the pairs in `run.data`.

    Raises:
        MissingWeights: the base is not on this machine.
        ValueError: there is no base, there are no pairs, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    base, folder = base_of(run.base, "riff_p2p")
    learnt, held_out = examples(run, preset.columns, levels_of, dropped)
    unet = seeing(base.unet).requires_grad_(True).train()
    editor = Editor({"unet": unet}, dataclasses.replace(base, unet=unet), folder, preset.how, learnt, held_out)
    fit(editor, run, callbacks)
    return editor


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write a folder in diffusers' layout, all that the method riff_p2p needs: the network and the rest of its base.

    Raises:
        ValueError: the checkpoint is none of this recipe, or the folder exists.
    """
    pipeline(checkpoint, out, CLASS, lambda model: {"unet": seeing(model.unet)})
