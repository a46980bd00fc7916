"""Recipe of `text_mini`: a small network that makes and fills sounds as a text says.

    caesura prepare captions corpus --count 6000
    caesura train text_mini --preset cpu --data corpus --out run --steps 6000
    caesura train text_mini --preset cpu --data corpus --out run --steps 6000 --resume
    caesura train text_mini --preset cpu --out run --export text_mini.safetensors

References:
    W. Peebles, S. Xie, "Scalable diffusion models with transformers", ICCV 2023.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "export", "train"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning import Callback

from caesura.networks import text_mini
from caesura.training.captioned import Captioned, Teller, mels, taught
from caesura.training.coding import Optimisation
from caesura.training.run import LAST, Run, check, exported, fit


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: text_mini.Shape
    how: Optimisation
    frames: int = 512
    """Of a crop, 10 ms each; a multiple of 8."""
    lessons: int = 500
    """Steps in which the reader is taught by itself, before the first one."""


PRESETS = {
    "tiny": Preset(text_mini.PRESETS["tiny"], Optimisation(batch=2, rate=3e-3, warmup=5, decay=0.9, every=4), 64, 2),
    "cpu": Preset(text_mini.PRESETS["cpu"], Optimisation(batch=16, rate=1e-3, warmup=200, decay=0.999, every=500)),
    "gpu": Preset(
        text_mini.PRESETS["gpu"],
        Optimisation(batch=64, rate=4e-4, warmup=1000, decay=0.9995, every=1000, workers=8),
        lessons=2000,
    ),
}


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Teller:
    """Train on the clips in `run.data`; their spectrograms are kept there.

    Raises:
        ValueError: there are no clips, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    examples = Captioned(*mels(run.data, "train"), preset.frames, run.seed)
    held_out = Captioned(*mels(run.data, "valid"), preset.frames, run.seed)
    teller = Teller(preset.shape, preset.how, examples, held_out, run.seed)
    if not run.resume:
        taught(teller.network.reader, [clip.phrase for clip in examples.clips], preset.lessons, run.seed)
        teller.average.network.load_state_dict(teller.network.state_dict())
    fit(teller, run, callbacks)
    return teller


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.run.exported`."""
    exported(checkpoint, out, text_mini, preset, "average.network.")
