"""Notes as two maps of codes, a coarse one and a fine one, by a network that codes their Mel-IF images.

    x -> image -> (top, bottom) -> image_hat -> x_hat

A cell stands for a tile of the plane, its hops in time and its mel bands in frequency; the tiles of a map cover the
plane once. What a code was chosen from, and what it changes, reaches further, by the network's receptive field.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["COLUMN", "CodeMaps", "Quantiser"]

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs import Cells
from caesura.codecs.melif import MelIf, mel_bands

Array = NDArray[np.float64]

COLUMN = 32  # frames of a coarse column
ROUNDS = 1  # of making phases agree: the Frechet distance of rebuilt notes falls by a third, further rounds add nothing
LOUDEST = 12.0  # log mel power that an image may have; a full-scale tone has about 11


class Quantiser(Protocol):
    """The network: images (batch, 2, bins, frames) to maps (batch, rows, columns), lowest row first, and back."""

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Coarse and fine codes."""

    def decode(self, top: Tensor, bottom: Tensor) -> Tensor:
        """Images."""


@dataclass(frozen=True, eq=False)
class CodeMaps:
    """Signals (batch, samples) to two maps of codes and back."""

    network: Quantiser
    melif: MelIf
    device: torch.device
    """Where the network is."""
    fine: int = 2
    """Rows and columns of the fine map per row and column of the coarse one."""

    def columns(self, samples: int) -> int:
        """Coarse columns of a signal: enough for its last sample."""
        return -(-samples // (COLUMN * self.melif.hop_length))

    def encode(self, x: Array) -> tuple[Tensor, Tensor]:
        """Codes of signals.

        Args:
            x: (batch, samples).

        Returns:
            coarse codes (batch, rows, columns) and fine ones (batch, fine rows, fine columns).
        """
        wanted = self.columns(x.shape[1]) * COLUMN * self.melif.hop_length
        # one sample less, so that the last frame is the last of its column
        padded = np.pad(x, ((0, 0), (0, wanted - x.shape[1])))[:, : wanted - 1]
        image = torch.from_numpy(self.melif.encode(padded)).to(self.device, torch.float32)
        with torch.no_grad():
            return self.network.encode(image)

    def decode(self, top: Tensor, bottom: Tensor, samples: int) -> Array:
        """Signals (batch, samples) of codes as from `encode`."""
        with torch.no_grad():
            image = self.network.decode(top, bottom).double().cpu().numpy()
        image[:, 0] = np.minimum(image[:, 0], LOUDEST)
        return self.melif.decode(image, samples, ROUNDS)

    def cells(self, samples: int, *, top: bool) -> Cells:
        """The tiles that the cells of one map stand for.

        Args:
            samples: of the signal.
            top: of the coarse map, otherwise of the fine one.
        """
        step = 1 if top else self.fine
        hop = self.melif.hop_length
        edges = np.arange(self.columns(samples) * step + 1, dtype=np.int64) * (COLUMN // step * hop)
        edges = np.clip(edges - hop // 2, 0, samples)  # a frame lies in the middle of its hop
        edges[-1] = samples
        _, centre, _ = mel_bands(self.melif.bins, self.melif.bins, self.melif.sample_rate, self.melif.break_hz)
        rows = self.melif.bins // (COLUMN // step)
        between = 0.5 * (centre[1:] + centre[:-1])
        inner = between[np.arange(1, rows) * (self.melif.bins // rows) - 1]
        hertz = np.concatenate([[0.0], inner, [self.melif.sample_rate / 2]])
        return Cells(edges[:-1], edges[1:], hertz[:-1], hertz[1:])
