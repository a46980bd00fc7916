"""Two-level vector-quantised autoencoder of Mel-IF images (VQ-VAE-2): a coarse map of codes and a fine one.

    h = E_b(image),   t = q_t(E_t(h)),   b = q_b(A [D_t(t), h]),   image_hat = D([U t, b])

The fine codes depend on the coarse ones. Where `turning` is set, the second channel of an image enters and leaves as
the cosine and sine of its angle, so that half a turn forwards and backwards are the same to the network, and

    loss = mean (C - C_hat)^2 + mean w |exp(i pi f) - (c + i s)|^2 / mean w + 0.25 (|h_t - t|^2 + |h_b - b|^2)

with C the first channel in units of its spread and w the cell's power, to a quarter, relative to the loudest.

References:
    A. Razavi, A. van den Oord, O. Vinyals, "Generating diverse high-fidelity images with VQ-VAE-2", NeurIPS 2019.
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
"""

from __future__ import annotations

__all__ = ["PRESETS", "Passed", "Shape", "Vqvae2", "restored"]

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from caesura.networks.codebook import Codebook, perplexity

Quantise = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]

COMMITMENT = 0.25
LOUDNESS = 0.25  # power of a cell's power in the weight of its frequency


@dataclass(frozen=True)
class Shape:
    """What makes one network differ from another; the defaults are the published ones, but for the last three."""

    hidden: int = 128
    """Channels inside."""
    res_blocks: int = 2
    """Residual blocks of each stack."""
    res_channels: int = 32
    """Channels inside a residual block."""
    code_dim: int = 64
    """Of the vectors of both codebooks."""
    codes: int = 512
    """Of each codebook."""
    bottom: int = 16
    """Cells of the image, in time and in frequency, that one fine code stands for."""
    top: int = 2
    """Fine codes, in time and in frequency, that one coarse code stands for."""
    turning: bool = True
    """Whether the second channel is taken as an angle in half turns."""
    level: float = -4.0
    """Middle of the first channel."""
    spread: float = 5.0
    """Its unit."""

    def __post_init__(self) -> None:
        for name in ("bottom", "top"):
            if getattr(self, name) not in (2, 4, 8, 16):
                raise ValueError(f"{name}={getattr(self, name)} must be 2, 4, 8 or 16")
        if self.hidden % 4:
            raise ValueError(f"hidden={self.hidden} must be a multiple of 4")

    @property
    def channels(self) -> int:
        """That enter the network and leave it."""
        return 3 if self.turning else 2


PRESETS = {
    "tiny": Shape(hidden=16, res_blocks=1, res_channels=4, code_dim=8, codes=32),
    "cpu": Shape(hidden=64, res_channels=32, code_dim=32, codes=256),
    "gpu": Shape(hidden=192, res_channels=64, code_dim=64, codes=512),
}


class Passed(NamedTuple):
    """An image that went through."""

    image: Tensor
    """(batch, channels, bins, frames) as the network makes it, not yet an image."""
    distance: Tensor
    """Mean squared distances of both levels from their codes, added; ()."""
    perplexities: tuple[Tensor, Tensor]
    """Of the coarse codes and of the fine ones."""


