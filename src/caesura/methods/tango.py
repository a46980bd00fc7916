"""Tango: a diffusion model of sounds that reads its text with a language model, conditioned on what surrounds the gap.

    z = E x,   D(z, sigma | text) = u + w (c - u),   u, c = z / s^2 - sigma / s F(z / s, t, none or text)

with s = sqrt(1 + sigma^2). The model works on latents of a log-mel spectrogram at 16 kHz, clips of 10.24 s; nothing
above 8 kHz comes back. Latents near the gap are not taken for known, and the encoder never sees what was in the gap.
A guide is varied: `strength` says how far. The weights are under a non-commercial licence.

References:
    D. Ghosal, N. Majumder, A. Mehrish, S. Poria, "Text-to-audio generation using instruction-tuned LLM and latent
        diffusion model" (Tango), ACM Multimedia 2023.
    A. Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022.
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
"""

from __future__ import annotations

__all__ = ["Tango"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Accepts, Listener, Progress, ignore, silent
from caesura.problem import Problem

try:
    import torch  # noqa: F401
except ImportError:
    raise ValueError("tango needs PyTorch: pip install 'caesura[diffusion]'") from None

from caesura.methods._latent import PRESETS, Draw, Settings, estimates
from caesura.networks.tango import open_tango


@dataclass(frozen=True)
class Tango(Settings):
    """Diffusion model of sounds told by text: fills of a second or more, or sounds from nothing."""

    weights: str = "declare-lab/tango-full-ft-audiocaps"
    """A repository of the authors that was downloaded, a folder with the same files, or "tiny" (untrained)."""
    conditioning: Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"] = "ddnm"
    """How the context enters: mixed in at every level (plain), with time travel (repaint), in the estimate (ddnm)."""
    preset: Literal["fast", "published"] = "fast"
    """50 to 200 evaluations of the network, or the published number: 1000 to 11,000."""
    steps: int = 0
    """Noise levels of the walk; 0: those of the preset."""
    scale: float = 3.0
    """How strongly the text is followed; 1: as the model itself does."""
    negative: str = ""
    """What should not be heard."""
    duration: float = 10.24
    """Seconds that the model is given at least, with silence after a shorter recording; it was trained on 10.24."""
    known: Literal["encoder", "frames", "tile"] = "encoder"
    """Latents that count as known: those that see nothing missing, whose frames do not, or whose 40 ms do not."""
    oracle_latents: bool = False
    """Take the known latents from the guide, the complete recording, as the published program does: to compare only."""
    strength: float = 0.5
    """How far a guide is varied: 0 hardly, 1 it is forgotten."""
    candidates: int = 1
    """Fills to draw of each clip; the best is taken: by CLAP where there is a text and its weights are on this machine,
    else the one whose edges are least conspicuous."""

    accepts: ClassVar[Accepts] = Accepts(
        sample_rate=16_000, channels=1, window=10.24, context=1.0, bands=True, generates=16_000, varies=True
    )
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2, "duration": 0.32}

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        return self.many([problem], rngs=[rng], progress=progress, notes=[note])[0]

    def many(
        self,
        problems: Sequence[Problem],
        *,
        rngs: Sequence[np.random.Generator],
        progress: Progress = silent,
        notes: Sequence[Listener] | None = None,
    ) -> list[NDArray[np.float64]]:
        """See `caesura.inpainter.Inpainter`; the problems are drawn together."""
        return estimates(self.draw(), problems, rngs, progress, notes or [ignore] * len(problems))

    def draw(self) -> Draw:
        """Model, walk and settings of a fill."""
        model, walk = open_tango(self.weights), PRESETS[self.preset][self.conditioning]
        sigmas = walk.sigmas(model.alphas_cumprod, self.steps)
        return Draw(model, walk, sigmas, self)
