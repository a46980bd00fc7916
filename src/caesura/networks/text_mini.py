"""A small network of our own that denoises mel patches as a text says: convolutions, attention, words spelt in pieces.

    v = F(z_t, t, text),   word = sum of the vectors of its letter triples,   text = transformer(words)

A row of latents is a vector; two rows are a token. Nothing knows where in the clip it is, so a network trained on 5 s
works on 10 s. Words are hashed by their triples of letters, which makes a vocabulary needless: a plural is near its
singular, and a word that was never seen is noise that the attention can leave out.

References:
    W. Peebles, S. Xie, "Scalable diffusion models with transformers", ICCV 2023 (the modulation by the level).
    P. Bojanowski et al., "Enriching word vectors with subword information", Transactions of the ACL 5, 2017.
    T. Salimans, J. Ho, "Progressive distillation for fast sampling of diffusion models", ICLR 2022 (v).
"""

from __future__ import annotations

__all__ = ["BETAS", "LEVELS", "PRESETS", "Shape", "TextMini", "pieces", "restored", "rowed"]

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from caesura.codecs.patches import CHANNELS
from caesura.diffusion.schedules import sigmas_of
from caesura.networks.latent_models import scaled_linear

BETAS, LEVELS = (0.0015, 0.0195), 1000
BUCKETS = 4096  # vectors that triples of letters share
WORDS, PIECES = 24, 20  # of a text, of a word: what is longer is cut
FREQUENCIES = 16
HEAD = 64  # channels of an attention head


@dataclass(frozen=True)
class Shape:
    """Sizes."""

    columns: int = 16
    """Of the latents."""
    rows: int = 128
    """Width at the rate of rows."""
    width: int = 256
    """Width of tokens."""
    layers: int = 4
    """Of tokens."""
    grow: int = 2
    """How much wider the middle of a layer is."""
    text: int = 192
    """Width of words."""
    reader: int = 2
    """Layers of words."""


PRESETS = {
    "tiny": Shape(rows=32, width=64, layers=1, grow=1, text=64, reader=1),
    "cpu": Shape(),
    "gpu": Shape(rows=384, width=512, layers=12, grow=4, text=256, reader=3),
}


def pieces(text: str) -> Tensor:
    """The words of a text as buckets of their letter triples, int64 (1, WORDS, PIECES); 0 is nothing."""
    found = torch.zeros(1, WORDS, PIECES, dtype=torch.long)
    for n, word in enumerate(re.findall(r"[a-z0-9#]+", text.lower())[:WORDS]):
        marked = f"<{word}>"
        parts = [marked, *(marked[k : k + 3] for k in range(len(marked) - 2))][:PIECES]
        for k, part in enumerate(parts):
            found[0, n, k] = 1 + zlib.crc32(part.encode()) % (BUCKETS - 1)
    return found


