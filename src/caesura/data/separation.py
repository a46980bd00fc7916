"""Take a recording apart into its stems, with Demucs or with any function that does so.

    separator(x, sample_rate) -> {stem: part},   x (channels, samples), parts of the same shape

Nothing is downloaded: Demucs's checkpoints are read from a folder or from where `hf download` keeps them, as
safetensors, never as pickles.

References:
    S. Rouard, F. Massa, A. Défossez, "Hybrid transformers for music source separation", ICASSP 2023.
"""

from __future__ import annotations

__all__ = ["Demucs", "Separator", "vocals_and_rest"]

import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.audio import resample

Array = NDArray[np.float64]
Separator = Callable[[Array, int], dict[str, Array]]

VOCALS = "vocals"
NETWORKS = ("demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs")
SMALLEST = 1e-8  # added to the level that a recording is divided by


@dataclass(frozen=True)
class Demucs:
    """Drums, bass, other and vocals (with htdemucs_6s guitar and piano too) by Demucs >= 4.1."""

    model: str = "htdemucs"
    """Which checkpoint: htdemucs, htdemucs_ft, htdemucs_6s ..."""
    folder: Path | None = None
    """Where NAME.yaml and the .safetensors files it names lie; None: the cache of the Hugging Face hub."""
    device: str = "auto"
    """cpu, cuda, or auto: cuda where there is one."""

    def __call__(self, x: Array, sample_rate: int) -> dict[str, Array]:
        """Stems of a recording (channels, samples), the same each time."""
        network = _network(self)
        stereo = np.repeat(x, 2, axis=0) if x.shape[0] == 1 else x[:2]
        heard = resample(stereo, sample_rate, network.samplerate)
        stems = _applied(network, heard, self.device)
        back = {name: resample(part, network.samplerate, sample_rate) for name, part in stems.items()}
        return {name: _shaped(part, x.shape) for name, part in back.items()}

    def check(self) -> None:
        """See that Demucs is installed and its checkpoint is here.

        Raises:
            ValueError: it is not; the message says how to get it.
        """
        if importlib.util.find_spec("demucs") is None:
            raise ValueError("separating stems needs Demucs: pip install 'caesura[stems]'")
        self.files()

    def files(self) -> tuple[Path, tuple[Path, ...]]:
        """The description of the checkpoint and the files with its weights.

        Raises:
            ValueError: one is missing; the message says where it was looked for and how to get it.
        """
        description = self._find(f"{self.model}.yaml")
        return description, tuple(self._find(f"{name}.safetensors") for name in _described(description)["models"])

    def _find(self, name: str) -> Path:
        from demucs.hf import DEFAULT_NAMESPACE, hf_repo_name

        repository = f"{DEFAULT_NAMESPACE}/{hf_repo_name(self.model)}"
        if self.folder is not None:
            path, looked = self.folder / name, str(self.folder)
        else:
            from huggingface_hub import constants, try_to_load_from_cache

            path = Path(str(try_to_load_from_cache(repository, name)))
            looked = f"{constants.HF_HUB_CACHE} as {repository}"
        if not path.is_file():
            raise ValueError(
                f"Demucs's {name} is not in {looked}: `hf download {repository}` fetches it; "
                "--checkpoints names another folder, --stems one with stems that are there already"
            )
        return path


def vocals_and_rest(separator: Separator, x: Array, sample_rate: int) -> tuple[Array, Array]:
    """Vocals and the sum of all other stems, each (channels, samples).

    Raises:
        ValueError: the separator finds no vocals, or nothing else.
    """
    stems = separator(x, sample_rate)
    rest = [part for name, part in stems.items() if name != VOCALS]
    if VOCALS not in stems or not rest:
        raise ValueError(f"the separator finds {', '.join(stems) or 'nothing'}: it must find vocals and something else")
    return stems[VOCALS], np.sum(rest, axis=0)


@lru_cache(maxsize=1)
def _network(demucs: Demucs) -> Any:
    """The network, read once per process."""
    from demucs.apply import BagOfModels
    from demucs.hf import load_safetensors_model

    description, files = demucs.files()
    for path in files:
        _check_class(path)
    bag = _described(description)
    return BagOfModels([load_safetensors_model(path) for path in files], bag.get("weights"), bag.get("segment")).eval()


def _check_class(path: Path) -> None:
    """A checkpoint names the class it is loaded into, and can name others; only Demucs's own are followed."""
    from safetensors import safe_open

    with safe_open(str(path), framework="numpy") as file:
        facts = file.metadata() or {}
    named = facts.get("klass")
    if named not in NETWORKS or '"_class"' in json.dumps(facts.get("structure", "")):
        raise ValueError(f"'{path}' is a checkpoint of '{named}': it must be of {', '.join(NETWORKS)}")


def _described(path: Path) -> dict[str, Any]:
    import yaml

    described = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(described, dict) or not isinstance(described.get("models"), list):
        raise ValueError(f"'{path}' does not list the models of a checkpoint: download it again")
    return described


def _applied(network: Any, x: Array, device: str) -> dict[str, Array]:
    import torch
    from demucs.apply import apply_model

    where = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    middle = x.mean(axis=0)
    mean, scale = middle.mean(), middle.std() + SMALLEST
    heard = torch.from_numpy((x - mean) / scale).float()
    with torch.inference_mode():
        # no random shifts: the same recording gives the same stems
        parts = apply_model(network, heard[None], shifts=0, split=True, overlap=0.25, device=where)[0]
    stems = parts.cpu().double().numpy() * scale
    # the mean is taken off once and belongs to no stem in particular
    return dict(zip(network.sources, stems + mean / len(stems), strict=True))


def _shaped(part: Array, shape: tuple[int, ...]) -> Array:
    """A stem with the channels and the length of the recording."""
    rows = part.mean(axis=0, keepdims=True) if shape[0] == 1 else part
    return np.pad(rows[:, : shape[1]], ((0, 0), (0, max(shape[1] - rows.shape[1], 0))))
