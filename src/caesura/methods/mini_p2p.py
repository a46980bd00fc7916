"""A small model of our own that adds an instrument to a backing track, as a few words say; it comes with the package.

    D(z) = D_u + w_g (D_g - D_u) + w_t (D_tg - D_g),   x_hat = guide + a voice(z)

It is `text_mini` with the backing track beside its noisy input, trained on short pieces of three to five instruments
that we rendered (docs/cards/mini_add.md). The stem is drawn by itself, at 16 kHz; the backing track comes back as it
was. Words that are understood name one of eleven kinds of instruments, a register, slow or fast, and a figure.

References:
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", IEEE WASPAA 2013.
"""

from __future__ import annotations

__all__ = ["MiniP2p"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from caesura.inpainter import Accepts

try:
    import torch  # noqa: F401
except ImportError:
    raise ValueError("mini_p2p needs PyTorch: pip install 'caesura[torch]'") from None

from caesura.methods._accompaniment import Adding


@dataclass(frozen=True)
class MiniP2p(Adding):
    """Small diffusion model that adds an instrument, told by a text, to a backing track."""

    weights: str = ""
    """"" (those of the package), a .safetensors file that `caesura train mini_p2p` wrote, or "tiny" (untrained)."""

    network: ClassVar[str] = "mini_p2p"
    accepts: ClassVar[Accepts] = Accepts(sample_rate=16_000, context=None, guide=True, adds=True)
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2}
