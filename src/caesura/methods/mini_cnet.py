"""The small text model, locked, with a branch that hears a backing track: adds an instrument, as a few words say.

    D(z) = D_u + w_g (D_g - D_u) + w_t (D_tg - D_g),   x_hat = guide + a voice(z)

D_u is `text_mini`, which hears no backing track; the branch beside it was trained on short pieces of three to five
instruments that we rendered. The stem is drawn by itself, at 16 kHz; the backing track comes back as it was. Its
weights come with the package, and learnt half as long as those of `mini_p2p` (docs/cards/mini_add.md).

References:
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", IEEE WASPAA 2013.
"""

from __future__ import annotations

__all__ = ["MiniCnet"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from caesura.inpainter import Accepts

try:
    import torch  # noqa: F401
except ImportError:
    raise ValueError("mini_cnet needs PyTorch: pip install 'caesura[torch]'") from None

from caesura.methods._accompaniment import Adding


@dataclass(frozen=True)
class MiniCnet(Adding):
    """Small locked text model with a branch that hears the backing track it adds an instrument to."""

    weights: str = ""
    """"" (those of the package), a .safetensors file that `caesura train mini_cnet` wrote, or "tiny" (untrained)."""

    network: ClassVar[str] = "mini_cnet"
    accepts: ClassVar[Accepts] = Accepts(sample_rate=16_000, context=None, guide=True, adds=True)
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2}
