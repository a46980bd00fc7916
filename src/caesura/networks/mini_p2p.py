"""The small text model with a backing track beside the noisy latents: it draws what an instrument adds to it.

    v = F([z_t, c], t, text),   F = text_mini with twice the cells in its first convolution, the new ones at zero weight

c are the latents of the backing track, zero where there is none. Before it has learnt anything it is `text_mini`. What
it draws is the stem by itself and not the mix: from a picture of the mix less that of the backing much less can be
heard of the stem than from a picture of its own.

References:
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
"""

from __future__ import annotations

__all__ = ["PRESETS", "MiniP2p", "restored", "widened"]

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from caesura.codecs.patches import CHANNELS
from caesura.networks.text_mini import PRESETS, Shape, TextMini, rowed


class MiniP2p(TextMini):
    """The velocity of noisy latents of a stem beside those of what it is added to.

    Args:
        shape: sizes, as of `TextMini`.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.entry = nn.Conv1d(2 * CHANNELS * shape.columns, shape.rows, 5, padding=2)

    def forward(self, z: Tensor, t: Tensor, words: Tensor, there: Tensor, guide: Tensor | None = None) -> Tensor:
        """The velocity.

        Args:
            z: noisy latents of the stem at unit power (batch, CHANNELS, rows, columns), an even number of rows.
            t: index of the level (batch,).
            words: from `read`.
            there: from `read`.
            guide: latents of the backing track, broadcast over `z`; zero, or None, is none.

        Returns:
            As `z`.
        """
        beside = torch.zeros_like(z) if guide is None else guide.expand(z.shape)
        x = self.entry(torch.cat([rowed(z), rowed(beside)], dim=1))
        return self.drawn(x, self.moved(t, words), words, there)


def widened(base: TextMini) -> MiniP2p:
    """A network that does what `base` does, whatever the backing track."""
    network = MiniP2p(base.shape)
    weights = dict(base.state_dict())
    entry = weights["entry.weight"]
    weights["entry.weight"] = torch.cat([entry, torch.zeros_like(entry)], dim=1)
    network.load_state_dict(weights)
    return network


def restored(preset: str, weights: Mapping[str, Tensor]) -> MiniP2p:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = MiniP2p(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)
