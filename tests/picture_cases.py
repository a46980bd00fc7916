"""What the tests of training on pairs of pictures share: small checkpoints, a pair, and a run on it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, Trainer

from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_files import Picture, write_picture
from caesura.data.pairs import pairs
from caesura.networks.riffusion import tiny
from caesura.training.pictures import Drawing, Pictured, levels_of
from caesura.training.recipes import riff_p2p
from caesura.training.run import Run
from riffusion_layout import riffusion

RATE = 44_100
IMAGE = SpectrogramImage(bands=64)


def smallest(folder: Path) -> Path:
    """A checkpoint in the published layout with the smallest networks there are."""
    riffusion(folder)
    for name in ("unet", "vae"):
        getattr(tiny(), name).save_pretrained(folder / name)
    return folder


def tones(hertz: list[float], samples: int = 28_000) -> np.ndarray:
    t = np.arange(samples) / RATE
    return np.atleast_2d(sum(0.2 * np.sin(2 * np.pi * f * t) * np.exp(-3.0 * (t % 0.2)) for f in hertz))


def prepare(folder: Path, splits: tuple[str, ...] = ("train",)) -> Path:
    """A pair for each split in the layout of `caesura prepare`."""
    rows = []
    for k, split in enumerate(splits):
        low, high = 220.0 * (k + 1), 2_000.0 + 500.0 * k
        mels = [IMAGE.mel(tones(f)) for f in ([low], [low, high])]
        for name, mel in zip(("source", "target"), mels, strict=True):
            pixels = IMAGE.pixels(mel, float(max(m.max() for m in mels)))
            folder.mkdir(exist_ok=True)
            write_picture(folder / f"{split}_{name}.png", Picture(pixels, IMAGE))
        rows.append(
            {"song": f"song {k}", "split": split, "frame": 0, "key": 0, "example": 0, "source": f"{split}_source.png",
             "target": f"{split}_target.png", "text": "add a bell", "adds": ["bell"], "over": ["low"]}
        )  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def run(data: Path, out: Path, base: Path, **settings: Any) -> Run:
    return Run(data, out, accelerator="cpu", progress=False, base=str(base), **settings)


def pictured(
    data: Path, dropped: Callable[[float], tuple[bool, bool]] = riff_p2p.dropped,
    show: Callable[[Any], torch.Tensor] = levels_of,
) -> Pictured:  # fmt: skip
    return Pictured(pairs(data), 64, 0, show, dropped)


def fixed(learner: Drawing, count: int = 16) -> float:
    """The loss on examples that the training does not see, though it knows their pair."""
    with torch.no_grad():
        found = [learner.loss(learner.kept, learner._alone(learner.examples[10_000 + k])) for k in range(count)]  # type: ignore[arg-type]
    return float(torch.stack(found).mean())


class Interrupt(Callback):
    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        trainer.should_stop = trainer.global_step == 2


def words(recipe: str, out: Path, *more: str) -> list[str]:
    return ["train", recipe, "--preset", "tiny", "--out", str(out), "--accelerator", "cpu", "--quiet", *more]
