"""Recipe of `notono_bottom`: the transformer that fills the fine map of codes.

    caesura train notono_bottom --preset gpu --data notes --out notono/notono_bottom --precision bf16-mixed --minutes 60
    caesura train notono_bottom --preset gpu --out notono/notono_bottom --export notono/notono_bottom.safetensors

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

PRESETS = presets("bottom", batch=32)
train = train_filler


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.filling.export_filler`."""
    export_filler(checkpoint, out, "bottom", preset)
