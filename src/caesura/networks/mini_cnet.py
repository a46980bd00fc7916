"""The small text model, locked, with a branch that hears a backing track and steers what it draws.

    y_k <- y_k + Z_k b_k(z_t, c, t, text),   b = a copy of the first half that sees z_t and H c,   Z_k = 0 at first

c are the latents of the backing track. The branch copies rows, their joining to tokens and the first half of the
layers; it adds to the rows that are left over for the end and to the tokens after that half. The model itself stays
as it was: without a backing track, and before the branch has learnt anything, this is `text_mini`.

References:
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
"""

from __future__ import annotations

__all__ = ["PRESETS", "MiniCnet", "controlled", "restored"]

import copy
from collections.abc import Mapping

from torch import Tensor, nn

from caesura.codecs.patches import CHANNELS
from caesura.networks.text_mini import PRESETS, Shape, TextMini, rowed
from caesura.networks.weights import tensors

FAINT = 0.01  # of the weights through which the backing track enters, at first


class MiniCnet(TextMini):
    """The velocity of noisy latents of a stem, steered by those of what it is added to.

    Args:
        shape: sizes, as of `TextMini`.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.middle = (shape.layers + 1) // 2
        self.hint = nn.Conv1d(CHANNELS * shape.columns, shape.rows, 5, padding=2)
        nn.init.normal_(self.hint.weight, std=FAINT)  # the copies begin with nearly what they know
        self.branch = nn.ModuleDict({name: copy.deepcopy(getattr(self, name)) for name in ("entry", "first", "join")})
        self.branch_layers = nn.ModuleList(copy.deepcopy(layer) for layer in list(self.layers)[: self.middle])
        self.to_rows = _zero(nn.Linear(shape.rows, shape.rows))
        self.to_tokens = _zero(nn.Linear(shape.width, shape.width))

    def forward(self, z: Tensor, t: Tensor, words: Tensor, there: Tensor, guide: Tensor | None = None) -> Tensor:
        """The velocity.

        Args:
            z: noisy latents of the stem at unit power (batch, CHANNELS, rows, columns), an even number of rows.
            t: index of the level (batch,).
            words: from `read`.
            there: from `read`.
            guide: latents of the backing track, broadcast over `z`; None is none, and the branch is not asked.

        Returns:
            As `z`.
        """
        modulation, entered = self.moved(t, words), rowed(z)
        x = self.first(self.entry(entered).transpose(1, 2))
        y = self.join(x.reshape(len(x), x.shape[1] // 2, -1))
        for layer in self.layers[: self.middle]:
            y = layer(y, modulation, words, there)
        if guide is not None:
            rows, tokens = self._steered(entered, rowed(guide.expand(z.shape)), modulation, words, there)
            x, y = x + rows, y + tokens
        for layer in self.layers[self.middle :]:
            y = layer(y, modulation, words, there)
        return self.left(x, y)

    def _steered(
        self, entered: Tensor, beside: Tensor, modulation: Tensor, words: Tensor, there: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the branch adds to rows (batch, rows, channels) and tokens (batch, rows / 2, width)."""
        x = self.branch["entry"](entered) + self.hint(beside)
        x = self.branch["first"](x.transpose(1, 2))
        y = self.branch["join"](x.reshape(len(x), x.shape[1] // 2, -1))
        for layer in self.branch_layers:
            y = layer(y, modulation, words, there)
        return self.to_rows(x), self.to_tokens(y)

    def zeros(self) -> list[Tensor]:
        """See `TextMini`."""
        return [*super().zeros(), *(part.weight for part in (self.to_rows, self.to_tokens))]

    def learning(self) -> list[nn.Parameter]:
        """The parameters of the branch."""
        parts = (self.hint, self.branch, self.branch_layers, self.to_rows, self.to_tokens)
        return [parameter for part in parts for parameter in part.parameters()]


def controlled(base: TextMini) -> MiniCnet:
    """A network that does what `base` does, whatever the backing track, and in which only the branch learns."""
    network = MiniCnet(base.shape)
    network.load_state_dict(base.state_dict(), strict=False)
    for name, part in network.branch.items():
        part.load_state_dict(getattr(base, name).state_dict())
    for mine, layer in zip(network.branch_layers, base.layers, strict=False):
        mine.load_state_dict(layer.state_dict())
    network.requires_grad_(False)
    for parameter in network.learning():
        parameter.requires_grad_(True)
    return network


def restored(preset: str, weights: Mapping[str, Tensor]) -> MiniCnet:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`.

    Where those of the locked model are left out, they are those of the `text_mini` that came with the package.
    """
    network = MiniCnet(PRESETS[preset])
    known = {} if "entry.weight" in weights else tensors("text_mini")
    network.load_state_dict({**known, **weights})
    return network.eval().requires_grad_(False)


def _zero(part: nn.Linear) -> nn.Linear:
    """A part that passes nothing on until it has learnt to."""
    nn.init.zeros_(part.weight)
    nn.init.zeros_(part.bias)
    return part
