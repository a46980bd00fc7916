"""Latents of a log-mel spectrogram: an autoencoder codes four frames and four bins in one cell, a vocoder goes back.

    E x = s mu(L(g (x - m))),    D z = v(d(z / s))

L is the log-mel spectrogram, mu the mean of the autoencoder's posterior and d its decoder, s the scale at which the
latents have about unit variance, v the vocoder. Level g, m are the caller's, who knows what of the signal is reliable.
The networks are handed in.

References:
    H. Liu et al., "AudioLDM: text-to-audio generation with latent diffusion models", ICML 2023.
    J. Kong, J. Kim, J. Bae, "HiFi-GAN: generative adversarial networks for efficient and high fidelity speech
        synthesis", NeurIPS 2020.
"""

from __future__ import annotations

__all__ = ["Autoencoder", "Latents", "Sees"]

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from caesura.codecs import Cells
from caesura.codecs.mel import Mel
from caesura.problem import Region

FRAMES_BEFORE = 49  # frames before its first one that a row of latents looks at, through the encoder's convolutions
FRAMES_AFTER = 56  # and past it, its own four included

Sees = Literal["encoder", "frames", "tile"]
"""What a row of latents is said to look at: all that the encoder's convolutions reach (about half a second on either
side), the frames it stands for, or the 40 ms between it and the next row, as the published masks have it."""


class Autoencoder(Protocol):
    """A variational autoencoder of log-mel spectrograms (batch, 1, frames, bins)."""

    def moments(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of the latents, (batch, channels, rows, columns) each."""

    def decoded(self, latents: Tensor) -> Tensor:
        """Log-mel spectrogram of latents."""


class Latents:
    """Signals at 16 kHz as latents (batch, channels, rows, columns): rows along time, columns along frequency."""

    def __init__(
        self, vae: Autoencoder, vocoder: Callable[[Tensor], Tensor], scale: float, mel: Mel | None = None, fold: int = 4
    ) -> None:
        """Put the parts together.

        Args:
            vae: the autoencoder.
            vocoder: (batch, frames, bins) -> (batch, samples), at least one hop of samples per frame.
            scale: s; of each checkpoint its own.
            mel: the spectrogram it was trained on; None: that of AudioLDM and Tango.
            fold: frames in a row, and bins in a column.
        """
        self.vae, self.vocoder, self.scale, self.fold = vae, vocoder, scale, fold
        self.mel = Mel() if mel is None else mel

    @property
    def row(self) -> int:
        """Samples from row to row."""
        return self.fold * self.mel.hop_length

    def encode(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents of signals that are already at their level.

        Args:
            x: (batch, samples), a multiple of `row`.
            noise: standard normal, of the latents' shape, to draw from the posterior as the published code does; None
                takes its mean.
        """
        if x.ndim != 2 or x.shape[1] % self.row:
            raise ValueError(f"the signals have shape {tuple(x.shape)}: (batch, a multiple of {self.row} samples)")
        mel = torch.from_numpy(self.mel.encode(x.double().cpu().numpy())).to(x)
        mean, log_variance = self.vae.moments(mel[:, None])
        if noise is None:
            return self.scale * mean
        return self.scale * (mean + (0.5 * log_variance).exp() * noise)

    def decode(self, z: Tensor, samples: int) -> Tensor:
        """Signals of latents.

        Args:
            z: (batch, channels, rows, columns).
            samples: length of the signals, at most `rows` times `row`; the vocoder rings on for a little.

        Returns:
            (batch, samples).
        """
        mel = self.vae.decoded(z / self.scale)
        return self.vocoder(mel[:, 0])[:, :samples]

    def cells(self, samples: int, sees: Sees = "encoder") -> Cells:
        """What the cells look at.

        The encoder's attention and its norms, which run over the whole clip, are not counted in any of the three. Along
        frequency its convolutions reach everywhere, so that with "encoder" every column looks at the whole band; with
        the others at its own bins.

        Args:
            samples: length of the signals, a multiple of `row`.
            sees: what is counted.
        """
        first = np.arange(samples // self.row, dtype=np.int64) * self.fold
        before, after = {"encoder": (FRAMES_BEFORE, FRAMES_AFTER), "frames": (0, self.fold)}.get(sees, (0, 0))
        hop, half = self.mel.hop_length, self.mel.n_fft // 2
        start, stop = (first - before) * hop - half + 1, (first + after - 1) * hop + half
        low, high = self.mel.edges[: -2 : self.fold], self.mel.edges[self.fold + 1 :: self.fold]
        if sees == "tile":
            start, stop = first * hop, (first + self.fold) * hop
        if sees == "encoder":
            low, high = np.zeros_like(low), np.full_like(high, self.mel.sample_rate / 2)
        return Cells(np.maximum(start, 0), np.minimum(stop, samples), low, high)

    def regions(
        self, samples: int, time: tuple[float, float] = (1.0, 1.0), band: tuple[float, float] = (1.0, 1.0)
    ) -> tuple[Region, ...]:
        """What AudioLDM's program regenerates for its two ratios, as regions.

        With `cells(samples, "tile")` they take out exactly its rows and columns; (1, 1) takes out none.

        Args:
            samples: length of the signals, a multiple of `row`.
            time: first and last share of the clip.
            band: first and last share of the columns; (0.75, 1) is its super-resolution.
        """
        edges, rows = self.mel.edges, samples // self.row
        columns = self.mel.n_mels // self.fold
        first, stop = (int(rows * share) for share in time)
        low, high = (int(columns * share) for share in band)
        found = [Region(first * self.row, stop * self.row)] if stop > first else []
        if high > low:
            # Bands of neighbouring columns overlap by one bin: from one edge further the column below is not met.
            lower = 0.0 if low == 0 else float(edges[low * self.fold + 1])
            found.append(Region(0, samples, lower, float(edges[high * self.fold])))
        return tuple(found)
