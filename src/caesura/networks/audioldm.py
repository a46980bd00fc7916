"""AudioLDM as its authors publish it for diffusers: a folder with a part in each sub-folder.

    D(x, sigma | text) = x - sigma F(x / sqrt(1 + sigma^2), t, c),   c = CLAP(text) / ||CLAP(text)||

The U-Net attends only to itself; the text enters as one vector beside the embedding of the level.

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    Y. Wu et al., "Large-scale contrastive language-audio pretraining with feature fusion and keyword-to-caption
        augmentation" (CLAP), ICASSP 2023.
"""

from __future__ import annotations

__all__ = ["BETAS", "PUBLISHED", "open_audioldm", "published_levels", "with_reference_heads"]

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from caesura.diffusion.schedules import sigmas_of
from caesura.networks import hub
from caesura.networks.audioldm_original import read_original
from caesura.networks.checkpoints import filled, flat, folder_of, part_of, read, read_json, untrained
from caesura.networks.hub import published
from caesura.networks.key_maps import current_vae_key
from caesura.networks.latent_models import LatentModel, Told, device, scaled_linear

PUBLISHED = published("audioldm")
BETAS = (0.0015, 0.0195)
WIDE = 256  # channels of the first level from which on a head has 64 of them; below, 32
LONGEST_TEXT = 512  # tokens


@lru_cache(maxsize=1)
def open_audioldm(weights: str) -> LatentModel:
    """The model of a published checkpoint.

    Args:
        weights: "tiny" (random), a folder in diffusers' layout, one of `PUBLISHED` that was downloaded, or a .ckpt file
            of AudioLDM's own program.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    if weights == "tiny":
        vae, vocoder, unet, text = (untrained(build) for build in (tiny_vae, tiny_vocoder, _tiny_unet, _tiny_text))
        return _assembled(vae, vocoder, unet, text, _bytes, 1.0)
    if weights.endswith(".ckpt"):
        return _original(Path(weights))
    folder = folder_of(weights, PUBLISHED)
    vae_config = read_json(folder / "vae" / "config.json")
    vae_weights = {current_vae_key(name): t for name, t in read(folder / "vae").items()}
    vae = part_of("diffusers", "AutoencoderKL").from_config(vae_config)
    unet_config = with_reference_heads(read_json(folder / "unet" / "config.json"))
    unet = part_of("diffusers", "UNet2DConditionModel").from_config(unet_config)
    return _assembled(
        filled(vae, flat(vae, vae_weights), f"'{folder / 'vae'}'"),
        _configured(folder / "vocoder", "SpeechT5HifiGan", "SpeechT5HifiGanConfig"),
        filled(unet, read(folder / "unet"), f"'{folder / 'unet'}'"),
        _configured(folder / "text_encoder", "ClapTextModelWithProjection", "ClapTextConfig"),
        _words(folder),
        float(vae_config["scaling_factor"]),
    )


def _original(path: Path) -> LatentModel:
    """A checkpoint of AudioLDM's own program; the tokenizer is beside it, or that of a downloaded repository."""
    if not path.is_file():
        raise ValueError(f"there is no file '{path}'")
    if (path.parent / "tokenizer").is_dir():
        folder = path.parent
    else:
        folder = next((hub.folder(p.hub) for p in PUBLISHED if hub.fetched(p.hub)), path.parent)
    parts, words = read_original(path), _words(folder)
    return _assembled(parts.vae, parts.vocoder, parts.unet, parts.text, words, parts.scale)


def _words(folder: Path) -> Callable[[str], Tensor]:
    """RoBERTa's tokenizer in a sub-folder `tokenizer`."""
    read_json(folder / "tokenizer" / "tokenizer_config.json")  # where it is missing, this says so
    tokenizer = part_of("transformers", "RobertaTokenizerFast").from_pretrained(folder / "tokenizer")

    def tokens(text: str) -> Tensor:
        ids: Tensor = tokenizer(text, truncation=True, max_length=LONGEST_TEXT, return_tensors="pt").input_ids
        return ids

    return tokens


