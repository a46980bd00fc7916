"""How a transformer of codes is trained: code the notes once, then fill selections of their maps.

References:
    none needed.
"""

from __future__ import annotations

__all__ = ["CODER", "Preset", "export_filler", "presets", "train_filler"]

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lightning import Callback

from caesura.data.notes import Note, held_out, read_notes
from caesura.networks import codemap_transformer
from caesura.networks.vqvae2 import Vqvae2
from caesura.networks.weights import load
from caesura.training.coding import Filler, Optimisation
from caesura.training.notes import Codes, Selections, coded, imaged
from caesura.training.run import Run, check, exported, fit

CODER = "vqvae.safetensors"


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: codemap_transformer.Shape
    how: Optimisation


def presets(layer: str, batch: int) -> dict[str, Preset]:
    """The sizes of the transformer of a map.

    Args:
        layer: "top" or "bottom".
        batch: selections per step on a GPU.
    """
    how = {
        "tiny": Optimisation(batch=2, rate=3e-3, warmup=5, every=4),
        "cpu": Optimisation(batch=8, rate=1e-3, warmup=200, decay=0.998, smoothing=0.02),
        "gpu": Optimisation(batch=batch, rate=3e-4, warmup=1000, decay=0.9995, smoothing=0.02, workers=8),
    }
    return {size: Preset(codemap_transformer.PRESETS[f"{layer}-{size}"], each) for size, each in how.items()}


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


def export_filler(checkpoint: Path, out: Path, layer: str, size: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.run.exported`."""
    exported(checkpoint, out, codemap_transformer, f"{layer}-{size}", "average.network.")


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
