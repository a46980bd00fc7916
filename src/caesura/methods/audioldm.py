"""AudioLDM: a diffusion model of sounds that can be told what to play, conditioned on what surrounds the gap.

    z = E x,   D(z, sigma | text) = u + w (c - u),   u, c = z - sigma F(z / sqrt(1 + sigma^2), t, none or text)

The model works on latents of a log-mel spectrogram at 16 kHz, clips of 10.24 s; nothing above 8 kHz comes back. Latents
near the gap are not taken for known, and the encoder never sees what was in the gap; the published program showed it.
A guide is varied: `strength` says how far. The weights are under a non-commercial licence.

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    A. Lugmayr et al., "RePaint: inpainting using denoising diffusion probabilistic models", CVPR 2022.
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
"""

from __future__ import annotations

__all__ = ["Audioldm"]

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
    raise ValueError("audioldm needs PyTorch: pip install 'caesura[diffusion]'") from None

from caesura.methods._latent import PRESETS, Draw, Settings, estimates
from caesura.networks.audioldm import open_audioldm, published_levels

PUBLISHED_STEPS = 200


@dataclass(frozen=True)
class Audioldm(Settings):
    """Diffusion model of sounds told by text: fills of a second or more, or sounds from nothing."""

    weights: str = "cvssp/audioldm-s-full-v2"
    """A repository of the authors that was downloaded, a folder in diffusers' layout, or "tiny" (untrained)."""
    conditioning: Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"] = "ddnm"
    """How the context enters: mixed in at every level (plain), with time travel (repaint), in the estimate (ddnm)."""
    preset: Literal["fast", "published"] = "fast"
    """50 to 200 evaluations of the network, or the published number: 200 for plain, 1000 to 11,000 for the others."""
    steps: int = 0
    """Noise levels of the walk; 0: those of the preset."""
    scale: float = 2.5
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
        model, walk = open_audioldm(self.weights), PRESETS[self.preset][self.conditioning]
        sigmas = walk.sigmas(model.alphas_cumprod, self.steps, offset=1)
        if self.preset == "published" and self.conditioning == "plain":
            sigmas = published_levels(self.steps or PUBLISHED_STEPS)
        return Draw(model, walk, sigmas, self)
