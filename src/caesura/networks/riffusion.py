"""Riffusion as its authors publish it for diffusers: a folder with a part in each sub-folder.

    D(x, sigma | text) = x - sigma F(x / sqrt(1 + sigma^2), t, CLIP(text))

The network is Stable Diffusion 1.5, trained further on spectrogram images. Text encoder, tokenizer, U-Net, autoencoder
and the levels of the scheduler are read, as tensors only; the safety checker and the traced network are passed over.

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    R. Rombach et al., "High-resolution image synthesis with latent diffusion models", CVPR 2022.
"""

from __future__ import annotations

__all__ = ["BETAS", "CHANNELS", "PUBLISHED", "PictureModel", "open_riffusion", "opened", "tiny"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from caesura.codecs.image import SpectrogramImage
from caesura.codecs.image_latents import ImageLatents, reach
from caesura.diffusion import Denoiser, FromEpsilon, FromVelocity
from caesura.networks.checkpoints import filled, flat, folder_of, part_of, read, read_json, untrained
from caesura.networks.hub import published
from caesura.networks.key_maps import current_vae_key
from caesura.networks.latent_models import MelVae, Told, device, predicted, scaled_linear
from caesura.networks.prompts import blocks_of, tokens_of, weighted

PUBLISHED = published("riffusion")
BETAS = (0.00085, 0.012)
CHANNELS = 4  # of the latents
SCALE = 0.18215  # of the latents, where an old configuration does not say it
PREFIX = "text_model."  # of the text encoder's tensors before version 5 of transformers


@dataclass(frozen=True, eq=False)
class PictureModel:
    """A model of pictures told by text, its parts on one device and ready for use."""

    vae: nn.Module
    """Diffusers' `AutoencoderKL`."""
    unet: nn.Module
    """Diffusers' `UNet2DConditionModel`."""
    text: nn.Module
    """Transformers' `CLIPTextModel`."""
    tokenize: Callable[[str], Sequence[int]]
    """Text -> tokens, without beginning and end."""
    ends: tuple[int, int]
    """Tokens that begin and end a text."""
    scale: float
    """Of the latents."""
    alphas_cumprod: Tensor
    """(levels,), float64, falling."""
    velocity: bool = False
    """Whether the U-Net predicts the velocity."""

    def codec(self, image: SpectrogramImage) -> ImageLatents:
        """From pictures to latents and back."""
        config: Any = self.vae.config
        return ImageLatents(
            MelVae(self.vae), self.scale, image, reach(len(config.block_out_channels), config.layers_per_block)
        )

    @property
    def seeing(self) -> bool:
        """Whether the U-Net is told a picture besides the text, as latents `image` in further channels."""
        config: Any = self.unet.config
        return int(config.in_channels) == 2 * CHANNELS

    @property
    def prior(self) -> Denoiser:
        """E[x0 | x] of latents (batch, 4, rows, columns)."""
        made = FromVelocity if self.velocity else FromEpsilon
        return made(partial(_seen if self.seeing else predicted, self.unet), self.alphas_cumprod)

    @property
    def place(self) -> torch.device:
        """Where the parts are."""
        return next(self.unet.parameters()).device

    def blocks(self, text: str) -> int:
        """Blocks of tokens that a prompt takes."""
        return len(blocks_of(*tokens_of(text, self.tokenize), *self.ends)[0])

    def tell(self, text: str, blocks: int = 1) -> Told:
        """What the U-Net is told of a prompt.

        Args:
            text: see `caesura.networks.prompts` for how words are weighed.
            blocks: how many there are at least.
        """
        ids, weights = blocks_of(*tokens_of(text, self.tokenize), *self.ends, blocks)
        place = next(self.text.parameters()).device
        with torch.no_grad():
            hidden: Tensor = self.text(input_ids=torch.tensor(ids, device=place)).last_hidden_state
        return {"encoder_hidden_states": weighted(hidden.flatten(0, 1)[None], weights)}


@lru_cache(maxsize=1)
def open_riffusion(weights: str) -> PictureModel:
    """The model of a published checkpoint.

    Args:
        weights: "tiny" (random), a folder in diffusers' layout, or one of `PUBLISHED` that was downloaded.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there are none of that name, or they do not fit.
    """
    model = tiny() if weights == "tiny" else opened(folder_of(weights, PUBLISHED))
    if model.seeing:
        raise ValueError(f"weights='{weights}' are told a picture besides the text: take the method riff_p2p for them")
    return model


def opened(folder: Path) -> PictureModel:
    """The model in a folder in diffusers' layout.

    Raises:
        MissingWeights: a part is not there.
        ValueError: a part does not fit.
    """
    vae, unet = _vae(folder / "vae"), _unet(folder / "unet")
    levels, velocity = _levels(read_json(folder / "scheduler" / "scheduler_config.json"), folder)
    tokenize, ends = _tokenizer(folder / "tokenizer")
    scale = float(vae.config.get("scaling_factor", SCALE))
    return _placed(PictureModel(vae, unet, _text(folder / "text_encoder"), tokenize, ends, scale, levels, velocity))


def tiny(channels: int = CHANNELS) -> PictureModel:
    """A small model with random weights, whose U-Net takes so many channels."""
    vae, unet, text = untrained(_tiny_vae), untrained(partial(_tiny_unet, channels)), untrained(_tiny_text)
    return _placed(PictureModel(vae, unet, text, _bytes, (257, 256), 1.0, scaled_linear(*BETAS)))


def _seen(unet: Any, x: Tensor, t: Tensor, *, image: Tensor, **told: Tensor) -> Tensor:
    """What the U-Net makes of latents beside those of a picture, (batch or 1, 4, rows or 1, columns or 1)."""
    beside = image.expand(len(x), -1, *x.shape[2:])
    return predicted(unet, torch.cat([x, beside], dim=1), t, **told)


def _vae(folder: Path) -> Any:
    network = part_of("diffusers", "AutoencoderKL").from_config(read_json(folder / "config.json"))
    weights = {current_vae_key(name): t for name, t in read(folder).items()}
    return filled(network, flat(network, weights), f"'{folder}'")


def _unet(folder: Path) -> nn.Module:
    network = part_of("diffusers", "UNet2DConditionModel").from_config(read_json(folder / "config.json"))
    return filled(network, read(folder), f"'{folder}'")


def _text(folder: Path) -> nn.Module:
    settings = part_of("transformers", "CLIPTextConfig").from_dict(read_json(folder / "config.json"))
    network = part_of("transformers", "CLIPTextModel")(settings)
    prefix = PREFIX if any(name.startswith(PREFIX) for name in network.state_dict()) else ""
    weights = {prefix + name.removeprefix(PREFIX): t for name, t in read(folder).items()}
    return filled(network, weights, f"'{folder}'")


def _tokenizer(folder: Path) -> tuple[Callable[[str], Sequence[int]], tuple[int, int]]:
    read_json(folder / "tokenizer_config.json")  # where it is missing, this says so
    tokenizer = part_of("transformers", "CLIPTokenizer").from_pretrained(folder)

    def tokenize(text: str) -> Sequence[int]:
        return list(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)

    return tokenize, (tokenizer.bos_token_id, tokenizer.eos_token_id)


def _levels(config: Mapping[str, Any], folder: Path) -> tuple[Tensor, bool]:
    """Cumulative products of a scheduler's levels, and whether the velocity is predicted."""
    schedule, target = config.get("beta_schedule", "scaled_linear"), config.get("prediction_type", "epsilon")
    if schedule != "scaled_linear" or target not in ("epsilon", "v_prediction"):
        raise ValueError(
            f"the scheduler of '{folder}' has beta_schedule={schedule} and prediction_type={target}: "
            "scaled_linear with epsilon or v_prediction is known"
        )
    first, last = (float(config.get(key, b)) for key, b in zip(("beta_start", "beta_end"), BETAS, strict=True))
    return scaled_linear(first, last, int(config.get("num_train_timesteps", 1000))), target == "v_prediction"


def _placed(model: PictureModel) -> PictureModel:
    for part in (model.vae, model.unet, model.text):
        part.to(device())
    return model


def _tiny_vae() -> Any:
    levels = 4
    return part_of("diffusers", "AutoencoderKL")(
        block_out_channels=(4, 4, 8, 8),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        mid_block_add_attention=False,
        scaling_factor=1.0,
    )


def _tiny_unet(channels: int) -> Any:
    return part_of("diffusers", "UNet2DConditionModel")(
        in_channels=channels,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=2,
    )


def _tiny_text() -> Any:
    settings = part_of("transformers", "CLIPTextConfig")(
        vocab_size=258,
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=257,
        eos_token_id=256,
        pad_token_id=256,
    )
    return part_of("transformers", "CLIPTextModel")(settings)


def _bytes(text: str) -> Sequence[int]:
    return list(text.encode())
