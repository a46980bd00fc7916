"""Latents of spectrogram images: an autoencoder of pictures codes eight bands by eight columns in one cell.

    E S = s mu(v),   D z = d(z / s),   v = 1 - 2 (S / M)^(1/4)

mu is the mean of the autoencoder's posterior, d its decoder, s the scale at which the latents have about unit variance,
v the grey levels from -1 (loud) to 1 (silent), all three colours alike or, of two channels, green and blue. Long
pictures go through in overlapping parts.

References:
    R. Rombach et al., "High-resolution image synthesis with latent diffusion models", CVPR 2022.
"""

from __future__ import annotations

__all__ = ["ImageLatents", "reach"]

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from caesura.codecs import Cells
from caesura.codecs.image import SpectrogramImage
from caesura.codecs.vae import Autoencoder, Sees
from caesura.diffusion.windowed import blended

FOLD = 8  # bands and columns of a cell
PART = 512  # columns that go through the autoencoder at once: the width it was trained on
PART_HOP = 384

Colours = Literal["grey", "colour"]


def reach(levels: int = 4, layers: int = 2) -> tuple[int, int]:
    """Pixels before its first one that a cell looks at through the convolutions, and past it, its own included.

    Args:
        levels: resolutions of the encoder, each half of the one before.
        layers: residual blocks of each, with two convolutions of reach one.
    """
    scales = [2**k for k in range(levels)]
    # Before the levels, in them, in the middle two more blocks, and the last one; halving looks two pixels ahead only.
    both = 1 + sum(2 * layers * scale for scale in scales) + (4 + 1) * scales[-1]
    return both, both + 2 * sum(scales[:-1]) + 1


@dataclass(frozen=True, eq=False)
class ImageLatents:
    """Mel bands (channels, bands, columns) as latents (items, 4, rows, columns), the highest bands first."""

    vae: Autoencoder
    """Of pictures (batch, 3, rows, columns)."""
    scale: float
    """s."""
    image: SpectrogramImage
    """How the pictures are made."""
    reach: tuple[int, int] = reach()
    """See the function of this name."""

    def encode(self, levels: Tensor) -> Tensor:
        """Latents (items, 4, rows, columns) of pictures (items, 3, bands, columns)."""

        def coded(part: Tensor, _: int) -> Tensor:
            return self.scale * self.vae.moments(part)[0]

        return blended(levels, PART, PART_HOP, coded, scale=(1, FOLD))

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures of latents."""

        def drawn(part: Tensor, _: int) -> Tensor:
            return self.vae.decoded(part / self.scale)

        return blended(latents, PART // FOLD, PART_HOP // FOLD, drawn, scale=(FOLD, 1))

    def pictures(self, mel: np.ndarray, loudest: float, colours: Colours) -> Tensor:
        """Grey levels (items, 3, bands, columns): an item per channel, or one of two channels.

        Args:
            mel: (channels, bands, columns).
            loudest: band value of black.
            colours: "grey" or "colour".
        """
        levels = torch.from_numpy(self.image.levels(mel, loudest)).float()
        if colours == "grey":
            return levels[:, None].expand(-1, 3, -1, -1)
        return torch.stack([-torch.ones_like(levels[0]), *levels])[None]

    def bands(self, pictures: Tensor, loudest: float, colours: Colours) -> np.ndarray:
        """Mel bands (channels, bands, columns) of grey levels; of the three greys the mean is taken."""
        levels = pictures.mean(dim=1) if colours == "grey" else pictures[0, 1:]
        return self.image.from_levels(levels.double().cpu().numpy(), loudest)

    def cells(self, columns: int, sees: Sees = "encoder") -> Cells:
        """What the cells look at; columns of the picture are samples of time, rows bands.

        The encoder's attention and its norms, which run over the whole picture, are not counted in any of the three.

        Args:
            columns: of the picture, a multiple of 8.
            sees: all that the encoder's convolutions reach, the cell's own columns and bands, or the 80 ms of the cell.
        """
        image = self.image
        before, after = self.reach if sees == "encoder" else (0, FOLD)
        first = np.arange(columns // FOLD, dtype=np.int64) * FOLD
        half = image.win_length // 2
        start = (first - before) * image.hop_length - half + 1
        stop = (first + after - 1) * image.hop_length + image.win_length - half
        if sees == "tile":
            start, stop = first * image.hop_length, (first + FOLD) * image.hop_length
        # Rows count from the top, bands from the bottom: the encoder looks further down than up.
        top = np.arange(image.bands // FOLD, dtype=np.int64)[::-1] * FOLD + FOLD - 1
        low, high = (np.clip(edge, 0, image.bands - 1) for edge in (top - after + 1, top + before))
        edges = image.edges
        return Cells(np.maximum(start, 0), stop, edges[low], edges[high + 2])
