"""Tango as its authors publish it: two files of tensors, with the configuration in their program and nowhere else.

    D(x, sigma | text) = x / (1 + sigma^2) - sigma / sqrt(1 + sigma^2) F(x / sqrt(1 + sigma^2), t, T5(text))

The main file holds the U-Net and the encoder of FLAN-T5, the other the autoencoder and the vocoder of AudioLDM. Widths
are read off the tensors, everything else is built in, so the small and the large members of the family are read alike.
FLAN-T5's tokenizer is not in the folder: it is looked for in its sub-folder `tokenizer`, then in the hub's cache.

References:
    D. Ghosal, N. Majumder, A. Mehrish, S. Poria, "Text-to-audio generation using instruction-tuned LLM and latent
        diffusion model" (Tango), ACM Multimedia 2023.
    H. W. Chung et al., "Scaling instruction-finetuned language models" (FLAN-T5), 2022.
"""

from __future__ import annotations

__all__ = ["BETAS", "PUBLISHED", "open_tango", "text_config", "unet_config"]

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from caesura.networks.audioldm import tiny_vae, tiny_vocoder
from caesura.networks.checkpoints import filled, folder_of, part_of, read, read_json, untrained
from caesura.networks.first_stage import autoencoder_of, under, vocoder_of
from caesura.networks.hub import published
from caesura.networks.latent_models import LatentModel, Told, device, scaled_linear
from caesura.networks.weights import MissingWeights

PUBLISHED = published("tango")
TOKENIZER = "google/flan-t5-large"
BETAS = (0.00085, 0.012)
HEAD = 64  # channels of an attention head, in the U-Net and in FLAN-T5
LONGEST_TEXT = 512  # tokens

Tokens = Callable[[str], tuple[Tensor, Tensor]]
"""Text -> its tokens and which of them count, (1, tokens) each."""


@lru_cache(maxsize=1)
def open_tango(weights: str) -> LatentModel:
    """The model of a published checkpoint.

    Args:
        weights: "tiny" (random), a folder with the published files, or one of `PUBLISHED` that was downloaded.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    if weights == "tiny":
        vae, vocoder, unet, text = (untrained(build) for build in (tiny_vae, tiny_vocoder, _tiny_unet, _tiny_text))
        return _assembled(vae, vocoder, unet, text, _bytes, 1.0)
    folder = folder_of(weights, PUBLISHED)
    settings = read_json(folder / "vae_config.json")
    stage = read(folder, "pytorch_model_vae")
    main = read(folder, "pytorch_model_main")
    return _assembled(
        autoencoder_of({k: t for k, t in stage.items() if not k.startswith("vocoder.")}, str(folder)),
        vocoder_of(under("vocoder.", stage), str(folder)),
        _unet(under("unet.", main), folder),
        _text(under("text_encoder.", main), folder),
        _tokens(folder),
        float(settings["scale_factor"]),
    )


def _unet(weights: Mapping[str, Tensor], folder: Path) -> nn.Module:
    network = part_of("diffusers", "UNet2DConditionModel")(**unet_config(weights))
    return filled(network, weights, f"the U-Net in '{folder}'")


def unet_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of diffusers' `UNet2DConditionModel` for the U-Net of a checkpoint.

    Args:
        weights: by the U-Net's own names; only their shapes are looked at.
    """
    levels = 1 + max(int(found[1]) for name in weights if (found := re.match(r"down_blocks\.(\d+)\.", name)))
    channels = [len(weights[f"down_blocks.{k}.resnets.0.conv1.bias"]) for k in range(levels)]
    return {
        "in_channels": weights["conv_in.weight"].shape[1],
        "out_channels": len(weights["conv_out.bias"]),
        "block_out_channels": channels,
        "layers_per_block": sum(bool(re.match(r"down_blocks\.0\.resnets\.\d+\.conv1\.bias", k)) for k in weights),
        "down_block_types": ["CrossAttnDownBlock2D"] * (levels - 1) + ["DownBlock2D"],
        "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * (levels - 1),
        "cross_attention_dim": weights["down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"].shape[1],
        "attention_head_dim": [max(c // HEAD, 1) for c in channels],
        "use_linear_projection": True,
        "upcast_attention": True,
    }


def text_config(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Arguments of transformers' `T5Config` for the text encoder of a checkpoint.

    Args:
        weights: by the encoder's own names; only their shapes are looked at.
    """
    words, width = weights["shared.weight"].shape
    first = "encoder.block.0.layer."
    heads = weights[f"{first}0.SelfAttention.relative_attention_bias.weight"].shape[1]
    return {
        "vocab_size": words,
        "d_model": width,
        "d_kv": len(weights[f"{first}0.SelfAttention.q.weight"]) // heads,
        "d_ff": len(weights[f"{first}1.DenseReluDense.wi_0.weight"]),
        "num_layers": sum(name.endswith("SelfAttention.q.weight") for name in weights),
        "num_heads": heads,
        "feed_forward_proj": "gated-gelu",
    }


def _text(weights: Mapping[str, Tensor], folder: Path) -> nn.Module:
    settings = part_of("transformers", "T5Config")(**text_config(weights))
    network = part_of("transformers", "T5EncoderModel")(settings)
    # One table under two names; versions differ in which of them they save.
    tied = "encoder.embed_tokens.weight"
    given = {name: t for name, t in weights.items() if name != tied}
    if tied in network.state_dict():
        given[tied] = weights["shared.weight"]
    return filled(network, given, f"the text encoder in '{folder}'")


def _tokens(folder: Path) -> Tokens:
    own = folder / "tokenizer"
    source = str(own) if own.is_dir() else TOKENIZER
    try:
        tokenizer = part_of("transformers", "AutoTokenizer").from_pretrained(source, local_files_only=True)
    except OSError:
        raise MissingWeights(
            f"Tango reads its text with the tokenizer of {TOKENIZER} (Apache-2.0), which is not on this machine: "
            f"run `hf download {TOKENIZER} spiece.model tokenizer.json tokenizer_config.json` once, "
            f"or put these into '{own}'"
        ) from None

    def tokens(text: str) -> tuple[Tensor, Tensor]:
        made = tokenizer(text, truncation=True, max_length=LONGEST_TEXT, return_tensors="pt")
        return made.input_ids, made.attention_mask

    return tokens


def _assembled(vae: Any, vocoder: Any, unet: Any, text: Any, tokens: Tokens, scale: float) -> LatentModel:
    place = device()

    def tell(words: str) -> Told:
        ids, attended = (each.to(place) for each in tokens(words))
        with torch.no_grad():
            hidden: Tensor = text(input_ids=ids, attention_mask=attended)[0]
        return {"encoder_hidden_states": hidden, "encoder_attention_mask": attended.bool()}

    for part in (vae, vocoder, unet, text):
        part.to(place)
    return LatentModel(vae, vocoder, unet, tell, scale, scaled_linear(*BETAS), velocity=True)


def _tiny_unet() -> Any:
    return part_of("diffusers", "UNet2DConditionModel")(
        in_channels=8,
        out_channels=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=(1, 2),
        use_linear_projection=True,
        upcast_attention=True,
    )


def _tiny_text() -> Any:
    settings = part_of("transformers", "T5Config")(
        vocab_size=260, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"
    )
    return part_of("transformers", "T5EncoderModel")(settings)


def _bytes(text: str) -> tuple[Tensor, Tensor]:
    """The bytes of a text and an end."""
    ids = torch.tensor([[*(3 + b for b in text.encode()[: LONGEST_TEXT - 1]), 1]])
    return ids, torch.ones_like(ids)
