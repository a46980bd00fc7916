"""Transformers that fill in codes of a map, told pitch, family and loudness, the kept codes, and the map above.

    p(c_i | c_<i, kept codes on either side, coarse map, labels),   i in order of time, then frequency

An encoder without a direction reads the maps with what is to be filled left blank, one place per coarse cell: the
coarse code and, for the fine map, the four fine codes under it. The decoder is causal and has the same places; place g
takes what the encoder found at g and the codes of the cell before, so that nothing reaches g but what is kept and what
was filled before. The four fine codes of a cell are drawn one after the other by a small perceptron each, which sees
those before it. Keys and values of places that are done are remembered. The published networks differ: they attend
between single fine codes, which costs sixteen times as much, their fine map has no context on its right, what the
encoder found for the first code of a group reaches the decoder one group late, and nothing is remembered.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
    A. Vaswani et al., "Attention is all you need", NeurIPS 2017.
    D. Lee, C. Kim, S. Kim, M. Cho, W.-S. Han, "Autoregressive image generation using residual quantization", CVPR 2022
        (several codes per place of a transformer).
"""

from __future__ import annotations

__all__ = ["PRESETS", "CodemapTransformer", "Shape", "order", "restored"]

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from caesura.data.notes import FAMILIES, PITCHES, VELOCITIES
from caesura.networks.relative_attention import Memory, RelativeAttention
from caesura.networks.sampling import Draw

KINDS = (PITCHES, len(FAMILIES), len(VELOCITIES))  # one more of each stands for "not told"


@dataclass(frozen=True)
class Shape:
    """What makes one network differ from another."""

    map: Literal["top", "bottom"]
    """Which map it fills: the coarse or the fine one."""
    codes: int
    """Of each codebook."""
    width: int
    """Of the vectors."""
    heads: int
    encoder: int
    """Layers."""
    decoder: int
    """Layers."""
    rows: int = 32
    """Of the coarse map."""
    columns: int = 4
    """Of the coarse map."""
    dropout: float = 0.1

    @property
    def group(self) -> int:
        """Codes of the map per coarse cell."""
        return 1 if self.map == "top" else 4

    @property
    def cells(self) -> int:
        """Of the coarse map."""
        return self.rows * self.columns


def _presets(name: Literal["top", "bottom"]) -> dict[str, Shape]:
    return {
        "tiny": Shape(name, 32, 16, 2, 1, 1, dropout=0.0),
        "cpu": Shape(name, 256, 128, 4, 2, 4, dropout=0.0),
        "gpu": Shape(name, 512, 384, 8, 6, 8),
    }


PRESETS = {f"{name}-{size}": shape for name in ("top", "bottom") for size, shape in _presets(name).items()}


