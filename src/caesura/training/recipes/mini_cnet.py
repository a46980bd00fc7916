"""Recipe of `mini_cnet`: `text_mini` stays as it is, and a branch beside it learns to hear a backing track.

    caesura prepare stems corpus --count 1000
    caesura train mini_cnet --base text_mini --preset cpu --data corpus --out run --minutes 48
    caesura train mini_cnet --preset cpu --out run --export mini_cnet.safetensors

References:
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "export", "train"]

from collections.abc import Sequence
from pathlib import Path

from lightning import Callback

from caesura.networks import mini_cnet
from caesura.networks.weights import tensors
from caesura.training.accompanied import Accompanist
from caesura.training.recipes.mini_p2p import PRESETS, Preset, base_of, learnt
from caesura.training.run import LAST, Run, exported


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Accompanist:
    """Train on the pieces in `run.data`, beside the weights that `run.base` names; their sounds are kept there.

    Raises:
        ValueError: see `caesura.training.recipes.mini_p2p`.
    """
    return learnt(preset, run, lambda: mini_cnet.controlled(base_of(preset.shape, run)), callbacks)


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights, those of the package's `text_mini` left out."""
    known = tensors("text_mini") if preset == "cpu" else {}
    exported(checkpoint, out, mini_cnet, preset, "average.network.", but_for=known)
