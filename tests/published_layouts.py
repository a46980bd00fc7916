"""Random checkpoints of small width in exactly the layouts that AudioLDM and Tango are published in."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from caesura.networks.checkpoints import part_of, untrained

DATA = Path(__file__).parent / "data"
WIDTHS = (32, 32, 32, 64)
ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def vae() -> Any:
    return untrained(
        lambda: part_of("diffusers", "AutoencoderKL")(
            in_channels=1,
            out_channels=1,
            block_out_channels=(32, 64, 128),
            layers_per_block=2,
            latent_channels=8,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            scaling_factor=0.9227914214134216,
        )
    )


def vocoder() -> Any:
    settings = part_of("transformers", "SpeechT5HifiGanConfig")(
        model_in_dim=64,
        sampling_rate=16_000,
        upsample_initial_channel=32,
        upsample_rates=[5, 4, 2, 2, 2],
        upsample_kernel_sizes=[16, 16, 8, 4, 4],
        normalize_before=False,
    )
    network = untrained(lambda: part_of("transformers", "SpeechT5HifiGan")(settings))
    for name, tensor in network.named_parameters():
        if name.endswith("weight"):  # as they come, next to nothing would be heard
            tensor *= 20.0
    return network


def audioldm_unet() -> Any:
    cross = "CrossAttnDownBlock2D", "CrossAttnUpBlock2D"
    return untrained(
        lambda: part_of("diffusers", "UNet2DConditionModel")(
            sample_size=128,
            in_channels=8,
            out_channels=8,
            block_out_channels=WIDTHS,
            down_block_types=("DownBlock2D", *[cross[0]] * 3),
            up_block_types=(*[cross[1]] * 3, "UpBlock2D"),
            cross_attention_dim=WIDTHS,
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=512,
            class_embeddings_concat=True,
        )
    )


def tango_unet() -> Any:
    return untrained(
        lambda: part_of("diffusers", "UNet2DConditionModel")(
            sample_size=(32, 2),
            in_channels=8,
            out_channels=8,
            block_out_channels=WIDTHS,
            down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
            up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
            cross_attention_dim=48,
            attention_head_dim=(1, 1, 1, 1),
            use_linear_projection=True,
            upcast_attention=True,
        )
    )


def audioldm(folder: Path, *, old: bool = False) -> dict[str, Any]:
    """Save a checkpoint in diffusers' layout; `old` as versions before 0.17 named and kept the tensors."""
    text = part_of("transformers", "ClapTextModelWithProjection")(
        part_of("transformers", "ClapTextConfig")(
            vocab_size=300, hidden_size=16, num_hidden_layers=2, num_attention_heads=1, intermediate_size=32
        )
    ).eval()
    parts = {"vae": vae(), "vocoder": vocoder(), "unet": audioldm_unet(), "text_encoder": text}
    for name, part in parts.items():
        part.save_pretrained(folder / name, safe_serialization=True)
    words = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz", "\u0120"]
    tokenizer = part_of("transformers", "RobertaTokenizer")(vocab={w: k for k, w in enumerate(words)}, merges=[])
    tokenizer.save_pretrained(folder / "tokenizer")
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    index = {"_class_name": "AudioLDMPipeline", "scheduler": ["diffusers", "DDIMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps(index))
    if old:
        _as_before(folder, parts)
    return parts


def _as_before(folder: Path, parts: dict[str, Any]) -> None:
    """Torch files, the attention of the autoencoder under its old names, other tables of the text encoder."""
    renamed = {}
    for name, tensor in parts["vae"].state_dict().items():
        for new, before in ATTENTION.items():
            name = name.replace(f".attentions.0.{new}.", f".attentions.0.{before}.")
        renamed[name] = tensor
    text = dict(parts["text_encoder"].state_dict())
    for table in ("position_ids", "token_type_ids"):
        text.pop(f"text_model.embeddings.{table}", None)
    text["text_model.encoder.embeddings.position_ids"] = torch.arange(514)[None]
    for name, stem, weights in (
        ("vae", "diffusion_pytorch_model", renamed),
        ("unet", "diffusion_pytorch_model", parts["unet"].state_dict()),
        ("vocoder", "pytorch_model", parts["vocoder"].state_dict()),
        ("text_encoder", "pytorch_model", text),
    ):
        for saved in (folder / name).glob("*.safetensors"):
            saved.unlink()
        torch.save(dict(weights), folder / name / f"{stem}.bin")


def audioldm_original(path: Path, folder: Path, scale: float = 0.9) -> None:
    """Save the parts of `audioldm` as AudioLDM's own program does, the true U-Net as the average."""
    parts = audioldm(folder)
    unet = as_published(parts["unet"], "audioldm_unet")
    weights: dict[str, Any] = {f"model.diffusion_model.{name}": torch.zeros_like(t) for name, t in unet.items()}
    weights |= {"model_ema." + f"diffusion_model.{name}".replace(".", ""): t for name, t in unet.items()}
    weights["model_ema.decay"] = torch.tensor(0.9999)
    stage = as_published(parts["vae"], "vae")
    stage |= {f"vocoder.{name}": t for name, t in as_published(parts["vocoder"], "vocoder").items()}
    weights |= {f"first_stage_model.{name}": t for name, t in stage.items()}
    weights["first_stage_model.loss.logvar"] = torch.tensor(0.0)
    for name, t in parts["text_encoder"].state_dict().items():
        own = name.replace("text_model.", "text_branch.").replace("linear1", "0").replace("linear2", "2")
        weights[f"cond_stage_model.model.{own}"] = t
    weights["cond_stage_model.model.logit_scale_a"] = torch.tensor(1.0)
    weights["scale_factor"] = torch.tensor(scale)
    torch.save({"state_dict": weights, "global_step": 7}, path)


def key_map(part: str) -> dict[str, tuple[str, int]]:
    """Reference name, and number of its dimensions, by the name that the libraries have."""
    rows = [line.split("\t") for line in (DATA / f"tango_{part}_key_map.tsv").read_text().splitlines()[2:]]
    return {row[1]: (row[0], 1 + row[2].count("x")) for row in rows}


def as_published(network: Any, part: str) -> dict[str, Tensor]:
    """A network's tensors under their published names, linear maps as 1 x 1 convolutions where they were."""
    state = network.state_dict()
    names = {old: new for old, new in key_map(part).items() if old in state}  # equal widths need no shortcut
    return {new: state[old].reshape(*state[old].shape, *[1] * (n - state[old].ndim)) for old, (new, n) in names.items()}


def tango(folder: Path) -> dict[str, Any]:
    """Save a checkpoint as declare-lab has them, with FLAN-T5's tokenizer beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = part_of("transformers", "T5Config")(
        vocab_size=64, d_model=48, d_kv=8, d_ff=32, num_layers=2, num_heads=3, feed_forward_proj="gated-gelu"
    )
    text = untrained(lambda: part_of("transformers", "T5EncoderModel")(settings))
    parts = {"vae": vae(), "vocoder": vocoder(), "unet": tango_unet(), "text_encoder": text}
    spoken = {f"vocoder.{name}": t for name, t in as_published(parts["vocoder"], "vocoder").items()}
    torch.save(as_published(parts["vae"], "vae") | spoken, folder / "pytorch_model_vae.bin")
    main = {f"{p}.{name}": t for p in ("unet", "text_encoder") for name, t in parts[p].state_dict().items()}
    torch.save(main, folder / "pytorch_model_main.bin")
    torch.save({"mel_basis": torch.zeros(64, 513)}, folder / "pytorch_model_stft.bin")
    shape = {"double_z": True, "z_channels": 8, "resolution": 256, "downsample_time": False, "in_channels": 1,
             "out_ch": 1, "ch": 32, "ch_mult": [1, 2, 4], "num_res_blocks": 2, "attn_resolutions": [],
             "dropout": 0.0}  # fmt: skip
    stage = {"embed_dim": 8, "ddconfig": shape, "scale_factor": 0.9227914214134216}
    (folder / "vae_config.json").write_text(json.dumps(stage))
    (folder / "stft_config.json").write_text(json.dumps({"filter_length": 1024, "hop_length": 160}))
    (folder / "main_config.json").write_text(json.dumps({"text_encoder_name": "google/flan-t5-large"}))
    (folder / "config.json").write_text("{}")
    _unigrams(folder / "tokenizer")
    return parts


def _unigrams(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    pieces = ["<pad>", "</s>", "<unk>", "\u2581", *"abcdefghijklmnopqrstuvwxyz"]
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in pieces], unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = part_of("transformers", "PreTrainedTokenizerFast")(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
