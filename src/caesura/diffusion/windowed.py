"""A network that knows short signals, asked for a long one: the mean of what it says of overlapping windows.

    D(x, sigma)[t] = sum_k w_k(t) D_k(x[window k], sigma)[t] / sum_k w_k(t)

Windows that overlap share one state at every level, so they agree where they meet, and nothing has to be joined. What a
window is told may depend on where it is.

References:
    O. Bar-Tal, L. Yariv, Y. Lipman, T. Dekel, "MultiDiffusion: fusing diffusion paths for controlled image generation",
        ICML 2023.
"""

from __future__ import annotations

__all__ = ["Windowed", "blended", "starts"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from caesura.diffusion.denoisers import Denoiser


@dataclass(frozen=True, eq=False)
class Windowed:
    """A denoiser of signals of any length along their last axis."""

    prior: Denoiser
    """Asked for one window after the other."""
    width: int
    """Of a window; shorter signals are given as they are."""
    hop: int
    """From window to window, at most the width."""
    told: Callable[[float], Mapping[str, Any]] | None = None
    """What a window is told besides, by where its middle is: 0 at the first window's, 1 at the last one's."""
    along: Mapping[str, int] = field(default_factory=dict)
    """Conditions that run along with the signal, (..., length times this); a window is told its own part of them."""

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """See `Denoiser`."""
        places = starts(x.shape[-1], self.width, self.hop)

        def denoised(part: Tensor, number: int) -> Tensor:
            place = number / (len(places) - 1) if len(places) > 1 else 0.0
            more = {} if self.told is None else self.told(place)
            first, last = places[number], places[number] + part.shape[-1]
            beside = {name: cond[name][..., times * first : times * last] for name, times in self.along.items()}
            return self.prior(part, sigma, **{**cond, **beside, **more})

        return blended(x, self.width, self.hop, denoised)


def starts(length: int, width: int, hop: int) -> list[int]:
    """Where windows begin that cover a signal; the last one ends with it."""
    if length <= width:
        return [0]
    return [*range(0, length - width, hop), length - width]


def blended(
    x: Tensor, width: int, hop: int, work: Callable[[Tensor, int], Tensor], *, scale: tuple[int, int] = (1, 1)
) -> Tensor:
    """What is made of windows along the last axis, faded into each other where they overlap.

    Args:
        x: (..., length).
        width: of a window.
        hop: from window to window.
        work: (window, number of it) -> what is made of it.
        scale: how long that is for how much of the signal, such as (8, 1).

    Returns:
        (..., length * scale[0] / scale[1]).
    """
    places = starts(x.shape[-1], width, hop)
    if len(places) == 1:
        return work(x, 0)
    pieces = [work(x[..., start : start + width], number) for number, start in enumerate(places)]
    near = torch.arange(1, pieces[0].shape[-1] + 1, device=x.device)
    ramp = torch.minimum(near, near.flip(0)).to(pieces[0].dtype)  # 1 at the edges, so that the signal has its ends
    total = pieces[0].new_zeros((*pieces[0].shape[:-1], x.shape[-1] * scale[0] // scale[1]))
    weights = total.new_zeros(total.shape[-1])
    for start, piece in zip(places, pieces, strict=True):
        at = start * scale[0] // scale[1]
        total[..., at : at + ramp.numel()] += ramp * piece
        weights[at : at + ramp.numel()] += ramp
    return total / weights
