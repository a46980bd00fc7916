"""Recipe of `notono_top`: the transformer that fills the coarse map of codes.

    caesura train notono_top --preset gpu --data notes --out notono/notono_top --precision bf16-mixed --minutes 60
    caesura train notono_top --preset gpu --out notono/notono_top --export notono/notono_top.safetensors

The autoencoder that makes the codes is notono/vqvae.safetensors, in the folder above `--out`.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "export", "train"]

from collections.abc import Sequence
from pathlib import Path

from lightning import Callback

from caesura.networks import codemap_transformer
from caesura.training.coding import Filler, Optimisation
from caesura.training.filling import Preset, train_filler
from caesura.training.run import LAST, Run, exported

PRESETS = {
    "tiny": Preset(codemap_transformer.PRESETS["top-tiny"], Optimisation(batch=2, rate=3e-3, warmup=5, every=4)),
    "cpu": Preset(
        codemap_transformer.PRESETS["top-cpu"],
        Optimisation(batch=8, rate=1e-3, warmup=200, decay=0.998, smoothing=0.02),
    ),
    "gpu": Preset(
        codemap_transformer.PRESETS["top-gpu"],
        Optimisation(batch=64, rate=3e-4, warmup=1000, decay=0.9995, smoothing=0.02, workers=8),
    ),
}


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Filler:
    """Train on the notes in `run.data`; see `caesura.training.filling.train_filler`."""
    return train_filler(preset, run, callbacks)


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.run.exported`."""
    exported(checkpoint, out, codemap_transformer, f"top-{preset}", "average.network.")
