"""Lean successor of CQT-Diff+'s network: a pyramid of octaves, convolutions only, told what is known and how loud.

    F(z / sqrt(1 + sigma^2), ln(sigma) / 4; context, unknown),   h <- h + (1 + G e) conv(silu(h / rms(h) (1 + A e)))

Each octave of a complete Hann CQT enters at its own frame rate as three pairs of real planes (the noisy signal, the
context, what is unknown) in units of white noise. The features go down the octaves, halving in time and growing in
frequency, and come back up; e embeds the noise level, A and G are linear. rms runs over the channels of one cell, so
that nothing depends on the length of the signal or on what is far away. The bands around 0 Hz and the Nyquist frequency
are kept by the transform and left to the preconditioning: F is zero there.

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024.
    T. Karras et al., "Elucidating the design space of diffusion-based generative models", NeurIPS 2022.
    B. Zhang, R. Sennrich, "Root mean square layer normalization", NeurIPS 2019.
"""

from __future__ import annotations

__all__ = ["PRESETS", "CqtLean", "Shape", "restored"]

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from caesura.codecs.cqt import Cqt

PATCH = 2  # frames of a grid that one cell of the network stands for
PLANES = 5 * PATCH  # real and imaginary part of the noisy signal and of the context, and the share that is unknown
FREQUENCIES = 16  # of the sine and cosine features of the noise level
TINY = 1e-6  # keeps the norm of an empty cell finite


@dataclass(frozen=True)
class Shape:
    """What makes one network differ from another; everything else follows."""

    sample_rate: int
    """Hertz."""
    samples: int
    """Length of the segments it is trained on; it takes any length."""
    bins: tuple[int, ...]
    """Bands of each octave, lowest first."""
    widths: tuple[int, ...]
    """Channels of each level, highest octave first."""
    blocks: tuple[int, ...]
    """Residual blocks of each level on the way down, and again on the way up."""
    embedding: int = 128
    """Channels of the embedding of the noise level."""

    def __post_init__(self) -> None:
        if not len(self.bins) == len(self.widths) == len(self.blocks):
            raise ValueError(
                f"bins, widths and blocks name one number per octave, got {len(self.bins)}, {len(self.widths)} "
                f"and {len(self.blocks)} of them"
            )


PRESETS = {
    "tiny": Shape(8000, 4096, (4, 4, 6, 8), (8, 8, 8, 8), (1, 1, 1, 1), 16),
    "cpu": Shape(
        16000, 16384, (8, 8, 16, 16, 24, 24, 24, 24), (16, 32, 32, 48, 48, 64, 64, 64), (1, 1, 1, 1, 1, 1, 2, 2)
    ),
    "gpu": Shape(
        44100,
        196608,
        (6, 6, 12, 12, 16, 24, 32, 32, 32, 32),
        (32, 48, 64, 96, 128, 128, 144, 144, 144, 144),
        (2, 2, 3, 3, 4, 4, 4, 4, 4, 3),
        256,
    ),
}