def order(rows: int, columns: int, patch: int = 1) -> NDArray[np.int64]:
    """Cells of a map, counted along its rows, in the order in which they are filled.

    Args:
        rows: of the map, the lowest frequency first.
        columns: of the map.
        patch: rows and columns of the group that belongs to one coarse cell; inside it the same order holds.

    Returns:
        (rows * columns,).
    """
    cells = np.arange(rows * columns, dtype=np.int64).reshape(rows // patch, patch, columns // patch, patch)
    return np.ascontiguousarray(cells.transpose(2, 0, 3, 1)).reshape(-1)


class CodemapTransformer(nn.Module):
    """Fills the map that its shape names.

    Maps are (batch, rows, columns). Labels (batch, 3) are those of `caesura.data.notes.Note`, -1 where not told.
    """

    order: Tensor
    back: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        patch = 1 if shape.map == "top" else 2
        cells = torch.from_numpy(order(shape.rows * patch, shape.columns * patch, patch))
        self.register_buffer("order", cells, persistent=False)
        self.register_buffer("back", cells.argsort(), persistent=False)
        width = shape.width
        self.source = nn.ModuleList([nn.Embedding(shape.codes + 1, width) for _ in range(shape.group)])
        self.coarse = nn.Embedding(shape.codes, width) if shape.map == "bottom" else None
        self.labels = nn.ModuleList([nn.Embedding(kind + 1, width) for kind in KINDS])
        self.row, self.column = nn.Embedding(shape.rows, width), nn.Embedding(shape.columns, width)
        self.encoder = nn.ModuleList(_Layer(shape, shape.cells, ahead=True) for _ in range(shape.encoder))
        self.found = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ELU())
        self.share = nn.Linear(2 * width, width)
        # the last row of each begins the sequence
        self.previous = nn.ModuleList([nn.Embedding(shape.codes + 1, width) for _ in range(shape.group)])
        self.decoder = nn.ModuleList(_Layer(shape, shape.cells, ahead=False) for _ in range(shape.decoder))
        self.beside = nn.ModuleList([nn.Embedding(shape.codes, width) for _ in range(shape.group - 1)])
        self.inside = nn.ModuleList([_perceptron(width, 2) for _ in range(shape.group if shape.group > 1 else 0)])
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, shape.codes)
        for table in self.modules():
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=0.3)

    def forward(self, codes: Tensor, known: Tensor, labels: Tensor, coarse: Tensor | None = None) -> Tensor:
        """Logits of every cell, given those before it and the known ones.

        Args:
            codes: the map.
            known: bool, of the map's shape, True where the code is kept.
            labels: see above.
            coarse: the coarse map, for a network of the fine one.

        Returns:
            (batch, rows, columns, codes).
        """
        sequence = self.sequence(codes)
        found = self.read(sequence, self.sequence(known), labels, coarse)
        groups = sequence.view(len(sequence), self.shape.cells, self.shape.group)
        decoded = self._decoded(groups, found, 0, None)
        logits = torch.stack([self._logits(decoded, groups, k) for k in range(self.shape.group)], dim=2)
        return logits.flatten(1, 2)[:, self.back].reshape(*codes.shape, -1)

    def loss(
        self, codes: Tensor, known: Tensor, labels: Tensor, coarse: Tensor | None = None, smoothing: float = 0.0
    ) -> Tensor:
        """Cross entropy of the unknown cells, () in nats; `smoothing` is shared out among the wrong codes."""
        logits = self(codes, known, labels, coarse)
        spread = smoothing * self.shape.codes / (self.shape.codes - 1)  # torch gives the right code its part as well
        return functional.cross_entropy(logits[~known], codes[~known], label_smoothing=spread)

    @torch.inference_mode()
    def fill(
        self, codes: Tensor, known: Tensor, labels: Tensor, coarse: Tensor | None, draw: Draw, uniform: Tensor,
        progress: Callable[[float], None] = lambda fraction: None,
    ) -> Tensor:  # fmt: skip
        """Draw the cells that are not known.

        Args:
            codes: the map; what is not known is not looked at.
            known: bool (rows, columns), the same for the whole batch.
            labels: see above.
            coarse: the coarse map, for a network of the fine one.
            draw: how.
            uniform: numbers from 0 to below 1, one per cell, of the map's shape.
            progress: called with the fraction done.

        Returns:
            the map (batch, rows, columns).
        """
        guided = draw.guidance > 0.0 and bool((labels >= 0).any())
        if guided:  # each map a second time, without its labels
            codes, labels = codes.repeat(2, 1, 1), torch.cat([labels, torch.full_like(labels, -1)])
            coarse = None if coarse is None else coarse.repeat(2, 1, 1)
        sequence, chance = self.sequence(codes).clone(), self.sequence(uniform)
        kept = self.sequence(known[None])[0]
        sequence[:, ~kept] = 0
        found = self.read(sequence, kept.expand_as(sequence), labels, coarse)
        memories, done = [Memory(self.shape.cells) for _ in self.decoder], 0
        groups = sequence.view(len(sequence), self.shape.cells, self.shape.group)
        places = torch.nonzero(~kept)[:, 0].tolist()
        decoded = found[:, :0]
        for count, place in enumerate(places):
            cell, inside = divmod(place, self.shape.group)
            if cell >= done:
                decoded = self._decoded(groups[:, : cell + 1], found, done, memories)[:, -1:]
                done = cell + 1
            logits = self._logits(decoded, groups[:, cell : cell + 1], inside)[:, 0]
            drawn = draw(draw.guided(logits) if guided else logits, chance[:, place])
            groups[:, cell, inside] = drawn.repeat(2) if guided else drawn
            progress((count + 1) / len(places))
        return sequence[: len(uniform), self.back].reshape(uniform.shape)

    def sequence(self, values: Tensor) -> Tensor:
        """Values of a map (batch, rows, columns) in the order in which they are filled (batch, cells)."""
        rows, columns = self.shape.rows, self.shape.columns
        if self.shape.map == "bottom":
            rows, columns = 2 * rows, 2 * columns
        if values.shape[1:] != (rows, columns):
            raise ValueError(f"the {self.shape.map} map has {rows} x {columns} cells, got {tuple(values.shape[1:])}")
        return values.flatten(1)[:, self.order]

    def read(self, sequence: Tensor, known: Tensor, labels: Tensor, coarse: Tensor | None) -> Tensor:
        """What the encoder has to say to each place of the decoder (batch, coarse cells, width)."""
        told = torch.where(known, sequence, self.shape.codes).view(len(sequence), self.shape.cells, self.shape.group)
        x = _looked_up(self.source, told)
        if self.coarse is not None:
            if coarse is None:
                raise ValueError("the fine map is filled under a coarse map: pass coarse")
            first = torch.from_numpy(order(self.shape.rows, self.shape.columns)).to(x.device)
            x = x + self.coarse(coarse.flatten(1)[:, first])
        x = x + self._placed() + self._labelled(labels)[:, None]
        for layer in self.encoder:
            x = layer(x, None, None)
        shared: Tensor = self.share(self.found(x))
        return shared

    def _decoded(self, groups: Tensor, found: Tensor, first: int, memories: list[Memory] | None) -> Tensor:
        """What is said of the cells from `first` on (batch, cells, width); the last group is not looked at."""
        start = torch.full_like(groups[:, :1], self.shape.codes)
        before = torch.cat([start, groups[:, :-1]], dim=1)[:, first:]
        stop = groups.shape[1]
        x = found[:, first:stop] + _looked_up(self.previous, before)
        places = torch.arange(stop, device=x.device)
        allowed = places[first:, None] >= places if stop > first + 1 else None  # the last place may look everywhere
        for k, layer in enumerate(self.decoder):
            x = layer(x, allowed, None if memories is None else memories[k])
        return x

    def _logits(self, decoded: Tensor, groups: Tensor, inside: int) -> Tensor:
        """Logits (batch, cells, codes) of one code of each group, of which those before it are looked at."""
        x = decoded
        if self.inside:
            if inside:
                x = x + _looked_up(list(self.beside)[:inside], groups[..., :inside])
            x = x + self.inside[inside](x)
        logits: Tensor = self.head(self.norm(x))
        return logits

    def _placed(self) -> Tensor:
        """Of each coarse cell (cells, width)."""
        rows, columns = self.row.weight, self.column.weight
        return (columns[:, None] + rows).flatten(0, 1)

    def _labelled(self, labels: Tensor) -> Tensor:
        parts = [
            table(torch.where(column < 0, kind, column))
            for table, column, kind in zip(self.labels, labels.unbind(1), KINDS, strict=True)
        ]
        return torch.stack(parts).sum(dim=0)


