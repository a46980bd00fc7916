"""Where weights come from: cards say what they are, files are checked before anything reads them.

    weights = { sha256(file) = card's sha256 }   or nothing

A card in `cards.toml` names a file that came with the package, one on the Hugging Face hub, or a URL; its size and
hash; the licence of the weights; what they were trained on and how they score. Files are safetensors, or torch files
that are read with `weights_only=True`; nothing is unpickled. Only `load` needs torch.

References:
    safetensors, https://github.com/huggingface/safetensors (the format).
"""

from __future__ import annotations

__all__ = ["Card", "MissingWeights", "cache", "card", "cards", "find", "load", "pull", "remove", "tensors"]

import contextlib
import difflib
import functools
import hashlib
import json
import os
import tomllib
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any, BinaryIO

from caesura.atomic import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

CARDS = Path(__file__).with_name("cards.toml")
BUNDLED = Path(__file__).with_name("bundled")
BLOCK = 1 << 20  # bytes that are read at once
PATIENCE = 30.0  # seconds that a server may stay silent
LONGEST_HEADER = 100_000_000  # bytes, as in the format's own reader


class MissingWeights(ValueError):
    """The weights are not on this machine; the message names the command that fetches them."""


@dataclass(frozen=True)
class Card:
    """What there is to know of one set of weights."""

    name: str
    network: str
    """File in `caesura.networks` that they belong to."""
    file: str
    """Name of the file, in the package, on the hub or in the cache."""
    sha256: str
    size: int
    """Bytes."""
    licence: str
    """Of the weights, SPDX."""
    trained_on: str
    """Data, and its licence."""
    method: str = ""
    """File in `caesura.methods` that works with them; empty for what only measures."""
    hub: str = ""
    """Repository on the Hugging Face hub."""
    revision: str = ""
    """Commit on the hub."""
    url: str = ""
    """Where it is downloaded from; with neither this nor a hub the file is in the package."""
    page: str = ""
    """The full card, in the repository."""
    scores: Mapping[str, Any] = field(default_factory=dict)
    """Metric -> value, measured as the page says."""

    @property
    def bundled(self) -> bool:
        """Whether the file came with the package."""
        return not (self.hub or self.url)


def cards() -> dict[str, Card]:
    """All cards by name."""
    with CARDS.open("rb") as file:
        return {name: Card(name, **facts) for name, facts in tomllib.load(file).items()}


def card(name: str) -> Card:
    """One card.

    Raises:
        ValueError: there is none of that name.
    """
    known = cards()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose from {', '.join(sorted(known))}, or name a file"
        raise ValueError(f"there are no weights '{name}': {hint}")
    return known[name]


def cache() -> Path:
    """The folder of downloaded weights: $CAESURA_CACHE, or `caesura` in the user's cache folder."""
    chosen = os.environ.get("CAESURA_CACHE")
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "caesura"


def find(name: str) -> Path:
    """The checked file of a card.

    Raises:
        MissingWeights: it is not on this machine.
        ValueError: there is no such card, or the file is not what the card says.
    """
    wanted = card(name)
    path = (BUNDLED if wanted.bundled else cache()) / wanted.file
    if not path.is_file():
        cure = "reinstall caesura" if wanted.bundled else f"run `caesura models pull {name}` once"
        raise MissingWeights(f"the weights '{name}' ({wanted.size / 1e6:.1f} MB) are not on this machine: {cure}")
    try:
        _check(path, wanted)
    except ValueError as error:
        cure = "reinstall caesura" if wanted.bundled else f"run `caesura models rm {name}`, then pull it again"
        raise ValueError(f"{error}: {cure}") from None
    return path


