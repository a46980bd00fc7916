"""Random checkpoints of small width in exactly the layout that Riffusion is published in."""

import json
from pathlib import Path
from typing import Any

import torch

from caesura.networks.checkpoints import part_of, untrained
from riffusion_cases import entries

ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
SCHEDULER = {
    "_class_name": "PNDMScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
    "num_train_timesteps": 1000, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1,
}  # fmt: skip


def vae() -> Any:
    return part_of("diffusers", "AutoencoderKL")(
        block_out_channels=(4, 4, 4, 8),
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        sample_size=512,
    )


def unet(channels: int = 4) -> Any:
    return part_of("diffusers", "UNet2DConditionModel")(
        in_channels=channels,
        sample_size=32,
        block_out_channels=(8, 8, 16, 16),
        layers_per_block=2,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=16,
    )


def controlnet(base: Any) -> Any:
    """A control network of a U-Net; the convolutions that are zero before training are random."""
    made = part_of("diffusers", "ControlNetModel").from_unet(base, conditioning_embedding_out_channels=(4, 4, 8, 8))
    for part in (made.controlnet_down_blocks, made.controlnet_mid_block, made.controlnet_cond_embedding.conv_out):
        for weight in part.parameters():
            torch.nn.init.normal_(weight, std=0.2)
    return made


def original(network: Any, path: Path) -> dict[str, torch.Tensor]:
    """Save a control network as its authors did, who show it pictures from 0 to 255, among the rest of a model."""
    keys = dict(entries()["controlnet_key_map"]["expected"]["key_map_ldm_to_diffusers"])
    current = network.state_dict()
    weights = {f"control_model.{old}": current[new].clone() for old, new in keys.items() if new in current}
    assert len(weights) == len(current)
    weights["control_model.input_hint_block.0.weight"] /= 255.0
    weights["model.diffusion_model.out.2.bias"] = torch.zeros(4)
    torch.save({"epoch": 8, "global_step": 20_000, "state_dict": weights}, path)
    return weights


def text() -> Any:
    settings = part_of("transformers", "CLIPTextConfig")(
        vocab_size=60, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=58, eos_token_id=59,
    )  # fmt: skip
    return part_of("transformers", "CLIPTextModel")(settings)


def riffusion(folder: Path, *, old: bool = False, channels: int = 4) -> dict[str, Any]:
    """Save a checkpoint; `old` as the versions did that wrote the published one: torch files, names of before.

    With eight channels it is one of Riff-P2P, with what lies beside it.
    """
    builds = (("vae", vae), ("unet", lambda: unet(channels)), ("text_encoder", text))
    parts = {name: untrained(build) for name, build in builds}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    _tokenizer(folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER))
    index = {"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.4.0"}
    (folder / "model_index.json").write_text(json.dumps(index))
    # What is not needed must not be touched: neither of these can be read.
    others = ["safety_checker/pytorch_model.bin", "unet_traced/unet_traced.pt", "riffusion-model-v1.ckpt"]
    if channels == 8:
        others = ["checkpoint-300000/unet/diffusion_pytorch_model.bin", "checkpoint-300000/scaler.pt", "logs/events"]
    for name in others:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_bytes(b"no tensors")
    if old:
        _as_before(folder, parts)
    return parts


def _tokenizer(folder: Path) -> None:
    folder.mkdir()
    letters = "abcdefghijklmnopqrstuvwxyz,."
    words = [*letters, *(f"{c}</w>" for c in letters), "ra", "in</w>", "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: k for k, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\nr a\ni n</w>\n")
    ends = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>",
            "pad_token": "<|endoftext|>"}  # fmt: skip
    (folder / "special_tokens_map.json").write_text(json.dumps(ends))
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **ends}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))


def _as_before(folder: Path, parts: dict[str, Any]) -> None:
    coded = {}
    for name, tensor in parts["vae"].state_dict().items():
        for new, before in ATTENTION.items():
            name = name.replace(f".attentions.0.{new}.", f".attentions.0.{before}.")
        coded[name] = tensor
    prefixed = {
        f"text_model.{name.removeprefix('text_model.')}": t for name, t in parts["text_encoder"].state_dict().items()
    }
    prefixed["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    for name, stem, weights in (
        ("vae", "diffusion_pytorch_model", coded),
        ("unet", "diffusion_pytorch_model", parts["unet"].state_dict()),
        ("text_encoder", "pytorch_model", prefixed),
    ):
        for saved in (folder / name).glob("*.safetensors"):
            saved.unlink()
        torch.save(dict(weights), folder / name / f"{stem}.bin")
    config = json.loads((folder / "vae" / "config.json").read_text())
    config.pop("scaling_factor")
    (folder / "vae" / "config.json").write_text(json.dumps(config))
