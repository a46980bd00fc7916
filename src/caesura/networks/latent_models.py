"""The parts of a text-to-sound model as one prior over latents: autoencoder, vocoder, text encoder and U-Net.

    abar_t = prod_{s <= t} (1 - beta_s),   sqrt(beta_t) evenly spaced from sqrt(b_0) to sqrt(b_1)

The U-Net predicts the noise (AudioLDM) or the velocity (Tango) at one of 1000 levels; here it is E[x0 | x] like every
other prior. What it is told of a text is a mapping of its own arguments.

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    D. Ghosal et al., "Text-to-audio generation using instruction-tuned LLM and latent diffusion model", 2023.
"""

from __future__ import annotations

__all__ = ["Known", "LatentModel", "MelVae", "TextModel", "Told", "device", "predicted", "scaled_linear"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from caesura.codecs.vae import Latents
from caesura.diffusion import Denoiser, FromEpsilon, FromVelocity

Told = Mapping[str, Tensor]
"""Arguments of the U-Net that stand for a text, (1, ...) each."""

Known = tuple[NDArray[np.float64], NDArray[np.bool_]]
"""A signal (samples,) and its mask (samples,), True where reliable."""


class TextModel(Protocol):
    """A text-to-sound model, as the methods want it."""

    @property
    def codec(self) -> Latents:
        """From signals to latents and back."""

    @property
    def prior(self) -> Denoiser:
        """E[x0 | x] of latents (batch, channels, rows, columns)."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """(levels,), float64, falling."""

    @property
    def shortest(self) -> int:
        """Samples that a clip is a multiple of."""

    @property
    def place(self) -> torch.device:
        """Where the networks are."""

    @property
    def tell(self) -> Callable[[str], Told]:
        """What the prior is told of a text; "" stands for none."""

    def decode(self, z: Tensor, samples: int, known: Sequence[Known]) -> NDArray[np.float64]:
        """Signals (batch, samples) of latents; what is known of each may be made use of."""


def scaled_linear(first: float, last: float, levels: int = 1000) -> Tensor:
    """Cumulative products of 1 - beta, float64 (levels,), with the roots of beta evenly spaced.

    Args:
        first: beta of the lowest level.
        last: beta of the highest level.
        levels: how many.
    """
    roots = torch.linspace(first**0.5, last**0.5, levels, dtype=torch.float64)
    return torch.cumprod(1.0 - roots**2, dim=0)


def device() -> torch.device:
    """Where networks run: on a GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True, eq=False)
class MelVae:
    """Diffusers' `AutoencoderKL` as `caesura.codecs.vae` wants it."""

    network: Any
    """The `AutoencoderKL`."""

    def moments(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents of log-mel spectrograms (batch, 1, frames, bins)."""
        with torch.no_grad():
            posterior = self.network.encode(mel).latent_dist
        return posterior.mean, posterior.logvar

    def decoded(self, latents: Tensor) -> Tensor:
        """Log-mel spectrogram (batch, 1, frames, bins) of latents."""
        with torch.no_grad():
            mel: Tensor = self.network.decode(latents).sample
        return mel


@dataclass(frozen=True, eq=False)
class LatentModel:
    """A text-to-sound model, its parts on one device and ready for use."""

    vae: nn.Module
    """Diffusers' `AutoencoderKL`."""
    vocoder: nn.Module
    """Transformers' `SpeechT5HifiGan`."""
    unet: nn.Module
    """Diffusers' `UNet2DConditionModel`."""
    tell: Callable[[str], Told]
    """What the U-Net is told of a text; "" is the empty text, which stands for none."""
    scale: float
    """Of the latents."""
    alphas_cumprod: Tensor
    """(levels,), float64, falling."""
    velocity: bool
    """Whether the U-Net predicts the velocity."""
    shortest: int = 5120
    """Samples of a clip that the U-Net can halve as often as it does; a clip is a multiple of them."""

    @property
    def codec(self) -> Latents:
        """From signals to latents and back."""

        def voiced(mel: Tensor) -> Tensor:
            with torch.no_grad():
                wave: Tensor = self.vocoder(mel)
            return wave

        return Latents(MelVae(self.vae), voiced, self.scale)

    @property
    def prior(self) -> Denoiser:
        """E[x0 | x] of latents (batch, channels, rows, columns)."""
        made = FromVelocity if self.velocity else FromEpsilon
        return made(partial(predicted, self.unet), self.alphas_cumprod)

    @property
    def place(self) -> torch.device:
        """Where the parts are."""
        return next(self.unet.parameters()).device

    def decode(self, z: Tensor, samples: int, known: Sequence[Known]) -> NDArray[np.float64]:
        """Signals (batch, samples) of latents; the vocoder makes no use of what is known."""
        waves = self.codec.decode(z, z.shape[2] * self.codec.row)
        return np.asarray(waves[:, :samples].double().cpu().numpy())


def predicted(unet: Any, x: Tensor, t: Tensor, **told: Tensor) -> Tensor:
    """What diffusers' `UNet2DConditionModel` makes of a batch that is told one text."""
    batch = {name: each.expand(len(x), *each.shape[1:]) for name, each in told.items()}
    out: Tensor = unet(x, t, **{"encoder_hidden_states": None, **batch}).sample
    return out
