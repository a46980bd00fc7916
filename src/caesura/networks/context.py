"""What the lean network is told of a recording: its spectral envelope, what is known, and a first guess of the rest.

    z = W x,   W = 1 / H(f),   H(f)^2 = power of the recording in thirds of an octave;    D_x = H D_z W

In z every band is as loud as every other, so that one noise level means the same to all of them and white noise in z
has the recording's own spectrum in x. The network never sees the level or the colour of a recording. The estimate fades
from the first guess, which is continuous at the edges of a gap, into the network's own over a few milliseconds.

References:
    none needed; whitening by the smoothed spectrum is textbook linear prediction without its all-pole model.
"""

from __future__ import annotations

__all__ = ["Context"]

from typing import Any

import torch
from torch import Tensor

from caesura.diffusion import Karras
from caesura.networks.cqt_lean import CqtLean

LOWEST = 25.0  # hertz of the lowest band of the envelope
PER_OCTAVE = 3  # bands of the envelope
FLOOR = 1e-7  # of the loudest band's power; quieter bands are not turned up further
SILENCE = 1e-10  # power below which a recording is taken for silence
ENDS = 0.01  # seconds over which a window fades in and out: the transform is periodic
EDGE = 0.003  # seconds of a gap, on either side, over which the first guess fades into the estimate


class Context:
    """A batch of windows around gaps, and the denoiser of their whitened signals.

    Args:
        network: F, for windows of this length.
        guess: the windows, (batch, samples), with a first guess where they are unknown.
        unknown: bool (batch, samples), True where they are.
        blind: bool (batch,), True for items whose envelope alone is told; None tells everything.
    """

    def __init__(self, network: CqtLean, guess: Tensor, unknown: Tensor, blind: Tensor | None = None) -> None:
        samples, rate = guess.shape[1], network.shape.sample_rate
        self.network = network
        self.ends = _ends(samples, round(ENDS * rate)).to(guess)
        self.envelope = _envelope(guess * self.ends, rate)
        told = torch.ones_like(guess[:, :1]) if blind is None else (~blind).to(guess)[:, None]
        self.guess = self.whiten(guess) * told
        self.unknown = torch.where(told > 0.0, unknown.to(guess), 1.0)
        self.share = _inward(unknown, max(round(EDGE * rate), 1)).to(guess) if blind is None else self.unknown

    def whiten(self, x: Tensor) -> Tensor:
        """Signals (batch, samples) -> the state that is sampled; the ends of the windows are faded."""
        return _filtered(x * self.ends, 1.0 / self.envelope)

    def colour(self, z: Tensor) -> Tensor:
        """The inverse of `whiten`, apart from the faded ends."""
        return _filtered(z, self.envelope)

    def __call__(self, x: Tensor, sigma: Tensor | float, **cond: Any) -> Tensor:
        """E[z0 | z]; see `caesura.diffusion.Denoiser`."""
        z = Karras(self.network, 1.0)(x, sigma, context=self.guess, unknown=self.unknown)
        mixed: Tensor = self.guess + self.share * (z - self.guess)
        return mixed


def _filtered(x: Tensor, response: Tensor) -> Tensor:
    """Signals (batch, samples) through a filter without phase, periodic as the transform is."""
    y: Tensor = torch.fft.irfft(torch.fft.rfft(x) * response, x.shape[1])
    return y


def _envelope(x: Tensor, sample_rate: int) -> Tensor:
    """H of signals (batch, samples), (batch, samples // 2 + 1): white noise of unit variance has H = 1."""
    hertz = torch.fft.rfftfreq(x.shape[1], 1.0 / sample_rate, device=x.device, dtype=x.dtype)
    height = (hertz.clamp(min=LOWEST) / LOWEST).log2() * PER_OCTAVE
    bands = int(height[-1].ceil()) + 1
    weights = (1.0 - (height[None] - torch.arange(bands, device=x.device)[:, None]).abs()).clamp(min=0.0)
    power = torch.fft.rfft(x).abs().square() / x.shape[1]
    mean = power @ weights.mT / weights.sum(dim=1)
    mean = torch.maximum(mean, FLOOR * mean.amax(dim=1, keepdim=True)).clamp(min=SILENCE)
    envelope: Tensor = (0.5 * mean.log() @ weights).exp()
    return envelope


def _ends(samples: int, length: int) -> Tensor:
    ramp = torch.sin(0.5 * torch.pi * (torch.arange(length) + 0.5) / length) ** 2
    middle = torch.ones(max(samples - 2 * length, 0))
    return torch.cat([ramp, middle, ramp.flip(0)])[:samples]


def _inward(unknown: Tensor, length: int) -> Tensor:
    """0 where known, rising to 1 over `length` samples on either side within each gap; (batch, samples)."""
    n = unknown.shape[-1]
    here = torch.arange(n, device=unknown.device).expand(unknown.shape)
    before = torch.where(unknown, -n, here).cummax(-1).values
    after = torch.where(unknown, 2 * n, here).flip(-1).cummin(-1).values.flip(-1)
    distance = torch.minimum(here - before, after - here).clamp(0, length)
    return torch.sin(0.5 * torch.pi * distance / length) ** 2