class Vqvae2(nn.Module):
    """The autoencoder. Modules are named as in the published checkpoints."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        width, dim = shape.hidden, shape.code_dim
        self.enc_b = _Encoder(shape, shape.channels, shape.bottom)
        self.enc_t = _Encoder(shape, width, shape.top)
        self.quantize_conv_t = nn.Conv2d(width, dim, 1)
        self.quantize_t = Codebook(dim, shape.codes)
        self.dec_t = _Decoder(shape, dim, dim, shape.top)
        self.quantize_conv_b = nn.Conv2d(dim + width, dim, 1)
        self.quantize_b = Codebook(dim, shape.codes)
        ups = [nn.ConvTranspose2d(dim, dim, 4, stride=2, padding=1) for _ in range(int(math.log2(shape.top)))]
        self.upsample_top_to_bottom = nn.Sequential(*ups)
        self.dec = _Decoder(shape, 2 * dim, shape.channels, shape.bottom)

    def forward(self, image: Tensor) -> Passed:
        """Code and decode images (batch, 2, bins, frames)."""
        top, bottom, distance, codes = self._quantised(self.entered(image), self.quantize_t, self.quantize_b)
        counts = (perplexity(codes[0], self.shape.codes), perplexity(codes[1], self.shape.codes))
        return Passed(self._drawn(top, bottom), distance, counts)

    def unquantised(self, image: Tensor) -> Passed:
        """As `forward`, but the vectors go on as they are.

        A network that begins like this gives the codebooks something to start from. Quantised from its first step, it
        learns to ignore its codes before they mean anything, and does with one of them.
        """
        top, bottom, distance, codes = self._quantised(self.entered(image), _left_alone, _left_alone)
        counts = (perplexity(codes[0], self.shape.codes), perplexity(codes[1], self.shape.codes))
        return Passed(self._drawn(top, bottom), distance, counts)

    def settled(self, image: Tensor) -> Passed:
        """As `forward`, but codes and codebooks stay as they are, and only what draws an image from them learns."""
        self.quantize_t.eval()
        self.quantize_b.eval()
        with torch.no_grad():
            top, bottom, distance, codes = self._quantised(self.entered(image), self.quantize_t, self.quantize_b)
        counts = (perplexity(codes[0], self.shape.codes), perplexity(codes[1], self.shape.codes))
        return Passed(self._drawn(top, bottom), distance, counts)

    def encode(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Codes of images (batch, 2, bins, frames).

        Returns:
            coarse codes (batch, rows, columns) and fine ones (batch, top rows, top columns), row 0 the lowest.
        """
        return self._quantised(self.entered(image), self.quantize_t, self.quantize_b)[3]

    def decode(self, top: Tensor, bottom: Tensor) -> Tensor:
        """Images (batch, 2, bins, frames) of codes as from `encode`."""
        planes = self._drawn(_planes(self.quantize_t.vectors(top)), _planes(self.quantize_b.vectors(bottom)))
        log_power = planes[:, :1] * self.shape.spread + self.shape.level
        if not self.shape.turning:
            return torch.cat([log_power, planes[:, 1:]], dim=1)
        return torch.cat([log_power, torch.atan2(planes[:, 2:], planes[:, 1:2]) / math.pi], dim=1)

    def loss(self, image: Tensor, passed: Passed) -> Tensor:
        """See the equation above; the distances count without codes moving."""
        power = image[:, :1]
        weight = (LOUDNESS * (power - power.amax(dim=(2, 3), keepdim=True))).exp()
        turning = (weight / weight.mean()).expand(-1, passed.image.shape[1] - 1, -1, -1)
        # one product over all channels: taking them apart would copy their gradients together again
        weights = torch.cat([torch.ones_like(power), turning], dim=1) / power.numel()
        error = (passed.image - self.entered(image)).square()
        return (weights * error).sum() + COMMITMENT * passed.distance

    def entered(self, image: Tensor) -> Tensor:
        """What the first layer is given (batch, channels, bins, frames)."""
        log_power = (image[:, :1] - self.shape.level) / self.shape.spread
        if not self.shape.turning:
            return torch.cat([log_power, image[:, 1:]], dim=1)
        angle = math.pi * image[:, 1:]
        return torch.cat([log_power, angle.cos(), angle.sin()], dim=1)

    def _quantised(
        self, x: Tensor, coarse: Quantise, finer: Quantise
    ) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor]]:
        fine = self.enc_b(x)
        top, top_codes, far = coarse(_vectors(self.quantize_conv_t(self.enc_t(fine))))
        both = torch.cat([self.dec_t(_planes(top)), fine], dim=1)
        bottom, bottom_codes, off = finer(_vectors(self.quantize_conv_b(both)))
        return _planes(top), _planes(bottom), far + off, (top_codes, bottom_codes)

    def _drawn(self, top: Tensor, bottom: Tensor) -> Tensor:
        drawn: Tensor = self.dec(torch.cat([self.upsample_top_to_bottom(top), bottom], dim=1))
        return drawn


def restored(preset: str, weights: Mapping[str, Tensor]) -> Vqvae2:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = Vqvae2(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)


class _Residual(nn.Module):
    """x -> conv(relu(conv(relu(x)))) + relu(x): the shortcut is rectified too, as in the published networks."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, inner, 3, padding=1), nn.ReLU(), nn.Conv2d(inner, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x) + functional.relu(x)
        return out


class _Encoder(nn.Module):
    """Strided convolutions that halve an image until it is `factor` times smaller, then residual blocks."""

    def __init__(self, shape: Shape, channels: int, factor: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        widths = [channels, *_ladder(shape.hidden, factor)]
        for narrow, wide in pairwise(widths):
            layers += [nn.Conv2d(narrow, wide, 4, stride=2, padding=1), nn.ReLU()]
        layers.append(nn.Conv2d(widths[-1], shape.hidden, 3, padding=1))
        layers += [_Residual(shape.hidden, shape.res_channels) for _ in range(shape.res_blocks)]
        self.blocks = nn.Sequential(*layers, nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, bins, frames) -> (batch, hidden, bins / factor, frames / factor)."""
        out: Tensor = self.blocks(x)
        return out


class _Decoder(nn.Module):
    """The way back of `_Encoder`."""

    def __init__(self, shape: Shape, channels: int, out: int, factor: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, shape.hidden, 3, padding=1)]
        layers += [_Residual(shape.hidden, shape.res_channels) for _ in range(shape.res_blocks)]
        layers.append(nn.ReLU())
        widths = [shape.hidden, *reversed(_ladder(shape.hidden, factor)[:-1]), out]
        for wide, narrow in pairwise(widths):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1), nn.ReLU()]
        self.blocks = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, bins, frames) -> (batch, out, factor bins, factor frames)."""
        out: Tensor = self.blocks(x)
        return out


def _ladder(hidden: int, factor: int) -> list[int]:
    """Channels after each halving."""
    quarters = {2: (2,), 4: (2, 4), 8: (2, 2, 4), 16: (1, 2, 3, 4)}[factor]
    return [hidden * q // 4 for q in quarters]


def _left_alone(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x, torch.zeros(x.shape[:-1], dtype=torch.long, device=x.device), x.new_zeros(())


def _vectors(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _planes(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)
