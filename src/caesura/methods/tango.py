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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from caesura.inpainter import Accepts

try:
    import torch  # noqa: F401
except ImportError:
    raise ValueError("tango needs PyTorch: pip install 'caesura[diffusion]'") from None

from caesura.methods._latent import PRESETS, Draw
from caesura.methods._text_method import TextMethod
from caesura.networks.tango import open_tango


@dataclass(frozen=True)
class Tango(TextMethod):
    """Diffusion model of sounds told by text: fills of a second or more, or sounds from nothing."""

    weights: str = "declare-lab/tango-full-ft-audiocaps"
    """A repository of the authors that was downloaded, a folder with the same files, or "tiny" (untrained)."""

    accepts: ClassVar[Accepts] = Accepts(
        sample_rate=16_000, channels=1, window=10.24, context=1.0, bands=True, generates=16_000, varies=True
    )
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2, "duration": 0.32}

    def draw(self) -> Draw:
        """Model, walk and settings of a fill."""
        model, walk = open_tango(self.weights), PRESETS[self.preset][self.conditioning]
        sigmas = walk.sigmas(model.alphas_cumprod, self.steps)
        return Draw(model, walk, sigmas, self)
