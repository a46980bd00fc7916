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
    raise ValueError("text_mini needs PyTorch: pip install 'caesura[torch]'") from None

from caesura.methods._latent import PRESETS, Draw, Settings, estimates
from caesura.networks.mini_model import open_mini


@dataclass(frozen=True)
class TextMini(Settings):
    """Small diffusion model of instrumental phrases told by text: gaps of a second or so, or sounds from nothing."""

    weights: str = ""
    """"" (those of the package), a .safetensors file that `caesura train text_mini` wrote, or "tiny" (untrained)."""
    conditioning: Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"] = "plain"
    """How the context enters: mixed in at every level (plain), with time travel (repaint), in the estimate (ddnm)."""
    preset: Literal["fast", "published"] = "fast"
    """50 to 200 evaluations of the network, or the published number: 1000 to 11,000."""
    steps: int = 40
    """Noise levels of the walk; 0: those of the preset."""
    scale: float = 3.0
    """How strongly the text is followed; 1: as the model itself does."""
    negative: str = ""
    """What should not be heard."""
    duration: float = 2.56
    """Seconds that the model is given at least, with silence after a shorter recording; it hears up to 10.24."""
    known: Literal["frames", "tile"] = "frames"
    """Latents that count as known: those whose frames see nothing missing, or whose 40 ms do not."""
    oracle_latents: bool = False
    """Take the known latents from the guide, the complete recording: to compare only."""
    strength: float = 0.5
    """How far a guide is varied: 0 hardly, 1 it is forgotten."""
    candidates: int = 1
    """Fills to draw of each clip; the best is taken: by CLAP where there is a text and its weights are on this machine,
    else the one whose edges are least conspicuous."""

    accepts: ClassVar[Accepts] = Accepts(
        sample_rate=16_000, channels=1, window=10.24, context=2.0, bands=True, generates=16_000, varies=True
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
        model, walk = open_mini(self.weights), PRESETS[self.preset][self.conditioning]
        sigmas = walk.sigmas(model.alphas_cumprod, self.steps, offset=1)
        return Draw(model, walk, sigmas, self)
