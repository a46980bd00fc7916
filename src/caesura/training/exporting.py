"""Networks that were trained on top of others, as folders in diffusers' layout.

    out / PART / config.json, diffusion_pytorch_model.safetensors        and model_index.json, which names the parts

What was trained is written in half precision, what it belongs to as it is; nothing is there until all of it is.

References:
    diffusers, https://huggingface.co/docs/diffusers (the layout).
"""

from __future__ import annotations

__all__ = ["part", "pipeline", "trained", "written"]

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from caesura.networks.checkpoints import filled, part_of, read_json
from caesura.networks.riffusion import PictureModel, opened

KEPT = ("tokenizer", "scheduler")  # folders that are copied as they are
CLASSES = {
    "vae": ("diffusers", "AutoencoderKL"),
    "unet": ("diffusers", "UNet2DConditionModel"),
    "controlnet": ("diffusers", "ControlNetModel"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
}


def pipeline(checkpoint: Path, out: Path, kind: str, parts: Callable[[PictureModel], Mapping[str, Any]]) -> None:
    """Write a folder that holds what was trained and all that it needs.

    Args:
        checkpoint: of the recipe.
        out: the folder; it must not exist.
        kind: diffusers' class of such a folder.
        parts: from the base to the networks that were trained, by their names in the folder.
    """
    weights, base = trained(checkpoint)
    model = opened(base)
    whole: dict[str, Any] = {"unet": model.unet, "vae": model.vae, "text_encoder": model.text}
    whole |= {name: part(weights, name, network, checkpoint) for name, network in parts(model).items()}
    with written(out) as folder, _quietly():
        for name, network in whole.items():
            network.save_pretrained(folder / name, safe_serialization=True)
        for name in KEPT:
            shutil.copytree(base / name, folder / name)
        scheduler = read_json(folder / "scheduler" / "scheduler_config.json").get("_class_name", "PNDMScheduler")
        named = {name: CLASSES[name] for name in CLASSES if (folder / name).is_dir()}
        index = {"_class_name": kind, **named, "scheduler": ("diffusers", scheduler)}
        (folder / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the bars that transformers draws, whoever is looking."""
    bars = part_of("transformers.utils", "logging")
    drawn = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if drawn:
            bars.enable_progress_bar()


def part(weights: Mapping[str, Tensor], name: str, network: nn.Module, checkpoint: Path) -> Any:
    """A network with those weights that have its name before theirs, in half precision.

    Raises:
        ValueError: they do not fit.
    """
    own = {key.removeprefix(f"{name}."): value for key, value in weights.items() if key.startswith(f"{name}.")}
    return filled(network, own, f"'{checkpoint}'").half()


def trained(checkpoint: Path) -> tuple[dict[str, Tensor], Path]:
    """Weights of a checkpoint, the average where there is one, and the folder of what they belong to.

    Raises:
        ValueError: there is no such checkpoint, or it is one of another recipe.
    """
    if not checkpoint.is_file():
        raise ValueError(f"there is no checkpoint '{checkpoint}'")
    facts = torch.load(checkpoint, map_location="cpu", weights_only=True)
    if "base" not in facts:
        raise ValueError(f"'{checkpoint}' is a checkpoint of another recipe")
    state: dict[str, Tensor] = facts["state_dict"]
    prefix = next((start for start in ("average.network.", "network.") if any(n.startswith(start) for n in state)), "")
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return weights, Path(facts["base"])


@contextlib.contextmanager
def written(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its place when the block ends without an error.

    Raises:
        ValueError: it exists.
    """
    if out.exists():
        raise ValueError(f"'{out}' exists: choose another folder")
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        partial.replace(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
