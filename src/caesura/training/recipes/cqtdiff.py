"""Recipe of `cqtdiff`: the lean CQT network, told the context, trained to denoise gaps of music.

    caesura prepare music corpus --scores midi --hours 40 --rate 44100 --mix recordings
    caesura train cqtdiff --preset gpu --data corpus --out run --precision bf16-mixed --steps 100000
    caesura train cqtdiff --preset gpu --data corpus --out run --precision bf16-mixed --steps 100000 --resume
    caesura train cqtdiff --preset gpu --out run --export lean.safetensors

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024.
"""

from __future__ import annotations

__all__ = ["LAST", "PRESETS", "Preset", "Run", "export", "train"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightning import Callback

from caesura.data.music import Corpus, recordings
from caesura.networks import cqt_lean
from caesura.training.examples import Gapped, Gaps
from caesura.training.listening import Listening
from caesura.training.restorer import Optimisation, Restorer
from caesura.training.run import LAST, Run, check, exported, fit


@dataclass(frozen=True)
class Preset:
    """One size of the model with what suits it."""

    shape: cqt_lean.Shape
    how: Optimisation
    gaps: Gaps = field(default_factory=Gaps)
    workers: int = 1
    """Processes that prepare examples."""
    listen: int = 1000
    """Steps from one sample in TensorBoard to the next."""


PRESETS = {
    "tiny": Preset(
        cqt_lean.PRESETS["tiny"],
        Optimisation(batch=2, rate=3e-3, warmup=5, decay=0.9),
        Gaps(longest=0.1, apart=0.05),
        workers=0,
    ),
    "cpu": Preset(
        cqt_lean.PRESETS["cpu"],
        Optimisation(batch=2, rate=1e-3, warmup=100, decay=0.998),
        Gaps(shortest=0.04, apart=0.06, most=4, blind=0.05),
    ),
    "gpu": Preset(
        cqt_lean.PRESETS["gpu"],
        Optimisation(batch=8, rate=4e-4, warmup=1000, decay=0.9995),
        Gaps(longest=0.6, most=6),
        workers=12,
    ),
}


def train(preset: Preset, run: Run, callbacks: Sequence[Callback] = ()) -> Restorer:
    """Train on the music in `run.data`.

    Raises:
        ValueError: there is no music, nothing to resume from, or a run that would be overwritten.
    """
    check(run)
    corpus = Corpus(recordings(run.data, run.layout), preset.shape.sample_rate)
    examples = Gapped(corpus, preset.shape.samples, preset.gaps, run.seed)
    restorer = Restorer(preset.shape, preset.how, examples, seed=run.seed, workers=preset.workers)
    fit(restorer, run, [Listening(preset.listen), *callbacks])
    return restorer


def export(checkpoint: Path, out: Path, preset: str) -> None:
    """Write the average of a checkpoint's weights; see `caesura.training.run.exported`."""
    exported(checkpoint, out, cqt_lean, preset, "average.network.")
