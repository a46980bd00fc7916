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

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from caesura.inpainter import Accepts

try:
    import torch  # noqa: F401
except ImportError:
    raise ValueError("audioldm needs PyTorch: pip install 'caesura[diffusion]'") from None

from caesura.methods._latent import PRESETS, Draw
from caesura.methods._text_method import TextMethod
from caesura.networks.audioldm import open_audioldm, published_levels

PUBLISHED_STEPS = 200


@dataclass(frozen=True)
class Audioldm(TextMethod):
    """Diffusion model of sounds told by text: fills of a second or more, or sounds from nothing."""

    weights: str = "cvssp/audioldm-s-full-v2"
    """A repository of the authors that was downloaded, a folder in diffusers' layout, or "tiny" (untrained)."""
    preset: Literal["fast", "published"] = "fast"
    """50 to 200 evaluations of the network, or the published number: 200 for plain, 1000 to 11,000 for the others."""
    scale: float = 2.5
    """How strongly the text is followed; 1: as the model itself does."""

    accepts: ClassVar[Accepts] = Accepts(
        sample_rate=16_000, channels=1, window=10.24, context=1.0, bands=True, generates=16_000, varies=True
    )
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2, "duration": 0.32}

    def draw(self) -> Draw:
        """Model, walk and settings of a fill."""
        model, walk = open_audioldm(self.weights), PRESETS[self.preset][self.conditioning]
        sigmas = walk.sigmas(model.alphas_cumprod, self.steps, offset=1)
        if self.preset == "published" and self.conditioning == "plain":
            sigmas = published_levels(self.steps or PUBLISHED_STEPS)
        return Draw(model, walk, sigmas, self)