def published_levels(steps: int) -> Tensor:
    """Levels of AudioLDM's own program: every (1000 // steps)-th, however many that makes, and a little noise is left.

    Args:
        steps: how many are asked for; where 1000 is no multiple of them there are more.

    Returns:
        (levels + 1,) float64, falling to the lowest level of the schedule.
    """
    sigmas = sigmas_of(scaled_linear(*BETAS))
    indices = [*range(1, len(sigmas), len(sigmas) // steps)]
    return sigmas[[*indices[::-1], 0]]


def with_reference_heads(config: Mapping[str, Any]) -> dict[str, Any]:
    """A U-Net's configuration with the heads it was trained with.

    Diffusers takes `attention_head_dim` for the number of heads and has 8 by default; the weights load with that, but
    compute another function. AudioLDM has one head for every 32 channels, in the largest network for every 64.
    """
    if isinstance(config.get("attention_head_dim", 8), list):
        return dict(config)
    channels = config["block_out_channels"]
    size = 64 if channels[0] >= WIDE else 32
    return {**config, "attention_head_dim": [max(c // size, 1) for c in channels]}


def _configured(folder: Path, model: str, config: str) -> nn.Module:
    """A part that transformers saved."""
    settings = part_of("transformers", config).from_dict(read_json(folder / "config.json"))
    return filled(part_of("transformers", model)(settings), read(folder), f"'{folder}'")


def _assembled(
    vae: nn.Module, vocoder: nn.Module, unet: nn.Module, text: Any, tokens: Callable[[str], Tensor], scale: float
) -> LatentModel:
    place = device()

    def tell(words: str) -> Told:
        with torch.no_grad():
            embedding: Tensor = text(input_ids=tokens(words).to(place)).text_embeds
        return {"class_labels": torch.nn.functional.normalize(embedding, dim=-1)}

    for part in (vae, vocoder, unet, text):
        part.to(place)
    return LatentModel(vae, vocoder, unet, tell, scale, scaled_linear(*BETAS), velocity=False)


def tiny_vae() -> Any:
    """An autoencoder with the structure of the published one and almost no width."""
    levels = 3
    return part_of("diffusers", "AutoencoderKL")(
        in_channels=1,
        out_channels=1,
        block_out_channels=(8,) * levels,
        layers_per_block=1,
        latent_channels=8,
        norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        scaling_factor=1.0,
    )


def tiny_vocoder() -> Any:
    """A vocoder with the structure of the published one and almost no width."""
    settings = part_of("transformers", "SpeechT5HifiGanConfig")(
        model_in_dim=64,
        sampling_rate=16_000,
        upsample_initial_channel=32,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        normalize_before=False,
    )
    network = part_of("transformers", "SpeechT5HifiGan")(settings)
    for weights in network.parameters():
        if weights.ndim > 1:  # as they come, nothing would be heard of the input
            nn.init.kaiming_normal_(weights)
    return network


def _tiny_unet() -> Any:
    return part_of("diffusers", "UNet2DConditionModel")(
        in_channels=8,
        out_channels=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=(8, 16),
        attention_head_dim=(1, 2),
        class_embed_type="simple_projection",
        projection_class_embeddings_input_dim=16,
        class_embeddings_concat=True,
    )


def _tiny_text() -> Any:
    settings = part_of("transformers", "ClapTextConfig")(
        vocab_size=260,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        projection_dim=16,
    )
    return part_of("transformers", "ClapTextModelWithProjection")(settings)


def _bytes(text: str) -> Tensor:
    """Tokens of a text (1, tokens): its bytes between a beginning and an end."""
    return torch.tensor([[0, *(3 + b for b in text.encode()[: LONGEST_TEXT - 4]), 2]])