def restored(preset: str, weights: Mapping[str, Tensor]) -> CodemapTransformer:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = CodemapTransformer(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)


class _Layer(nn.Module):
    """x + attention(norm x), then x + perceptron(x)."""

    def __init__(self, shape: Shape, length: int, *, ahead: bool) -> None:
        super().__init__()
        self.attention = RelativeAttention(shape.width, shape.heads, length, ahead=ahead)
        self.norm, self.mix = nn.LayerNorm(shape.width), _perceptron(shape.width, 4)
        self.drop = nn.Dropout(shape.dropout)

    def forward(self, x: Tensor, allowed: Tensor | None, memory: Memory | None) -> Tensor:
        x = x + self.drop(self.attention(self.norm(x), allowed, memory))
        out: Tensor = x + self.drop(self.mix(x))
        return out


def _perceptron(width: int, times: int) -> nn.Sequential:
    """One hidden layer that is `times` as wide, behind a norm."""
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, times * width), nn.GELU(), nn.Linear(times * width, width)
    )


def _looked_up(tables: Iterable[nn.Module], codes: Tensor) -> Tensor:
    """Sum of the embeddings (..., width) of codes (..., n), each of them in its own of n tables."""
    return torch.stack([table(codes[..., k]) for k, table in enumerate(tables)]).sum(dim=0)
