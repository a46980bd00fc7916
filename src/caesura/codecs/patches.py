"""Patches of a log-mel spectrogram as latents: the lowest cosines of four frames by four bins, nothing to be trained.

    z_k = s <c_k, max(L, floor) - m> / r_k^(1/2),    c_k = the k-th lowest of the 16 orthonormal cosines of a patch

m is the mean of each bin over a corpus, r_k the spread of each cosine, s what gives the latents unit power. Half of
the cosines hold nearly all of the power of musical sounds, and a cell looks at its own patch and at nothing else, so a
gap costs no latents but its own.

References:
    N. Ahmed, T. Natarajan, K. R. Rao, "Discrete cosine transform", IEEE Transactions on Computers C-23, 1974.
"""

from __future__ import annotations

__all__ = ["CHANNELS", "FOLD", "Patches"]

from dataclasses import dataclass

import numpy as np
import torch
from scipy import fft
from torch import Tensor

FOLD = 4  # frames, and bins, of a patch
# Cosines (along time, along frequency) that are kept, from the most powerful on.
ORDER = ((0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (0, 3), (2, 0), (1, 2))
CHANNELS = len(ORDER)
FLOOR = -9.0  # of the natural logarithm: 75 dB under a full-scale tone


@dataclass(frozen=True, eq=False)
class Patches:
    """A fixed transform in the place of an autoencoder; see `caesura.codecs.vae.Autoencoder`."""

    mean: Tensor
    """m (bins,)."""
    spread: Tensor
    """r^(1/2) / s (CHANNELS,)."""

    def moments(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (batch, CHANNELS, rows, columns) of (batch, 1, frames, bins), and the logarithm of no variance.

        Frames past the last whole row are left out.
        """
        rows, columns = mel.shape[2] // FOLD, mel.shape[3] // FOLD
        centred = mel[:, 0, : rows * FOLD].clamp(min=FLOOR) - self.mean
        patches = centred.reshape(-1, rows, FOLD, columns, FOLD)
        z = torch.einsum("brtcf,ktf->bkrc", patches, _cosines().to(patches)) / self.spread[:, None, None]
        return z, torch.full_like(z, -torch.inf)

    def decoded(self, latents: Tensor) -> Tensor:
        """Log-mel spectrogram (batch, 1, frames, bins), nowhere below the floor."""
        z = latents * self.spread[:, None, None]
        patches = torch.einsum("bkrc,ktf->brtcf", z, _cosines().to(z))
        mel = patches.reshape(len(z), 1, z.shape[2] * FOLD, z.shape[3] * FOLD) + self.mean
        return mel.clamp(min=FLOOR)

    @classmethod
    def fitted(cls, mel: Tensor) -> Patches:
        """The constants for a corpus of log-mel spectrograms (clips, frames, bins)."""
        mean = mel.clamp(min=FLOOR).mean(dim=(0, 1))
        plain, _ = cls(mean, mean.new_ones(CHANNELS)).moments(mel[:, None])
        spread = plain.square().mean(dim=(0, 2, 3)).sqrt().sqrt()
        return cls(mean, spread * (plain / spread[:, None, None]).square().mean().sqrt())


def _cosines() -> Tensor:
    """The kept cosines (CHANNELS, FOLD, FOLD), orthonormal."""
    one = fft.idct(np.eye(FOLD), norm="ortho")  # row k is the k-th cosine
    return torch.from_numpy(np.stack([np.outer(one[i], one[j]) for i, j in ORDER]))
