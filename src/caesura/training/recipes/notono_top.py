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

from pathlib import Path

from caesura.training.filling import Preset, export_filler, presets, train_filler
from caesura.training.run import LAST, Run

PRESETS = presets("top", batch=64)
train = train_filler


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.filling.export_filler`."""
    export_filler(checkpoint, out, "top", preset)
