"""Names of the published tensors in the words of the libraries that hold the networks now.

    encoder.down.i.block.j  ->  encoder.down_blocks.i.resnets.j
    decoder.up.i.block.j    ->  decoder.up_blocks.(levels - 1 - i).resnets.j
    input_blocks.n          ->  down_blocks.((n - 1) // (layers + 1))
    output_blocks.n         ->  up_blocks.(n // (layers + 1))

Every rule is a function of one name, so a checkpoint of any size is mapped; that nothing is missing and nothing is left
over is found when the network takes the weights.

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    D. Ghosal et al., "Text-to-audio generation using instruction-tuned LLM and latent diffusion model", 2023.
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
"""

from __future__ import annotations

__all__ = ["audioldm_unet_key", "controlnet_key", "current_vae_key", "vae_key", "vocoder_key"]

import re

ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}
# Names that the attention of an autoencoder had in diffusers before version 0.17, when AudioLDM was converted.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "film_emb": "class_embedding",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
HINT_ENDS = {0: "conv_in", 14: "conv_out"}  # of the convolutions that see a control picture


def vae_key(reference: str, levels: int = 3) -> str:
    """Name in diffusers' `AutoencoderKL` of a tensor of the published autoencoder.

    Args:
        reference: such as "decoder.up.0.block.1.norm1.weight".
        levels: resolutions of the autoencoder; its decoder is counted from the other end.
    """

    def up(found: re.Match[str]) -> str:
        return f"up_blocks.{levels - 1 - int(found[1])}."

    name = re.sub(r"\bdown\.(\d+)\.", r"down_blocks.\1.", reference)
    name = re.sub(r"\bup\.(\d+)\.", up, name)
    name = re.sub(r"\bblock\.(\d+)\.", r"resnets.\1.", name)
    name = re.sub(r"\b(down|up)sample\.conv\.", r"\1samplers.0.conv.", name)
    name = re.sub(r"\bmid\.block_(\d)\.", lambda found: f"mid_block.resnets.{int(found[1]) - 1}.", name)
    name = re.sub(
        r"\bmid\.attn_1\.(\w+)\.", lambda found: f"mid_block.attentions.0.{ATTENTION.get(found[1], found[1])}.", name
    )
    return name.replace(".norm_out.", ".conv_norm_out.").replace(".nin_shortcut.", ".conv_shortcut.")


def vocoder_key(reference: str) -> str:
    """Name in transformers' `SpeechT5HifiGan` of a tensor of the published vocoder."""
    return re.sub(r"^ups\.", "upsampler.", reference)


def current_vae_key(name: str) -> str:
    """Name in today's `AutoencoderKL` of a tensor that diffusers itself saved, however long ago."""
    return re.sub(
        r"(\.attentions\.\d+)\.(\w+)\.(weight|bias)$",
        lambda found: f"{found[1]}.{OLD_ATTENTION.get(found[2], found[2])}.{found[3]}",
        name,
    )


def audioldm_unet_key(reference: str, layers: int = 2) -> str:
    """Name in diffusers' `UNet2DConditionModel` of a tensor of AudioLDM's published network.

    Args:
        reference: such as "input_blocks.4.1.proj_in.weight", without the prefix of the checkpoint.
        layers: residual blocks per resolution on the way down.
    """
    stem, _, kind = reference.rpartition(".")
    if stem in ENDS:
        return f"{ENDS[stem]}.{kind}"
    found = re.match(r"(input|output|middle)_blocks?\.(\d+)\.(?:(\d+)\.)?(.*)$", reference)
    if found is None:
        return reference
    place, n, rest = found[1], int(found[2]), found[4]
    if place == "middle":
        # Residual, attention, residual.
        return f"mid_block.attentions.0.{rest}" if n == 1 else f"mid_block.resnets.{n // 2}.{_residual(rest)}"
    block, position = divmod(n - 1 if place == "input" else n, layers + 1)
    way = "down" if place == "input" else "up"
    if rest.startswith(("op.", "conv.")):
        return f"{way}_blocks.{block}.{way}samplers.0.conv.{kind}"
    if found[3] == "0":
        return f"{way}_blocks.{block}.resnets.{position}.{_residual(rest)}"
    return f"{way}_blocks.{block}.attentions.{position}.{rest}"


def controlnet_key(reference: str, layers: int = 2) -> str:
    """Name in diffusers' `ControlNetModel` of a tensor of a published control network.

    Args:
        reference: such as "zero_convs.3.0.weight", without the prefix of the checkpoint.
        layers: residual blocks per resolution.
    """
    stem, _, kind = reference.rpartition(".")
    found = re.match(r"(input_hint_block|zero_convs|middle_block_out)\.(\d+)", stem)
    if found is None:
        return audioldm_unet_key(reference, layers)
    n = int(found[2])
    if found[1] == "input_hint_block":
        return f"controlnet_cond_embedding.{HINT_ENDS.get(n, f'blocks.{n // 2 - 1}')}.{kind}"
    place = f"controlnet_down_blocks.{n}" if found[1] == "zero_convs" else "controlnet_mid_block"
    return f"{place}.{kind}"


def _residual(rest: str) -> str:
    part, _, kind = rest.rpartition(".")
    return f"{RESIDUAL.get(part, part)}.{kind}"
