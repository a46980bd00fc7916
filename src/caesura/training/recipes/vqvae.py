"""Recipe of `vqvae`: the two-level autoencoder of Mel-IF images, on which `notono` is built.

    caesura train vqvae --preset gpu --data notes --out notono/vqvae --precision bf16-mixed --minutes 60
    caesura train vqvae --preset gpu --out notono/vqvae --export notono/vqvae.safetensors

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "export", "train"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning import Callback

from caesura.data.notes import held_out, read_notes
from caesura.networks import vqvae2
from caesura.training.coding import Coder, Optimisation
from caesura.training.notes import Images, imaged, labels_of
from caesura.training.run import LAST, Run, check, exported, fit

MEASURED = 16  # held-out notes


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: vqvae2.Shape
    how: Optimisation


PRESETS = {
    "tiny": Preset(vqvae2.PRESETS["tiny"], Optimisation(batch=2, rate=3e-3, warmup=5, free=3, every=4)),
    "cpu": Preset(
        vqvae2.PRESETS["cpu"], Optimisation(batch=4, rate=1e-3, warmup=50, free=200, settled=3980, workers=1)
    ),
    "gpu": Preset(vqvae2.PRESETS["gpu"], Optimisation(batch=32, rate=4e-4, warmup=200, free=1000, workers=8)),
}


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Coder:
    """Train on the notes in `run.data`; their images are kept in the folder above `run.out`.

    Raises:
        ValueError: there are no notes, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    learnt, measured = held_out(read_notes(run.data))
    folder, workers = run.out.parent, preset.how.workers
    some = [measured[k] for k in np.linspace(0, len(measured) - 1, min(MEASURED, len(measured))).round().astype(int)]
    examples = Images(imaged(learnt, folder, workers), labels_of(learnt), run.seed)
    images = torch.from_numpy(imaged(some, folder).astype(np.float32)) if some else torch.empty(0)
    coder = Coder(preset.shape, preset.how, examples, images, run.seed)
    fit(coder, run, callbacks)
    return coder


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the weights of a checkpoint; see `caesura.training.run.exported`."""
    exported(checkpoint, out, vqvae2, preset, "network.")
