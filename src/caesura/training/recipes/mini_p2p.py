"""Recipe of `mini_p2p`: `text_mini` learns to add an instrument to a backing track.

    caesura prepare stems corpus --count 1000
    caesura train mini_p2p --base text_mini --preset cpu --data corpus --out run --minutes 48
    caesura train mini_p2p --preset cpu --out run --export mini_p2p.safetensors

The first convolution gets as many inputs again, with zero weights, so that it begins as what it is built on.

References:
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "base_of", "export", "learnt", "train"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning import Callback

from caesura.data.captions import Split
from caesura.networks import mini_p2p, text_mini
from caesura.networks.text_mini import TextMini
from caesura.networks.weights import load
from caesura.training.accompanied import Accompanied, Accompanist, sounds
from caesura.training.coding import Optimisation
from caesura.training.run import LAST, Run, check, exported, fit

SPLITS: tuple[Split, ...] = ("train", "valid")


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: text_mini.Shape
    """Of the network that it is built on."""
    how: Optimisation
    frames: int = 512
    """Of a crop, 10 ms each; a multiple of 8."""


PRESETS = {
    "tiny": Preset(text_mini.PRESETS["tiny"], Optimisation(batch=2, rate=3e-3, warmup=5, decay=0.9, every=4), 64),
    "cpu": Preset(text_mini.PRESETS["cpu"], Optimisation(batch=16, rate=5e-4, warmup=200, decay=0.999, every=500)),
    "gpu": Preset(
        text_mini.PRESETS["gpu"],
        Optimisation(batch=64, rate=2e-4, warmup=500, decay=0.9995, every=1000, workers=8),
    ),
}


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Accompanist:
    """Train on the pieces in `run.data`, from the weights that `run.base` names; their sounds are kept there.

    Raises:
        ValueError: there are no pieces, the base is another network or of another size, nothing to resume from, or a
            run that would be overwritten.
    """
    return learnt(preset, run, lambda: mini_p2p.widened(base_of(preset.shape, run)), callbacks)


def learnt(preset: Preset, run: Run, made: Callable[[], TextMini], callbacks: Sequence[Callback]) -> Accompanist:
    """Train a network that takes a backing track.

    Args:
        preset: what suits it.
        run: see `caesura.training.run`.
        made: the network, asked for once the run is known to be possible.
        callbacks: Lightning's.
    """
    check(run)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        network = made()
    examples, held_out = (Accompanied(sounds(run.data, split), preset.frames, run.seed) for split in SPLITS)
    learner = Accompanist(network, preset.how, examples, held_out)
    fit(learner, run, callbacks)
    return learner


def base_of(shape: text_mini.Shape, run: Run) -> TextMini:
    """The network that is built on.

    Raises:
        ValueError: none is named, or it is another network or of another size.
    """
    if run.resume:  # what the checkpoint holds takes its place
        return TextMini(shape)
    if not run.base:
        raise ValueError("name the weights to begin from with --base, such as text_mini")
    found = load(run.base)
    if not isinstance(found, TextMini) or found.shape != shape:
        raise ValueError(f"base '{run.base}' is no text_mini of this preset's size")
    return found.train().requires_grad_(True)


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.run.exported`."""
    exported(checkpoint, out, mini_p2p, preset, "average.network.")