class TextMini(nn.Module):
    """The velocity of noisy latents.

    Args:
        shape: sizes.
    """

    mean: Tensor
    spread: Tensor
    log_levels: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape, cells, width = shape, CHANNELS * shape.columns, shape.width
        # of the codec, so that they travel with the weights
        self.register_buffer("mean", torch.zeros(4 * shape.columns))
        self.register_buffer("spread", torch.ones(CHANNELS))
        levels = sigmas_of(scaled_linear(*BETAS, LEVELS)).log().float()
        self.register_buffer("log_levels", levels, persistent=False)
        self.reader = _Reader(shape)
        self.level = _Level(width)
        self.told = nn.Linear(shape.text, width)
        modulating = nn.Linear(width, 6 * width)
        nn.init.zeros_(modulating.weight)
        self.modulation = nn.Sequential(nn.SiLU(), modulating)
        self.entry = nn.Conv1d(cells, shape.rows, 5, padding=2)
        self.first = _Convolved(shape.rows, 2)
        self.join = nn.Linear(2 * shape.rows, width)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.split = nn.Linear(width, 2 * shape.rows)
        self.last = _Convolved(shape.rows, 2)
        self.exit = nn.Conv1d(shape.rows, cells, 5, padding=2)
        nn.init.zeros_(self.exit.weight)

    def read(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """What the network is told: words (batch, WORDS + 1, text) and which of them there are (batch, WORDS + 1)."""
        words: tuple[Tensor, Tensor] = self.reader(text)
        return words

    def forward(self, z: Tensor, t: Tensor, words: Tensor, there: Tensor) -> Tensor:
        """The velocity.

        Args:
            z: noisy latents at unit power (batch, CHANNELS, rows, columns), an even number of rows.
            t: index of the level (batch,).
            words: from `read`.
            there: from `read`.

        Returns:
            As `z`.
        """
        x = self.entry(rowed(z))
        return self.drawn(x, self.moved(t, words), words, there)

    def zeros(self) -> list[Tensor]:
        """Weights that are zero at first, and hide what comes before them."""
        return [self.exit.weight]

    def moved(self, t: Tensor, words: Tensor) -> Tensor:
        """What level and text say to every layer, (batch, 6, 1, width)."""
        emb = self.level(self.log_levels[t]) + self.told(words[:, 0])
        out: Tensor = self.modulation(emb)
        return out.reshape(len(emb), 6, 1, -1)

    def drawn(self, x: Tensor, modulation: Tensor, words: Tensor, there: Tensor) -> Tensor:
        """The velocity of what has entered (batch, rows at the rate of rows, rows)."""
        x = self.first(x.transpose(1, 2))
        y = self.join(x.reshape(len(x), x.shape[1] // 2, -1))
        for layer in self.layers:
            y = layer(y, modulation, words, there)
        return self.left(x, y)

    def left(self, x: Tensor, y: Tensor) -> Tensor:
        """The velocity, from rows (batch, rows, channels) and tokens (batch, rows / 2, width)."""
        x = self.last(x + self.split(y).reshape(x.shape))
        out: Tensor = self.exit(x.transpose(1, 2))
        return out.reshape(len(x), CHANNELS, self.shape.columns, x.shape[1]).transpose(2, 3)


def rowed(z: Tensor) -> Tensor:
    """Latents (batch, channels, rows, columns) with all that a row holds beside each other (batch, cells, rows)."""
    return z.transpose(2, 3).reshape(len(z), -1, z.shape[2])


def restored(preset: str, weights: Mapping[str, Tensor]) -> TextMini:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = TextMini(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)


class _Level(nn.Module):
    """Sines and cosines of the logarithm of a level, mixed."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", 0.2 * 2.0 ** torch.linspace(0.0, 4.0, FREQUENCIES), persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, log_level: Tensor) -> Tensor:
        """(batch,) -> (batch, width)."""
        phase = log_level[:, None] * self.frequencies
        out: Tensor = self.mix(torch.cat([phase.sin(), phase.cos()], dim=1))
        return out


class _Reader(nn.Module):
    """Words from pieces, and what they mean beside each other; the first word is the whole text."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.spelling = nn.Embedding(BUCKETS, shape.text, padding_idx=0)
        nn.init.normal_(self.spelling.weight, std=0.3)
        with torch.no_grad():
            self.spelling.weight[0] = 0.0
        self.place = nn.Parameter(0.1 * torch.randn(WORDS + 1, shape.text))
        self.layers = nn.ModuleList(_Read(shape.text) for _ in range(shape.reader))
        self.norm = nn.LayerNorm(shape.text)

    def forward(self, text: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, WORDS, PIECES) -> (batch, WORDS + 1, text), (batch, WORDS + 1)."""
        count = (text > 0).sum(dim=2)
        words = self.spelling(text).sum(dim=2) / count.clamp(min=1)[..., None].sqrt()
        x = functional.pad(words, (0, 0, 1, 0)) + self.place
        there = functional.pad(count > 0, (1, 0), value=True)
        for layer in self.layers:
            x = layer(x, there)
        return self.norm(x), there


class _Read(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = _Attention(width, width)
        self.mix = _mixer(width, 2)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        normed = self.norm(x)
        x = x + self.attention(normed, normed, there)
        mixed: Tensor = x + self.mix(x)
        return mixed


class _Layer(nn.Module):
    """Neighbours, the whole clip, the text, and each token by itself; the level says how much of each."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width = shape.width
        self.table = nn.Parameter(0.02 * torch.randn(6, 1, width))
        self.near = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.attention = _Attention(width, width)
        self.text = _Attention(width, shape.text)
        self.before_text = nn.LayerNorm(width)
        self.mix = nn.Sequential(
            nn.Linear(width, shape.grow * width), nn.GELU(approximate="tanh"), nn.Linear(shape.grow * width, width)
        )

    def forward(self, x: Tensor, modulation: Tensor, words: Tensor, there: Tensor) -> Tensor:
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = (modulation + self.table).unbind(dim=1)
        x = x + self.near(x.transpose(1, 2)).transpose(1, 2)
        normed = self.norms[0](x) * (1 + scale_a) + shift_a
        x = x + (1 + gate_a) * self.attention(normed, normed)
        x = x + self.text(self.before_text(x), words, there)
        mixed: Tensor = x + (1 + gate_m) * self.mix(self.norms[1](x) * (1 + scale_m) + shift_m)
        return mixed


class _Attention(nn.Module):
    def __init__(self, width: int, context: int) -> None:
        super().__init__()
        self.heads = max(width // HEAD, 1)
        self.query = nn.Linear(width, width)
        self.context = nn.Linear(context, 2 * width)
        self.out = nn.Linear(width, width)
        nn.init.normal_(self.out.weight, std=0.2 / math.sqrt(width))
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, context: Tensor, there: Tensor | None = None) -> Tensor:
        """(batch, tokens, width), of (batch, others, context) those that are there."""

        def by_head(y: Tensor) -> Tensor:
            return y.reshape(*y.shape[:2], self.heads, -1).transpose(1, 2)

        key, value = self.context(context).chunk(2, dim=-1)
        mask = None if there is None else there[:, None, None]
        seen = functional.scaled_dot_product_attention(
            by_head(self.query(x)), by_head(key), by_head(value), attn_mask=mask
        )
        out: Tensor = self.out(seen.transpose(1, 2).reshape(x.shape))
        return out


class _Convolved(nn.Module):
    """Rows, each mixed with what its neighbourhood shows."""

    def __init__(self, width: int, grow: int) -> None:
        super().__init__()
        self.near = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.mix = _mixer(width, grow)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = x + self.mix(self.near(x.transpose(1, 2)).transpose(1, 2))
        return mixed


def _mixer(width: int, grow: int) -> nn.Sequential:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, grow * width), nn.GELU(approximate="tanh"), nn.Linear(grow * width, width)
    )
