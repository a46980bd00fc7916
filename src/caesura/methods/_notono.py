"""The networks behind `notono`, and how maps of codes of any length are repainted window by window.

    for each window of four coarse columns: top ~ p(top | kept), then bottom ~ p(bottom | kept, top)

Codes are drawn in the order in which the networks learnt them. Drawing many at once, the surest first, takes logits
that depend on no order: the encoder has them in it, but no head that was trained to read them; see docs/notono.md.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["FILES", "Networks", "decoded", "open_networks", "repaint", "window_starts"]

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs.melif import MelIf
from caesura.codecs.vqvae import CodeMaps
from caesura.networks.codemap_transformer import PRESETS as FILLERS
from caesura.networks.codemap_transformer import CodemapTransformer
from caesura.networks.sampling import Draw
from caesura.networks.vqvae2 import PRESETS as CODERS
from caesura.networks.vqvae2 import Vqvae2
from caesura.networks.weights import MissingWeights, cards, find, load

Flags = NDArray[np.bool_]

FILES = ("vqvae", "notono_top", "notono_bottom")  # recipes, and names of the files in a folder of weights


@dataclass(frozen=True, eq=False)
class Networks:
    """Everything that was learnt."""

    codec: CodeMaps
    top: CodemapTransformer
    bottom: CodemapTransformer


@cache
def open_networks(weights: str) -> Networks:
    """The networks of a folder, on the device there is.

    Args:
        weights: a folder with vqvae.safetensors, notono_top.safetensors and notono_bottom.safetensors; "tiny":
            untrained networks; nothing: those that came with the package.

    Raises:
        MissingWeights: there are none.
        ValueError: they do not fit together.
    """
    coder, top, bottom = _untrained() if weights == "tiny" else _loaded([_file(weights, name) for name in FILES])
    if not (coder.shape.codes == top.shape.codes == bottom.shape.codes):
        raise ValueError(
            f"the networks in '{weights}' have {coder.shape.codes}, {top.shape.codes} and {bottom.shape.codes} codes: "
            "they were not trained together"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    for network in (coder, top, bottom):
        network.eval().requires_grad_(False).to(device)
    return Networks(CodeMaps(coder, MelIf(), device), top, bottom)


def repaint(
    networks: Networks, maps: tuple[Tensor, Tensor], unknown: tuple[Flags, Flags], labels: Tensor, draw: Draw,
    uniform: tuple[Tensor, Tensor], progress: Callable[[float], None],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Draw the unknown cells of both maps anew, the coarse map first.

    Args:
        networks: from `open_networks`.
        maps: coarse (batch, rows, columns) and fine codes, of at least four coarse columns.
        unknown: cells to draw, of the maps' shapes without the batch; the same for the whole batch.
        labels: (batch, 3), see `CodemapTransformer`.
        draw: how.
        uniform: numbers from 0 to below 1, of the maps' shapes.
        progress: called with the fraction done.

    Returns:
        the maps.
    """
    top, bottom = (codes.clone() for codes in maps)
    starts = [list(window_starts(flags, step)) for flags, step in zip(unknown, (1, 2), strict=True)]
    total, done = max(len(starts[0]) + 4 * len(starts[1]), 1), 0  # a window of the fine map has four times the cells
    for level, (network, codes, step) in enumerate(((networks.top, top, 1), (networks.bottom, bottom, 2))):
        left = torch.from_numpy(unknown[level].copy()).to(codes.device)
        for start in starts[level]:
            here = slice(start * step, (start + network.shape.columns) * step)
            coarse = top[..., start : start + network.shape.columns] if step == 2 else None
            share = 1 if step == 1 else 4

            def part(fraction: float, done: int = done, share: int = share) -> None:
                progress((done + share * fraction) / total)

            codes[..., here] = network.fill(
                codes[..., here], ~left[..., here], labels, coarse, draw, uniform[level][..., here], part
            )
            left[..., here] = False
            done += share
    return top, bottom


def decoded(networks: Networks, top: NDArray[np.int64], bottom: NDArray[np.int64], samples: int) -> NDArray[np.float64]:
    """Sounds (batch, samples) of maps (batch, rows, columns)."""
    coarse, fine = (torch.from_numpy(codes).to(networks.codec.device) for codes in (top, bottom))
    return networks.codec.decode(coarse, fine, samples)


def window_starts(unknown: Flags, step: int, columns: int = 4) -> Iterator[int]:
    """First coarse columns of the windows in which a map is filled, from left to right.

    Args:
        unknown: (rows, step * columns of the coarse map).
        step: columns of the map per coarse column.
        columns: coarse columns of a window; its first one is context, where there is any.
    """
    wanted: Flags = np.asarray(unknown.reshape(len(unknown), -1, step).any(axis=(0, 2)))
    place = 0
    while place < wanted.size and wanted[place:].any():
        first = place + int(np.argmax(wanted[place:]))
        start = max(min(first - 1, wanted.size - columns), 0)
        yield start
        place = start + columns


def _file(folder: str, name: str) -> Path:
    """The checked file of one network."""
    if not folder:
        file = next((card for card in cards().values() if card.bundled and card.file == f"{name}.safetensors"), None)
        if file is not None:
            return find(file.name)
        steps = ", ".join(f"`caesura train {each}`" for each in FILES)
        raise MissingWeights(f"this caesura has no weights of notono: run {steps} and pass their folder as weights")
    path = Path(folder) / f"{name}.safetensors"
    if not path.is_file():
        train = f"caesura train {name} --out {path.with_suffix('')}"
        raise MissingWeights(f"'{path}' is not there: run `{train} --data NOTES`, then `{train} --export {path}`")
    return path


def _loaded(paths: Sequence[Path]) -> tuple[Vqvae2, CodemapTransformer, CodemapTransformer]:
    coder, top, bottom = (load(str(path)) for path in paths)
    if not isinstance(coder, Vqvae2):
        raise ValueError(f"'{paths[0]}' is a {type(coder).__name__}, not a Vqvae2")
    for path, network, name in ((paths[1], top, "top"), (paths[2], bottom, "bottom")):
        if not isinstance(network, CodemapTransformer) or network.shape.map != name:
            raise ValueError(f"'{path}' is no network of the {name} map")
    assert isinstance(top, CodemapTransformer)
    assert isinstance(bottom, CodemapTransformer)
    return coder, top, bottom


def _untrained() -> tuple[Vqvae2, CodemapTransformer, CodemapTransformer]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return (
            Vqvae2(CODERS["tiny"]),
            CodemapTransformer(FILLERS["top-tiny"]),
            CodemapTransformer(FILLERS["bottom-tiny"]),
        )
