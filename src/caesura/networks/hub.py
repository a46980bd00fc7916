"""Checkpoints of several files on the Hugging Face hub: which are known, and how they get here whole or not at all.

    folder = { file : SHA-256 or git's hash of the content = what the hub says }   or nothing

A repository is fetched at one commit into a folder of its own in the cache. Files that came whole are kept when the
connection breaks, so that the next try goes on; the folder gets its name when all of them are there. Needs no torch.

References:
    Hugging Face Hub API, https://huggingface.co/docs/hub/api (the addresses and the fields).
"""

from __future__ import annotations

__all__ = ["Published", "RemoteFile", "fetch", "fetched", "folder", "known", "named", "published", "remote", "remove"]

import difflib
import fnmatch
import hashlib
import json
import os
import shutil
import tomllib
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from caesura.networks.weights import BLOCK, PATIENCE, MissingWeights, cache

TABLE = Path(__file__).with_name("published.toml")
ENDPOINT = "https://huggingface.co"
PREFERRED = {".bin": ".safetensors"}  # a file of the first suffix is left out where there is one of the second
STEMS = {"pytorch_model": "model"}  # names that transformers gives the same weights in the two formats


@dataclass(frozen=True)
class Published:
    """Weights that somebody else publishes."""

    hub: str
    """Repository."""
    licence: str
    """Of the weights, SPDX."""
    network: str = ""
    """File in `caesura.networks` that reads them."""
    commercial: bool = True
    """Whether the licence allows commercial use."""
    bytes: int = 0
    """Of the download, about."""
    files: tuple[str, ...] = ("*",)
    """Patterns of the files that are needed."""
    beside: tuple[str, ...] = ()
    """Parts of other repositories: "repository: folder: patterns"."""

    @property
    def terms(self) -> str:
        """Size and licence in a few words."""
        size = f"about {self.bytes / 1e9:.1f} GB, " if self.bytes else ""
        return f"{size}licence {self.licence}" + ("" if self.commercial else ", non-commercial use only")


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub."""

    url: str
    path: str
    """Where it lies in the folder of the checkpoint."""
    size: int
    """Bytes."""
    digest: str
    """SHA-256 of a large file, git's SHA-1 of a small one."""

    def check(self, path: Path) -> bool:
        """Whether a file is this one."""
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        total = hashlib.sha256() if len(self.digest) == 64 else hashlib.sha1(f"blob {self.size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                total.update(block)
        return total.hexdigest() == self.digest


def known() -> dict[str, Published]:
    """All of `published.toml` by repository."""
    with TABLE.open("rb") as file:
        table = tomllib.load(file)
    found: dict[str, Published] = {}
    for network, facts in table.items():
        sizes: dict[str, int] = facts.pop("repositories")
        shared: dict[str, Any] = {key: tuple(each) if isinstance(each, list) else each for key, each in facts.items()}
        found |= {hub: Published(hub=hub, network=network, bytes=size, **shared) for hub, size in sizes.items()}
    return found


def published(network: str) -> tuple[Published, ...]:
    """What a file of `caesura.networks` reads."""
    return tuple(each for each in known().values() if each.network == network)


def named(hub: str) -> Published:
    """One of them.

    Raises:
        ValueError: none is called so.
    """
    found = known()
    if hub not in found:
        close = difflib.get_close_matches(hub, found, n=1)
        raise ValueError(f"there are no weights '{hub}'" + (f": did you mean {close[0]}?" if close else ""))
    return found[hub]


def folder(hub: str) -> Path:
    """Where a repository is kept."""
    return cache() / "hub" / hub.replace("/", "--")


def fetched(hub: str) -> bool:
    """Whether a repository is here, whole."""
    return folder(hub).is_dir()


def remove(hub: str) -> bool:
    """Delete a repository and what is left of broken downloads; False where there was nothing."""
    places = [place for place in (folder(hub), _partial(hub)) if place.is_dir()]
    for place in places:
        shutil.rmtree(place)
    return bool(places)


def remote(wanted: Published) -> list[RemoteFile]:
    """What a download would bring.

    Raises:
        MissingWeights: the hub cannot be reached.
    """
    found = list(_listed(wanted.hub, wanted.files, ""))
    for part in wanted.beside:
        hub, place, patterns = (text.strip() for text in part.split(":"))
        found += _listed(hub, patterns.split(), f"{place}/")
    return found


def fetch(
    wanted: Published, files: Sequence[RemoteFile], progress: Callable[[float], None] = lambda fraction: None
) -> Path:
    """Download a repository into its folder, and check every file.

    Args:
        wanted: what is downloaded.
        files: from `remote`.
        progress: called with the fraction done.

    Raises:
        MissingWeights: the connection broke; what came whole is kept for the next try.
        ValueError: what came is not what the hub says.
    """
    place, total, done = _partial(wanted.hub), max(sum(file.size for file in files), 1), 0
    for file in files:
        path = place / file.path
        if not path.resolve().is_relative_to(place.resolve()):
            raise ValueError(f"'{wanted.hub}' names a file outside its folder, '{file.path}': nothing more was fetched")
        if not file.check(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _download(file, path, lambda count, before=done: progress(min((before + count) / total, 1.0)))  # type: ignore[misc]
        done += file.size
        progress(done / total)
    shutil.rmtree(folder(wanted.hub), ignore_errors=True)
    place.replace(folder(wanted.hub))
    return folder(wanted.hub)


def _download(file: RemoteFile, path: Path, progress: Callable[[int], None]) -> None:
    done = 0
    try:
        with _opened(file.url) as source, path.open("wb") as out:
            while (block := source.read(BLOCK)) and done <= file.size:
                out.write(block)
                done += len(block)
                progress(done)
    except (OSError, HTTPException) as error:
        path.unlink(missing_ok=True)
        raise MissingWeights(f"'{file.path}' could not be fetched ({_said(error)}): pull again to go on") from error
    if not file.check(path):
        path.unlink()
        raise ValueError(f"what came as '{file.path}' does not have the hash that the hub says: pull again")


def _listed(hub: str, patterns: Sequence[str], place: str) -> Iterator[RemoteFile]:
    endpoint = os.environ.get("HF_ENDPOINT", ENDPOINT).rstrip("/")
    try:
        with _opened(f"{endpoint}/api/models/{hub}/revision/main?blobs=true") as answer:
            said = json.load(answer)
        commit, found = str(said["sha"]), {str(each["rfilename"]): each for each in said["siblings"]}
    except (OSError, HTTPException) as error:
        raise MissingWeights(
            f"the hub could not be asked for '{hub}' ({_said(error)}): pull it where there is a network, "
            f"or name a folder that holds it"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise MissingWeights(f"{endpoint} did not answer as the hub does for '{hub}': {error!r}") from error
    for name in _needed(found, patterns):
        size, digest = _facts(found[name])
        yield RemoteFile(f"{endpoint}/{hub}/resolve/{commit}/{urllib.parse.quote(name)}", place + name, size, digest)


def _needed(names: Sequence[str] | dict[str, Any], patterns: Sequence[str]) -> list[str]:
    """Names that a pattern fits, without those that are there in a safer format as well."""
    wanted = sorted(name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns))
    return [name for name in wanted if not _safer(name) & set(wanted)]


def _safer(name: str) -> set[str]:
    path = Path(name)
    if path.suffix not in PREFERRED:
        return set()
    stems = {path.stem, STEMS.get(path.stem, path.stem)}
    return {path.with_name(stem + PREFERRED[path.suffix]).as_posix() for stem in stems}


def _facts(sibling: dict[str, Any]) -> tuple[int, str]:
    large = sibling.get("lfs")
    if large:
        return int(large["size"]), str(large["sha256"])
    return int(sibling["size"]), str(sibling["blobId"])


def _opened(url: str) -> Any:
    if not url.startswith(("https://", "http://127.0.0.1")):
        raise ValueError(f"weights come over https, not from '{url}'")
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise ConnectionError("HF_HUB_OFFLINE is set")
    return urllib.request.urlopen(url, timeout=PATIENCE)


def _said(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__


def _partial(hub: str) -> Path:
    return folder(hub).with_name(f"{folder(hub).name}.partial")
