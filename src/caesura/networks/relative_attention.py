"""Attention with a learned bias for every distance, and a memory of what was attended to before.

    softmax(q_i . k_j + bias_ij) v_j,   bias_ij = q_i . before[n - 1 - (i' - j)] if j <= i', else q_i . after[j - i']

q is already divided by the root of its length; i' = floor(i keys / queries) is the place of query i among the n keys.

References:
    P. Shaw, J. Uszkoreit, A. Vaswani, "Self-attention with relative position representations", NAACL 2018.
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["Memory", "RelativeAttention", "relative_bias"]

import math

import torch
from torch import Tensor, nn


def relative_bias(q: Tensor, before: Tensor, after: Tensor | None, places: Tensor, keys: int) -> Tensor:
    """Bias of each score.

    Args:
        q: scaled queries (..., queries, dim).
        before: table for keys up to the query (..., n, dim), the query's own place last.
        after: table for keys behind it (..., n, dim); None: there are none, and their bias is that of the first place.
        places: where the queries stand among the keys (queries,).
        keys: number of keys, at most n.

    Returns:
        (..., queries, keys).
    """
    n = before.shape[-2]
    distance = places[:, None] - torch.arange(keys, device=q.device)
    found = _looked_up(q, before, (n - 1 - distance).clamp(0, n - 1))
    if after is None:
        return found
    return torch.where(distance >= 0, found, _looked_up(q, after, (-distance).clamp(0, n - 1)))


class Memory:
    """Keys and values of the places so far.

    Args:
        length: of the sequence.
    """

    def __init__(self, length: int) -> None:
        self.length, self.filled = length, 0
        self.kept: tuple[Tensor, Tensor] | None = None

    def extended(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (batch, heads, n, dim), and return all of them."""
        if self.kept is None:
            shape = (*k.shape[:2], self.length, k.shape[3])
            self.kept = (k.new_empty(shape), v.new_empty(shape))
        stop = self.filled + k.shape[2]
        for store, new in zip(self.kept, (k, v), strict=True):
            store[:, :, self.filled : stop] = new
        self.filled = stop
        return self.kept[0][:, :, :stop], self.kept[1][:, :, :stop]


class RelativeAttention(nn.Module):
    """Self-attention over sequences of up to `length` places.

    Args:
        width: of the vectors.
        heads: that share it.
        length: of the longest sequence.
        ahead: whether a place may look at later ones.
    """

    def __init__(self, width: int, heads: int, length: int, *, ahead: bool) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width={width} must be a multiple of heads={heads}")
        self.heads, dim = heads, width // heads
        self.project = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.before = nn.Parameter(torch.randn(heads, length, dim) / math.sqrt(dim))
        self.after = nn.Parameter(torch.randn(heads, length, dim) / math.sqrt(dim)) if ahead else None

    def forward(self, x: Tensor, allowed: Tensor | None = None, memory: Memory | None = None) -> Tensor:
        """Attend.

        Args:
            x: (batch, places, width); with a memory they follow those that it holds.
            allowed: bool (places, keys), True where a place may look; None: everywhere.
            memory: of earlier calls; it takes up these places.

        Returns:
            (batch, places, width).
        """
        batch, count, width = x.shape
        parts = self.project(x).view(batch, count, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0] / math.sqrt(width // self.heads), parts[1], parts[2]
        first = 0 if memory is None else memory.filled
        if memory is not None:
            k, v = memory.extended(k, v)
        scores = q @ k.transpose(-1, -2) + self._bias(q, first, k.shape[2])
        if allowed is not None:
            scores = scores.masked_fill(~allowed, -torch.inf)
        heard = (scores.softmax(dim=-1) @ v).transpose(1, 2).reshape(batch, count, width)
        out: Tensor = self.out(heard)
        return out

    def _bias(self, q: Tensor, first: int, keys: int) -> Tensor:
        """Bias of queries from place `first` on."""
        count, n = q.shape[2], self.before.shape[1]
        if count == 1 and keys == first + 1:  # one place that looks back: the table's rows stand in the keys' order
            return q @ self.before[:, n - keys :].transpose(-1, -2)
        return relative_bias(q, self.before, self.after, torch.arange(first, first + count, device=q.device), keys)


def _looked_up(q: Tensor, table: Tensor, rows: Tensor) -> Tensor:
    scores = q @ table.transpose(-1, -2)
    return scores.gather(-1, rows.expand(*scores.shape[:-2], *rows.shape))
