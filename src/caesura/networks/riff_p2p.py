"""Riff-P2P: Riffusion whose U-Net is shown a picture of what it is to change, in four more channels.

    F(z_t, t, text, image) = F'([z_t, mu(v)], t, CLIP(text)),   W' = [W, 0] at first

mu is the mean of the autoencoder's posterior, without the scale that the latents have elsewhere. Before it is trained
the network does what Riffusion does: the first convolution keeps its weights and its bias, and has none for the image.

References:
    Z. Shah and co-authors, Riff-P2P (zachary-shah/riff-pix2pix), 2023.
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
"""

from __future__ import annotations

__all__ = ["PUBLISHED", "open_riff_p2p", "seeing", "wider"]

import copy
from functools import lru_cache
from typing import Any

from torch import nn
from torch.nn import functional

from caesura.networks.checkpoints import folder_of
from caesura.networks.hub import published
from caesura.networks.riffusion import CHANNELS, PictureModel, opened, tiny

PUBLISHED = published("riff_p2p")


@lru_cache(maxsize=1)
def open_riff_p2p(weights: str) -> PictureModel:
    """The model of a checkpoint whose U-Net takes eight channels.

    Args:
        weights: "tiny" (random), a folder in diffusers' layout, or one of `PUBLISHED` that was downloaded.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    model = tiny(2 * CHANNELS) if weights == "tiny" else opened(folder_of(weights, PUBLISHED))
    if not model.seeing:
        raise ValueError(
            f"weights='{weights}' take no picture besides the text: `caesura train riff_p2p --base {weights}` makes "
            "weights that do, and the method riffusion takes these"
        )
    return model


def seeing(unet: Any) -> Any:
    """A copy of a U-Net of four channels that takes eight, and as yet makes nothing of the last four."""
    made = copy.deepcopy(unet)
    made.conv_in = wider(made.conv_in, 2 * CHANNELS)
    made.register_to_config(in_channels=2 * CHANNELS)
    return made


def wider(convolution: nn.Conv2d, channels: int) -> nn.Conv2d:
    """A convolution with more channels going in, which make no difference yet; the bias is kept."""
    made, more = copy.deepcopy(convolution), channels - convolution.in_channels
    made.weight = nn.Parameter(functional.pad(convolution.weight.detach(), (0, 0, 0, 0, 0, more)))
    made.in_channels = channels
    return made