class CqtLean(nn.Module):
    """The network F; `caesura.diffusion.Karras` with `sigma_data=1` makes a denoiser of it.

    Args:
        shape: its size.
        samples: length of the signals, that of the training segments by default. The weights fit every length.
    """

    def __init__(self, shape: Shape, samples: int | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.cqt = Cqt(
            samples or shape.samples,
            shape.sample_rate,
            octaves=len(shape.bins),
            bins=shape.bins,
            window="hann",
            spacing="exact",
            complete=True,
        )
        self.scales = tuple(self.cqt.scales[1:-1])  # of white noise in each octave
        bins, widths, blocks = shape.bins[::-1], shape.widths, shape.blocks  # highest octave first from here on
        rows = [sum(bins[: level + 1]) for level in range(len(bins))]
        self.embed = _Embedding(shape.embedding)
        self.enter = nn.ModuleList(_Entry(b, width) for b, width in zip(bins, widths, strict=True))
        self.narrow = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in pairwise(widths))
        self.down = nn.ModuleList(
            _Stack(w, n, shape.embedding, r) for w, n, r in zip(widths, blocks, rows, strict=True)
        )
        self.fuse = nn.ModuleList(nn.Conv2d(2 * width, width, 1) for width in widths)
        self.up = nn.ModuleList(_Stack(w, n, shape.embedding, r) for w, n, r in zip(widths, blocks, rows, strict=True))
        self.widen = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(widths))
        self.leave = nn.ModuleList(_Exit(width) for width in widths)
        for parameter in self.parameters():  # measured two times faster on a CPU
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def forward(
        self, x: Tensor, c_noise: Tensor, *, context: Tensor | None = None, unknown: Tensor | None = None
    ) -> Tensor:
        """F, the raw prediction.

        Args:
            x: the noisy whitened signal, divided by sqrt(1 + sigma^2), (batch, samples).
            c_noise: ln(sigma) / 4 (batch,).
            context: the whitened signal with a first guess where nothing is known, (batch, samples); None: zeros.
            unknown: 1 where the signal is unknown, 0 where it is known, (batch, samples); None: nothing is known.

        Returns:
            (batch, samples).
        """
        planes = self.predict(x, c_noise, context=context, unknown=unknown)
        grids = [torch.complex(*plane.unbind(1)) * s for plane, s in zip(planes, self.scales, strict=True)]
        first, last = (grids[0].new_zeros((len(x), *shape)) for shape in (self.cqt.shapes[0], self.cqt.shapes[-1]))
        return self.cqt.decode([first, *grids, last])

    def predict(
        self, x: Tensor, c_noise: Tensor, *, context: Tensor | None = None, unknown: Tensor | None = None
    ) -> list[Tensor]:
        """F as planes of coefficients, the space of the training loss; arguments as in `forward`.

        Returns:
            (batch, 2, bins, frames) for each octave, lowest first, in units of white noise.
        """
        context = torch.zeros_like(x) if context is None else context
        unknown = torch.ones_like(x) if unknown is None else unknown
        both = [torch.chunk(plane, 2) for plane in self.planes(torch.cat([x, context]))]
        inputs = [
            _patched(torch.cat([noisy, known, share], dim=1))
            for (noisy, known), share in zip(both, self.shares(unknown), strict=True)
        ]
        outputs = self._pyramid(inputs[::-1], self.embed(c_noise))[::-1]
        return [_unpatched(out, plane.shape[-1]) for out, (plane, _) in zip(outputs, both, strict=True)]

    def planes(self, x: Tensor) -> list[Tensor]:
        """Real and imaginary part of a signal's octaves.

        Args:
            x: (batch, samples).

        Returns:
            (batch, 2, bins, frames) for each octave, lowest first; white noise of unit variance has unit variance.
        """
        grids = self.cqt.encode(x)[1:-1]
        return [torch.stack([z.real, z.imag], 1) / s for z, s in zip(grids, self.scales, strict=True)]

    def shares(self, unknown: Tensor) -> list[Tensor]:
        """The share of each frame that is unknown, (batch, 1, bins, frames) for each octave, lowest first."""
        padded = functional.pad(unknown, (0, self.cqt.bands.grid - unknown.shape[-1]))[:, None]
        return [
            functional.adaptive_avg_pool1d(padded, frames)[:, :, None].expand(-1, -1, bins, -1)
            for bins, frames in self.cqt.shapes[1:-1]
        ]

    def _pyramid(self, inputs: Sequence[Tensor], e: Tensor) -> list[Tensor]:
        """Outputs (batch, 2 PATCH, bins, cells) of inputs (batch, PLANES, bins, cells), both highest octave first."""
        kept: list[Tensor] = []
        for level, planes in enumerate(inputs):
            h = self.enter[level](planes)
            if kept:
                ratio = kept[-1].shape[-1] // h.shape[-1]
                above = functional.avg_pool2d(kept[-1], (1, ratio)) if ratio > 1 else kept[-1]
                h = torch.cat([h, self.narrow[level - 1](above)], dim=2)
            kept.append(self.down[level](h.contiguous(memory_format=torch.channels_last), e))
        outputs: list[Tensor] = []
        h = kept[-1]
        for level in reversed(range(len(inputs))):
            h = self.up[level](self.fuse[level](torch.cat([h, kept[level]], dim=1)), e)
            rows = inputs[level].shape[2]
            outputs.append(self.leave[level](h[:, :, :rows]))
            if level:
                ratio = kept[level - 1].shape[-1] // h.shape[-1]
                h = self.widen[level - 1](h[:, :, rows:]).repeat_interleave(ratio, dim=3)
        return outputs[::-1]


