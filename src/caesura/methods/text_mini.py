"""A small text model of our own, which comes with the package: sounds of instruments, said in a few words.

    z = patches(L),   D(z, sigma | text) = u + w (c - u),   x_hat = voice(L_hat, known samples)

The model was trained on phrases that we rendered: eleven kinds of instruments, three registers, slow and fast, five
figures (docs/cards/text_mini.md). It works on mel spectrograms at 16 kHz in clips of up to 10 s; nothing above 8 kHz
comes back. Without a text it goes by the context alone. A latent looks at the 94 ms of its own frames, and the voice
goes on with the phases of what is known, so that little of the context is lost.

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", IEEE WASPAA 2013.
"""

from __future__ import annotations

__all__ = ["TextMini"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from caesura.inpainter import Accepts

try:
    import torch  # noqa: F401
except ImportError:
    raise ValueError("text_mini needs PyTorch: pip install 'caesura[torch]'") from None

from caesura.methods._latent import PRESETS, Draw
from caesura.methods._text_method import TextMethod
from caesura.networks.mini_model import open_mini


@dataclass(frozen=True)
class TextMini(TextMethod):
    """Small diffusion model of instrumental phrases told by text: gaps of a second or so, or sounds from nothing."""

    weights: str = ""
    """"" (those of the package), a .safetensors file that `caesura train text_mini` wrote, or "tiny" (untrained)."""
    conditioning: Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"] = "plain"
    steps: int = 40
    duration: float = 2.56
    """Seconds that the model is given at least, with silence after a shorter recording; it hears up to 10.24."""
    known: Literal["frames", "tile"] = "frames"
    """Latents that count as known: those whose frames see nothing missing, or whose 40 ms do not."""

    accepts: ClassVar[Accepts] = Accepts(
        sample_rate=16_000, channels=1, window=10.24, context=2.0, bands=True, generates=16_000, varies=True
    )
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2, "duration": 0.32}

    def draw(self) -> Draw:
        """Model, walk and settings of a fill."""
        model, walk = open_mini(self.weights), PRESETS[self.preset][self.conditioning]
        sigmas = walk.sigmas(model.alphas_cumprod, self.steps, offset=1)
        return Draw(model, walk, sigmas, self)
