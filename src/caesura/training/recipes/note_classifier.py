"""Recipe of `note_classifier`: the network that tells pitch and family of a note, by which generated notes are judged.

    caesura train note_classifier --data notes --out run --steps 6000
    caesura train note_classifier --out run --export notes.safetensors

It learns from the same instruments as the networks that it judges, so its own score is that on instruments held out.
Features are kept in the folder above `--out`. Examples are moved by up to two semitones and tilted, and their quiet
parts are cut off at random levels, so that noise floors and reverberation do not give a family away.

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

from caesura.atomic import replacing
from caesura.data.notes import PITCHES, Note, held_out, read_note, read_notes
from caesura.networks import note_classifier
from caesura.networks.note_classifier import features
from caesura.training.coding import Optimisation
from caesura.training.learner import Learner
from caesura.training.notes import chances, digest, labels_of
from caesura.training.run import LAST, Run, check, exported, fit

MOVED = 2  # semitones at most
TILT = 0.3  # of the range, from one end of the band to the other, at most
CUT = 0.5  # share of the range that may be cut off at the bottom
SMOOTHING = 0.05


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: note_classifier.Shape
    how: Optimisation


PRESETS = {
    "tiny": Preset(note_classifier.PRESETS["tiny"], Optimisation(batch=4, rate=3e-3, warmup=5, every=4)),
    "cpu": Preset(note_classifier.PRESETS["cpu"], Optimisation(batch=32, rate=2e-3, warmup=100)),
}


class Varied(Dataset[tuple[Tensor, Tensor]]):
    """Endless examples: features (bins, frames), and labels (3,).

    Args:
        heard: (notes, bins, frames).
        labels: (notes, 3).
        seed: of everything.
    """

    def __init__(self, heard: NDArray[np.float16], labels: NDArray[np.int16], seed: int) -> None:
        self.heard, self.labels, self.seed, self.chances = heard, labels, seed, chances(labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        rng = np.random.default_rng((self.seed, index))
        note = rng.choice(len(self.heard), p=self.chances)
        x, labels = self.heard[note].astype(np.float32), self.labels[note].astype(np.int64)
        least, most = max(-MOVED, -int(labels[0])), min(MOVED, PITCHES - 1 - int(labels[0]))
        moved = int(rng.integers(least, most + 1))
        x = np.roll(x, 2 * moved, axis=0)
        if moved > 0:
            x[: 2 * moved] = -1.0
        elif moved < 0:
            x[2 * moved :] = -1.0
        tilt = np.linspace(-1.0, 1.0, len(x))[:, None] * rng.uniform(-TILT, TILT)
        x = np.maximum(x + np.where(x > -1.0, tilt, 0.0), -1.0)
        x = np.maximum(x - x.max() + 1.0, 2.0 * CUT * rng.random() - 1.0)
        labels[0] += moved
        return torch.from_numpy(x.astype(np.float32)), torch.from_numpy(labels)


class Judge(Learner):
    """The classifier in training.

    Args:
        preset: its size and what suits it.
        examples: to learn from.
        measured: features and labels of notes to measure on; there may be none.
        run: seed and steps.
    """

    how: Optimisation
    network: note_classifier.NoteClassifier

    def __init__(self, preset: Preset, examples: Varied, measured: tuple[Tensor, Tensor], run: Run) -> None:
        super().__init__(preset.how, examples)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(run.seed)
            self.network = note_classifier.NoteClassifier(preset.shape)
        self.measured = measured

    def training_step(self, batch: tuple[Tensor, Tensor], _: int) -> Tensor:
        """One step of Lightning's."""
        heard, labels = batch
        pitch, family, _embedding = self.network(heard)
        parts = [
            functional.cross_entropy(logits, labels[:, k], label_smoothing=SMOOTHING)
            for k, logits in enumerate((pitch, family))
        ]
        self.log_dict({"loss/pitch": parts[0], "loss/family": parts[1]}, prog_bar=True)
        return parts[0] + parts[1]

    @torch.no_grad()
    def on_train_batch_end(self, *_: Any) -> None:
        """Measure now and then."""
        heard, labels = (part.to(self.device) for part in self.measured)
        if len(heard) and self.global_step % self.how.every == 0:
            self.network.eval()
            for name, k, logits in zip(("pitch", "family"), (0, 1), self.network(heard), strict=False):
                self.log(f"held out/{name}", (logits.argmax(dim=1) == labels[:, k]).float().mean())
            self.network.train()


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Judge:
    """Train on the notes in `run.data`.

    Raises:
        ValueError: there are no notes, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    learnt, measured = held_out(read_notes(run.data))
    folder = run.out.parent
    examples = Varied(listened(learnt, folder), labels_of(learnt), run.seed)
    kept = listened(measured, folder).astype(np.float32) if measured else np.zeros((0, 1, 1), np.float32)
    labels = labels_of(measured).astype(np.int64) if measured else np.zeros((0, 3), np.int64)
    judge = Judge(preset, examples, (torch.from_numpy(kept), torch.from_numpy(labels)), run)
    fit(judge, run, callbacks)
    return judge


def listened(notes: Sequence[Note], folder: Path) -> NDArray[np.float16]:
    """Features of notes (notes, bins, frames), kept in a file of `folder` and read from there the next time."""
    path = folder / f"heard-{digest(notes)}.npy"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        heard = np.stack([features(read_note(note)).astype(np.float16) for note in notes])
        with replacing(path, force=True) as partial, partial.open("wb") as file:
            np.save(file, heard)
    found: NDArray[np.float16] = np.load(path)
    return found


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the weights of a checkpoint; see `caesura.training.run.exported`."""
    exported(checkpoint, out, note_classifier, preset, "network.")