def restored(preset: str, weights: Mapping[str, Tensor]) -> CqtLean:
    """A network of a named size with its weights; the counterpart of `caesura.networks.weights.load`."""
    network = CqtLean(PRESETS[preset])
    network.load_state_dict(dict(weights))
    return network.eval().requires_grad_(False)


class _Embedding(nn.Module):
    """Sines and cosines of the noise level, mixed twice."""

    frequencies: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("frequencies", math.pi * 2.0 ** torch.linspace(-1.0, 4.0, FREQUENCIES), persistent=False)
        self.mix = nn.Sequential(nn.Linear(2 * FREQUENCIES, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, c_noise: Tensor) -> Tensor:
        """(batch,) -> (batch, width)."""
        phase = c_noise[:, None] * self.frequencies
        out: Tensor = self.mix(torch.cat([phase.sin(), phase.cos()], dim=1))
        return out


class _Entry(nn.Module):
    """Planes of one octave -> features, with a bias of each band: a network must know how high it is."""

    def __init__(self, bins: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(PLANES, width, (3, 3), padding=(1, 1))
        self.pitch = nn.Parameter(torch.zeros(1, width, bins, 1))

    def forward(self, planes: Tensor) -> Tensor:
        """(batch, PLANES, bins, cells) -> (batch, width, bins, cells)."""
        out: Tensor = self.mix(planes.contiguous(memory_format=torch.channels_last)) + self.pitch
        return out


class _Block(nn.Module):
    def __init__(self, width: int, embedding: int, dilation: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(1, width, 1, 1))
        self.film = nn.Linear(embedding, 2 * width)
        self.mix = nn.Conv2d(width, width, (5, 3), padding=(2 * dilation, 1), dilation=(dilation, 1))
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        scale, gate = (1.0 + self.film(e))[:, :, None, None].chunk(2, dim=1)
        out: Tensor = h + gate * self.mix(functional.silu(_normalised(h) * (self.gain * scale)))
        return out


class _Stack(nn.Module):
    """Blocks whose reach in frequency doubles, up to the rows there are."""

    def __init__(self, width: int, blocks: int, embedding: int, rows: int) -> None:
        super().__init__()
        reach = [2**k for k in range(blocks)]
        self.blocks = nn.ModuleList(_Block(width, embedding, d if 4 * d < rows else 1) for d in reach)

    def forward(self, h: Tensor, e: Tensor) -> Tensor:
        for block in self.blocks:
            h = block(h, e)
        return h


class _Exit(nn.Module):
    """Features of one octave -> planes; a fresh network predicts almost nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(width, 2 * PATCH, (3, 3), padding=(1, 1))
        nn.init.normal_(self.mix.weight, std=1e-3)

    def forward(self, h: Tensor) -> Tensor:
        """(batch, width, bins, cells) -> (batch, 2 PATCH, bins, cells)."""
        out: Tensor = self.mix(functional.silu(_normalised(h)))
        return out


def _normalised(h: Tensor) -> Tensor:
    """Every cell divided by the root mean square of its channels, (batch, channels, bins, cells)."""
    return functional.rms_norm(h.movedim(1, 3), h.shape[1:2], eps=TINY).movedim(3, 1)


def _patched(planes: Tensor) -> Tensor:
    """(batch, channels, bins, frames) -> (batch, channels PATCH, bins, frames / PATCH)."""
    batch, channels, bins, frames = planes.shape
    cells = planes.reshape(batch, channels, bins, frames // PATCH, PATCH)
    return cells.movedim(4, 2).reshape(batch, channels * PATCH, bins, frames // PATCH)


def _unpatched(planes: Tensor, frames: int) -> Tensor:
    """(batch, 2 PATCH, bins, frames / PATCH) -> (batch, 2, bins, frames)."""
    batch, _, bins, cells = planes.shape
    return planes.reshape(batch, 2, PATCH, bins, cells).movedim(2, 4).reshape(batch, 2, bins, frames)
