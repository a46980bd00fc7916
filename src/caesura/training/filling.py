"""How a transformer of codes is trained: code the notes once, then fill selections of their maps.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["CODER", "Preset", "train_filler"]

from collections.abc import Sequence
from dataclasses import dataclass

from lightning import Callback

from caesura.data.notes import Note, held_out, read_notes
from caesura.networks import codemap_transformer
from caesura.networks.vqvae2 import Vqvae2
from caesura.networks.weights import load
from caesura.training.coding import Filler, Optimisation
from caesura.training.notes import Codes, Selections, coded, imaged
from caesura.training.run import Run, check, fit

CODER = "vqvae.safetensors"


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: codemap_transformer.Shape
    how: Optimisation


def train_filler(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Filler:
    """Train on the notes in `run.data`; images and codes are kept in the folder above `run.out`.

    Raises:
        ValueError: there are no notes, or no autoencoder in the folder above `run.out`; there is nothing to resume
            from, or a run that would be overwritten.
    """
    check(run)
    coder = _coder(preset, run)
    learnt, measured = held_out(read_notes(run.data))
    top = preset.shape.map == "top"
    examples = Selections(_codes(coder, learnt, preset, run), run.seed, top=top)
    kept = Selections(_codes(coder, measured, preset, run), run.seed, top=top) if measured else None
    filler = Filler(preset.shape, preset.how, examples, kept, run.seed)
    fit(filler, run, callbacks)
    return filler


def _codes(coder: Vqvae2, notes: Sequence[Note], preset: Preset, run: Run) -> Codes:
    folder = run.out.parent
    return coded(coder, imaged(notes, folder, preset.how.workers), notes, folder)


def _coder(preset: Preset, run: Run) -> Vqvae2:
    path = run.out.parent / CODER
    if not path.is_file():
        train = f"caesura train vqvae --out {run.out.parent / 'vqvae'}"
        raise ValueError(f"there is no '{path}': run `{train} --data {run.data}`, then `{train} --export {path}`")
    coder = load(str(path))
    if not isinstance(coder, Vqvae2):
        raise ValueError(f"'{path}' is a {type(coder).__name__}, not a Vqvae2")
    if coder.shape.codes != preset.shape.codes:
        raise ValueError(
            f"'{path}' has {coder.shape.codes} codes, this preset {preset.shape.codes}: take the same preset for both"
        )
    return coder
