"""Autoencoder and vocoder as AudioLDM's program and Tango's store them, with every width read off the tensors.

    mel -> encoder -> quant_conv -> (mu, log s^2),   z -> post_quant_conv -> decoder -> mel -> vocoder -> signal

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
"""

from __future__ import annotations

__all__ = ["autoencoder_of", "under", "vocoder_of"]

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from caesura.networks.checkpoints import filled, flat, part_of
from caesura.networks.key_maps import vae_key, vocoder_key


def under(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin so, without that beginning.

    Raises:
        ValueError: there are none.
    """
    found = {name.removeprefix(prefix): t for name, t in weights.items() if name.startswith(prefix)}
    if not found:
        raise ValueError(f"the checkpoint has no tensor whose name begins with '{prefix}'")
    return found


def autoencoder_of(weights: Mapping[str, Tensor], where: str) -> nn.Module:
    """Diffusers' `AutoencoderKL` with published tensors, by their own names."""
    levels = 1 + max(int(found[1]) for name in weights if (found := re.match(r"encoder\.down\.(\d+)\.", name)))
    blocks = {found[1] for name in weights if (found := re.match(r"encoder\.down\.0\.block\.(\d+)\.", name))}
    network = part_of("diffusers", "AutoencoderKL")(
        in_channels=weights["encoder.conv_in.weight"].shape[1],
        out_channels=len(weights["decoder.conv_out.bias"]),
        block_out_channels=tuple(len(weights[f"encoder.down.{k}.block.0.conv1.bias"]) for k in range(levels)),
        layers_per_block=len(blocks),
        latent_channels=len(weights["post_quant_conv.bias"]),
        norm_num_groups=32,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
    )
    renamed = {vae_key(name, levels): t for name, t in weights.items()}
    return filled(network, flat(network, renamed), f"the autoencoder in '{where}'")


def vocoder_of(weights: Mapping[str, Tensor], where: str) -> nn.Module:
    """Transformers' `SpeechT5HifiGan` with published tensors, by their own names."""
    channels, bins, _ = weights["conv_pre.weight"].shape
    settings = part_of("transformers", "SpeechT5HifiGanConfig")(
        model_in_dim=bins,
        sampling_rate=16_000,
        upsample_initial_channel=channels,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        resblock_kernel_sizes=[3, 7, 11],
        resblock_dilation_sizes=[[1, 3, 5]] * 3,
        normalize_before=False,
    )
    renamed = {vocoder_key(name): t for name, t in weights.items()}
    given = {**renamed, "mean": torch.zeros(bins), "scale": torch.ones(bins)}
    return filled(part_of("transformers", "SpeechT5HifiGan")(settings), given, f"the vocoder in '{where}'")
