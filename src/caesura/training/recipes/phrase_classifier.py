"""Recipe of `phrase_classifier`: the network that tells what a phrase is, by which generated sounds are judged.

    caesura train phrase_classifier --data corpus --out run --steps 4000
    caesura train phrase_classifier --out run --export phrases.safetensors

It learns from rendered phrases only, from windows of one second; its own score is that on instruments held out. Windows
are tilted, and their quiet parts are cut off at random levels, so that noise floors do not give an instrument away.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "export", "train"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from caesura.data.captions import Clip
from caesura.networks import phrase_classifier
from caesura.networks.phrase_classifier import QUESTIONS, RANGE, WINDOW, PhraseClassifier, floored
from caesura.training.captioned import mels
from caesura.training.coding import FIRST_HELD_OUT, Optimisation
from caesura.training.learner import Learner
from caesura.training.run import LAST, Run, check, exported, fit

TILT = 1.5  # nepers from one end of the band to the other, at most
CUT = 0.6  # share of the range that may be cut off at the bottom
SMOOTHING = 0.05
MEASURED = 400  # windows
Window = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: phrase_classifier.Shape
    how: Optimisation


PRESETS = {
    "tiny": Preset(phrase_classifier.PRESETS["tiny"], Optimisation(batch=4, rate=3e-3, warmup=5, every=4)),
    "cpu": Preset(phrase_classifier.PRESETS["cpu"], Optimisation(batch=32, rate=2e-3, warmup=100, every=250)),
    "gpu": Preset(phrase_classifier.PRESETS["gpu"], Optimisation(batch=128, rate=1e-3, warmup=200, workers=8)),
}


@dataclass(frozen=True, eq=False)
class Windows(Dataset[Window]):
    """Endless examples: a window (frames, bins), and the index of the answer to each question (questions,)."""

    clips: Sequence[Clip]
    mel: NDArray[np.float16]
    """Log-mel spectrograms (clips, frames, bins)."""
    seed: int
    vary: bool = True

    def __getitem__(self, index: int) -> Window:
        rng = np.random.default_rng((self.seed, index))
        which = int(rng.integers(len(self.clips)))
        first = int(rng.integers(self.mel.shape[1] - WINDOW + 1))
        mel = torch.from_numpy(np.asarray(self.mel[which, first : first + WINDOW], dtype=np.float32))
        reach = RANGE
        if self.vary:
            mel = mel + torch.linspace(-0.5, 0.5, mel.shape[1]) * float(rng.uniform(-TILT, TILT))
            reach *= float(rng.uniform(1.0 - CUT, 1.0))
        phrase = self.clips[which].phrase
        answers = [values.index(getattr(phrase, name)) for name, values in QUESTIONS.items()]
        # cut off high, but scaled as always
        heard = (floored(mel[None], reach)[0] - 1.0) * (reach / RANGE) + 1.0
        return heard, torch.tensor(answers)


class Judge(Learner):
    """The classifier in training.

    Args:
        preset: its size and what suits it.
        examples: to learn from.
        held_out: to measure on.
        seed: of the weights.
    """

    how: Optimisation
    network: PhraseClassifier

    def __init__(self, preset: Preset, examples: Windows, held_out: Windows, seed: int) -> None:
        super().__init__(preset.how, examples, preset.how.workers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = PhraseClassifier(preset.shape)
        self.held_out = held_out

    def training_step(self, batch: Window, _: int) -> Tensor:
        """One step of Lightning's."""
        heard, answers = batch
        parts = [
            functional.cross_entropy(logits, answers[:, k], label_smoothing=SMOOTHING)
            for k, logits in enumerate(self.network(heard).values())
        ]
        loss = torch.stack(parts).sum()
        self.log("loss", loss, prog_bar=True)
        return loss

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """Measure now and then."""
        if self.global_step % self.how.every == 0:
            found = [self.held_out[FIRST_HELD_OUT + k] for k in range(MEASURED)]
            heard, answers = (torch.stack(parts).to(self.device) for parts in zip(*found, strict=True))
            self.network.eval()
            for k, (name, logits) in enumerate(self.network(heard).items()):
                self.log(f"held out/{name}", (logits.argmax(dim=1) == answers[:, k]).float().mean())
            self.network.train()


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Judge:
    """Train on the clips in `run.data`; their spectrograms are kept there.

    Raises:
        ValueError: there are no clips, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    examples = Windows(*mels(run.data, "train"), run.seed)
    held_out = Windows(*mels(run.data, "test"), run.seed, vary=False)
    judge = Judge(preset, examples, held_out, run.seed)
    fit(judge, run, callbacks)
    return judge


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the weights of a checkpoint; see `caesura.training.run.exported`."""
    exported(checkpoint, out, phrase_classifier, preset, "network.")
