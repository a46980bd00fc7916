"""AudioLDM's own checkpoints: one file with the names of its program, and an average of the network beside it.

    model.diffusion_model.NAME   the U-Net as it was trained last
    model_ema.NAME               its average over the training, which the program samples with; NAME without its dots
    first_stage_model.NAME       autoencoder, and vocoder.NAME
    cond_stage_model.model.NAME  CLAP, of which the text tower is used

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
"""

from __future__ import annotations

__all__ = ["Original", "read_original", "unet_config"]

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from caesura.networks.checkpoints import filled, flat, part_of, read
from caesura.networks.first_stage import autoencoder_of, under, vocoder_of
from caesura.networks.key_maps import audioldm_unet_key

HEAD = 64  # channels of an attention head of the text tower
TEXT = ("text_branch.", "text_projection.")
PROJECTION = {"0": "linear1", "2": "linear2"}


@dataclass(frozen=True, eq=False)
class Original:
    """The parts of a checkpoint."""

    vae: nn.Module
    vocoder: nn.Module
    unet: nn.Module
    text: nn.Module
    scale: float
    """Of the latents."""


def read_original(path: Path) -> Original:
    """Read a .ckpt file; nothing is unpickled but tensors.

    Raises:
        ValueError: it is damaged, holds more than tensors and numbers, or another network.
    """
    weights = read(path.parent, path.stem)
    stage, where = under("first_stage_model.", weights), str(path)
    if "scale_factor" not in weights:
        raise ValueError(f"'{path}' does not say at which scale its latents are: there is no scale_factor")
    plain = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")
    return Original(
        autoencoder_of({name: t for name, t in stage.items() if name.startswith(plain)}, where),
        vocoder_of(under("vocoder.", stage), where),
        _unet(weights, where),
        _text(under("cond_stage_model.model.", weights), where),
        float(weights["scale_factor"]),
    )


def unet_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of diffusers' `UNet2DConditionModel` for a U-Net of AudioLDM, but for its heads.

    Args:
        weights: by diffusers' names; only their shapes are looked at.
    """
    levels = 1 + max(int(found[1]) for name in weights if (found := re.match(r"down_blocks\.(\d+)\.", name)))
    channels = [len(weights[f"down_blocks.{k}.resnets.0.conv1.bias"]) for k in range(levels)]
    attends = [f"down_blocks.{k}.attentions.0.norm.bias" in weights for k in range(levels)]
    return {
        "in_channels": weights["conv_in.weight"].shape[1],
        "out_channels": len(weights["conv_out.bias"]),
        "block_out_channels": channels,
        "layers_per_block": sum(bool(re.match(r"down_blocks\.0\.resnets\.\d+\.conv1\.bias", name)) for name in weights),
        "down_block_types": ["CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        "cross_attention_dim": channels,
        "class_embed_type": "simple_projection",
        "projection_class_embeddings_input_dim": weights["class_embedding.weight"].shape[1],
        "class_embeddings_concat": True,
    }


def _unet(weights: Mapping[str, Tensor], where: str) -> nn.Module:
    from caesura.networks.audioldm import with_reference_heads

    last = under("model.diffusion_model.", weights)
    average = {name: "model_ema." + f"diffusion_model.{name}".replace(".", "") for name in last}
    chosen = {name: weights.get(average[name], t) for name, t in last.items()}
    renamed = {audioldm_unet_key(name): t for name, t in chosen.items()}
    config = with_reference_heads(unet_config(renamed))
    network = part_of("diffusers", "UNet2DConditionModel").from_config(config)
    return filled(network, flat(network, renamed), f"the U-Net in '{where}'")


def _text(weights: Mapping[str, Tensor], where: str) -> nn.Module:
    renamed = {}
    for name, t in weights.items():
        if name.startswith(TEXT[0]):
            renamed["text_model." + name.removeprefix(TEXT[0])] = t
        elif name.startswith(TEXT[1]):
            number, _, kind = name.removeprefix(TEXT[1]).partition(".")
            renamed[f"text_projection.{PROJECTION.get(number, number)}.{kind}"] = t
    words, width = renamed["text_model.embeddings.word_embeddings.weight"].shape
    settings = part_of("transformers", "ClapTextConfig")(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=sum(name.endswith("attention.self.query.weight") for name in renamed),
        num_attention_heads=max(width // HEAD, 1),
        intermediate_size=len(renamed["text_model.encoder.layer.0.intermediate.dense.bias"]),
        projection_dim=len(renamed["text_projection.linear1.bias"]),
        max_position_embeddings=len(renamed["text_model.embeddings.position_embeddings.weight"]),
    )
    network = part_of("transformers", "ClapTextModelWithProjection")(settings)
    return filled(network, renamed, f"the text tower in '{where}'")