def pull(name: str, progress: Callable[[float], None] = lambda fraction: None) -> Path:
    """Download the file of a card if it is not there; a broken download leaves nothing behind.

    Raises:
        MissingWeights: it cannot be reached.
        ValueError: what came is not what the card says.
    """
    wanted = card(name)
    with contextlib.suppress(MissingWeights):
        return find(name)
    if wanted.bundled:
        return find(name)
    cache().mkdir(parents=True, exist_ok=True)
    target = cache() / wanted.file
    try:
        with _opened(wanted) as source, replacing(target, force=True) as partial, partial.open("wb") as out:
            _copy(source, out, wanted.size, progress)
            out.flush()
            _check(partial, wanted)
    except OSError as error:
        raise MissingWeights(f"the weights '{name}' could not be fetched: {error}") from error
    return target


def remove(name: str) -> bool:
    """Delete the downloaded file of a card; False where there was none.

    Raises:
        ValueError: there is no such card, or its file belongs to the package.
    """
    wanted = card(name)
    if wanted.bundled:
        raise ValueError(f"the weights '{name}' came with caesura and leave with it")
    path = cache() / wanted.file
    there = path.is_file()
    path.unlink(missing_ok=True)
    return there


def load(name: str) -> nn.Module:
    """The network of a card or of a file of your own, with its weights.

    Args:
        name: a card's name, or the path of a .safetensors file that `caesura train` wrote.

    Raises:
        MissingWeights: they are not on this machine.
        ValueError: there is no such card or file, or it is damaged.
    """
    path = _own(name) or find(name)
    facts = _metadata(path)
    try:
        module = import_module(f"caesura.networks.{facts['network']}")
        network: nn.Module = module.restored(facts["preset"], _tensors(path))
    except (KeyError, ImportError, AttributeError, RuntimeError) as error:
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"'{path}' does not say of which network it is, or holds another: {said}") from None
    return network


def tensors(name: str) -> dict[str, Tensor]:
    """Tensors by name, in single precision, of a card or of a .safetensors or .pt file of your own; as `load`."""
    return _tensors(_own(name) or find(name))


def _tensors(path: Path) -> dict[str, Tensor]:
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, UnpicklingError, SafetensorError) as error:
        said = " ".join(str(error).split())[:160]
        raise ValueError(f"'{path}' holds no weights that can be read: {said}") from None
    return {key: value.float() if value.is_floating_point() else value for key, value in found.items()}


def _metadata(path: Path) -> dict[str, str]:
    """What a safetensors file says of itself; nothing for other files."""
    if path.suffix != ".safetensors":
        return {}
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, LONGEST_HEADER))
    try:
        return dict(json.loads(header).get("__metadata__", {}))
    except (ValueError, AttributeError):
        raise ValueError(f"'{path}' is not a safetensors file") from None


def _own(name: str) -> Path | None:
    """The file, where `name` is one and not a card's name."""
    path = Path(name)
    if path.suffix not in (".safetensors", ".pt"):
        return None
    if not path.is_file():
        raise ValueError(f"there is no file '{path}'")
    return path


def _check(path: Path, wanted: Card) -> None:
    size = path.stat().st_size
    if size != wanted.size:
        raise ValueError(f"'{path.name}' has {size} bytes, its card says {wanted.size}")
    if _digest(path, size, path.stat().st_mtime_ns) != wanted.sha256:
        raise ValueError(f"'{path.name}' does not have the SHA-256 of its card")


@functools.lru_cache(maxsize=64)
def _digest(path: Path, size: int, modified: int) -> str:
    """SHA-256, computed once for each state of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            total.update(block)
    return total.hexdigest()


@contextlib.contextmanager
def _opened(wanted: Card) -> Iterator[BinaryIO]:
    url = wanted.url
    if wanted.hub:
        from huggingface_hub import hf_hub_url

        url = hf_hub_url(wanted.hub, wanted.file, revision=wanted.revision or None)
    if not url.startswith(("https://", "http://127.0.0.1")):
        raise ValueError(f"weights come over https, not from '{url}'")
    with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
        yield answer


def _copy(source: BinaryIO, out: BinaryIO, size: int, progress: Callable[[float], None]) -> None:
    done = 0
    while (block := source.read(BLOCK)) and done <= size:  # more than was promised is refused by its size
        out.write(block)
        done += len(block)
        progress(min(done / max(size, 1), 1.0))
