"""The small text models of our own with their codec and voice, as the text-to-sound methods want them.

    z = patches(L),   D(z, sigma | text) from v,   sound = voice(L, what is known)

References:
    none needed; see the parts.
"""

from __future__ import annotations

__all__ = ["BUNDLED", "KINDS", "MiniModel", "open_mini"]

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs.patches import Patches
from caesura.codecs.vae import Latents
from caesura.codecs.voicing import Voice
from caesura.diffusion import Denoiser, FromVelocity
from caesura.networks.latent_models import Known, Told, device, scaled_linear
from caesura.networks.mini_cnet import MiniCnet
from caesura.networks.mini_p2p import MiniP2p
from caesura.networks.text_mini import BETAS, LEVELS, PRESETS, TextMini, pieces
from caesura.networks.weights import load

BUNDLED = "text_mini"  # the card of the weights that came with the package
KINDS: dict[str, type[TextMini]] = {"text_mini": TextMini, "mini_p2p": MiniP2p, "mini_cnet": MiniCnet}
LOUDEST = 1.0  # peak of what is made, at the level of the model; what is louder is turned down
TOKEN = 2  # rows of latents that the network takes together


@dataclass(frozen=True, eq=False)
class MiniModel:
    """See `caesura.networks.latent_models.TextModel`."""

    network: TextMini
    voice: Voice = field(default_factory=Voice)

    @property
    def codec(self) -> Latents:
        """From signals to latents and back; it looks at nothing but the patches themselves."""

        def voiced(mel: Tensor) -> Tensor:
            waves = [self.voice(each, len(each) * self.voice.mel.hop_length) for each in mel.double().cpu().numpy()]
            return torch.from_numpy(np.stack(waves)).to(mel)

        return Latents(Patches(self.network.mean, self.network.spread), voiced, scale=1.0)

    @property
    def prior(self) -> Denoiser:
        """E[x0 | x] of latents (batch, channels, rows, columns)."""
        return FromVelocity(self._predict, self.alphas_cumprod)

    @property
    def alphas_cumprod(self) -> Tensor:
        """(levels,), float64, falling."""
        return scaled_linear(*BETAS, LEVELS)

    @property
    def shortest(self) -> int:
        """Samples that a clip is a multiple of."""
        return TOKEN * self.codec.row

    @property
    def place(self) -> torch.device:
        """Where the network is."""
        return self.network.mean.device

    def tell(self, text: str) -> Told:
        """What the network is told of a text; "" stands for none."""
        words, there = self.network.read(pieces(text).to(self.place))
        return {"words": words, "there": there}

    def decode(self, z: Tensor, samples: int, known: Sequence[Known]) -> NDArray[np.float64]:
        """Signals (batch, samples) of latents, that are what is known and go on from there."""
        mel = self.codec.vae.decoded(z)[:, 0].double().cpu().numpy()
        whole = mel.shape[1] * self.voice.mel.hop_length
        waves = []
        for each, (y, mask) in zip(mel, known, strict=True):
            # past the end of the recording there is silence
            padded = np.pad(y, (0, whole - y.size)), np.pad(mask, (0, whole - y.size), constant_values=True)
            wave = self.voice(each, whole, padded)
            made = np.where(padded[1], 0.0, wave)
            # the recordings it learnt from have a peak of 0.5
            waves.append(np.where(padded[1], wave, made / max(float(np.abs(made).max()) / LOUDEST, 1.0))[:samples])
        return np.stack(waves)

    def _predict(self, x: Tensor, t: Tensor, words: Tensor, there: Tensor, **beside: Tensor) -> Tensor:
        out: Tensor = self.network(x, t, words.expand(len(x), -1, -1), there.expand(len(x), -1), **beside)
        return out


@lru_cache(maxsize=2)
def open_mini(weights: str, kind: str = BUNDLED) -> MiniModel:
    """The model with some weights.

    Args:
        weights: "" (those of the package), "tiny" (random), or a file that `caesura train` wrote for this kind.
        kind: one of `KINDS`.

    Raises:
        ValueError: there are none of that name, or they are of another network.
    """
    if weights == "tiny":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = KINDS[kind](PRESETS["tiny"])
            for zero in network.zeros():  # as they come, nothing would be heard of the input
                torch.nn.init.normal_(zero, std=0.02)
        return MiniModel(network.eval().requires_grad_(False), Voice(fits=2, iterations=2))
    found = load(weights or kind)
    if not isinstance(found, TextMini) or type(found) is not KINDS[kind]:
        raise ValueError(f"'{weights}' holds another network than {kind}")
    return MiniModel(found.to(device()))
