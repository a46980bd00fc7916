"""Published checkpoints of several files: where they are, how they are read, and that every tensor finds its place.

    network <- { name: tensor }   where names and shapes are those of the network, every one of them

Folders hold safetensors, or torch files that are read with `weights_only=True`: nothing is unpickled.

References:
    safetensors, https://github.com/huggingface/safetensors (the format).
"""

from __future__ import annotations

__all__ = ["filled", "flat", "folder_of", "part_of", "read", "read_json", "untrained"]

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor, nn

from caesura.networks import hub
from caesura.networks.hub import Published
from caesura.networks.weights import MissingWeights

WEIGHT_FILES = ("diffusion_pytorch_model", "model", "pytorch_model")  # stems that diffusers and transformers save under
SUFFIXES = (".safetensors", ".bin", ".ckpt")
# Tables that are the same for every checkpoint; versions differ in which of them they save.
COMPUTED = ("embeddings.position_ids", "embeddings.token_type_ids")


def part_of(library: str, name: str) -> Any:
    """A class of diffusers or transformers.

    Raises:
        ValueError: the library is not installed; the message says how it will be.
    """
    try:
        return getattr(import_module(library), name)
    except ImportError as error:
        raise ValueError(f"this needs {library} ({error}): pip install 'caesura[diffusion]'") from None


def folder_of(weights: str, published: Sequence[Published]) -> Path:
    """The folder of a checkpoint: one of your own, or that of a hub repository which was downloaded before.

    What `caesura models pull` fetched comes first, then the cache of the hub's own program.

    Args:
        weights: a folder, or a repository such as "org/name".
        published: the repositories that are known to fit.

    Raises:
        MissingWeights: the repository is not on this machine; the message names the licence and the command.
        ValueError: there is no such folder and no such repository.
    """
    if Path(weights).is_dir():
        return Path(weights)
    known = {each.hub: each for each in published}
    if weights not in known:
        raise ValueError(f"weights='{weights}' is neither a folder nor one of tiny, {', '.join(known)}")
    return _cached(known[weights])


def _cached(wanted: Published) -> Path:
    if hub.fetched(wanted.hub):
        return hub.folder(wanted.hub)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        return Path(snapshot_download(wanted.hub, local_files_only=True))
    except LocalEntryNotFoundError:
        raise MissingWeights(
            f"the weights '{wanted.hub}' ({wanted.terms}) are not on this machine: run "
            f"`caesura models pull {wanted.hub}` once where there is a network, or name a folder that holds them"
        ) from None


def read_json(path: Path) -> dict[str, Any]:
    """A configuration file.

    Raises:
        MissingWeights: it is not there.
        ValueError: it cannot be read.
    """
    if not path.is_file():
        raise MissingWeights(f"'{path.parent}' is no complete checkpoint: there is no {path.name}")
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise ValueError(f"'{path}' holds no configuration that can be read: {error}") from None


def read(folder: Path, *stems: str) -> dict[str, Tensor]:
    """Tensors by name, in single precision, of the first file that is there.

    Args:
        folder: where to look.
        stems: file names without suffix; none: those that diffusers and transformers save under.

    Raises:
        MissingWeights: none of them is there.
        ValueError: the file is damaged, or holds more than tensors.
    """
    names = [stem + suffix for suffix in SUFFIXES for stem in stems or WEIGHT_FILES]
    path = next((folder / name for name in names if (folder / name).is_file()), None)
    if path is None:
        raise MissingWeights(f"'{folder}' is no complete checkpoint: there is none of {', '.join(names)}")
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            # A file of gigabytes is mapped rather than read, where its format allows it.
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
            found = found.get("state_dict", found)
        return {name: t.float() if t.is_floating_point() else t for name, t in found.items() if isinstance(t, Tensor)}
    except (OSError, EOFError, RuntimeError, AttributeError, UnpicklingError, SafetensorError) as error:
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"'{path}' holds no weights that can be read: {said}") from None


def filled(network: nn.Module, weights: Mapping[str, Tensor], where: str) -> nn.Module:
    """The network with its weights, ready for use and without gradients.

    Args:
        network: any.
        weights: by the network's own names; every one of them, and no others.
        where: what to call the checkpoint if it does not fit.

    Raises:
        ValueError: a name or a shape differs.
    """
    own = network.state_dict()
    wanted = {name: tuple(tensor.shape) for name, tensor in own.items()}
    given = {name: t for name, t in own.items() if name.endswith(COMPUTED)}
    given |= {name: t for name, t in weights.items() if not name.endswith(COMPUTED)}
    found = {name: tuple(tensor.shape) for name, tensor in given.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"{where} does not fit: {len(wrong)} of {len(wanted)} tensors differ, the first is '{name}' "
            f"with shape {found.get(name)} where {wanted.get(name)} is expected"
        )
    network.load_state_dict(given)
    return network.eval().requires_grad_(False)


def flat(network: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in which linear maps that were stored as 1 x 1 convolutions are as the network has them."""
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    return {
        name: t.flatten(1) if t.ndim == 4 and wanted.get(name) == tuple(t.shape[:2]) else t
        for name, t in weights.items()
    }


def untrained(build: Callable[[], Any]) -> Any:
    """What `build` makes with weights that are random but the same every time, ready for use."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build().eval().requires_grad_(False)
