"""The published constant-Q U-Net of CQT-Diff+: an octave joins at every level of the encoder and leaves in the decoder.

Level i holds the (i + 1) B rows of the i + 1 highest octaves at the frame rate of the lowest of them. With R a residual
block, I and O such blocks from and to the 2 real channels of a coefficient, and P_i a convolution,

    X_0 = I_0(C_0),  X_i = [I_i(C_i); X_i]                       octave i joins, lower rows first
    H_i = R_i(X_i),  X_{i+1} = (down H_i + P_i(p_i)) / sqrt 2    p: all octaves so far, as they came
    X = R[X, H_i],   Y = (Y + O_i X) / sqrt 2                    upwards; the lowest B rows of Y are octave i's answer

The weights carry the names of the published checkpoints.

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024.
"""

from __future__ import annotations

__all__ = ["PRESETS", "CqtUnet", "CqtUnetConfig", "load_published"]

import math
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from caesura.codecs.cqt import Cqt
from caesura.networks._blocks import Convolution, Downsample, NoiseEmbedding, Residual, Upsample, initialise

KERNEL = (5, 3)  # rows and frames of a convolution


@dataclass(frozen=True)
class CqtUnetConfig:
    """What a checkpoint has to be told; levels count from the highest octave down."""

    samples: int
    """Length of the signals."""
    sample_rate: int
    """Hertz."""
    channels: tuple[int, ...]
    """Channels of each level, multiples of 8."""
    layers: tuple[int, ...]
    """Dilated convolutions of each level's blocks."""
    attention: tuple[bool, ...]
    """Whether the blocks of each level attend."""
    bins: int = 64
    """Bands per octave."""
    embedding: int = 256
    """Size of the noise level's embedding."""
    heads: int = 8
    """Heads of the attention."""

    @property
    def octaves(self) -> int:
        """Octaves, and levels."""
        return len(self.channels)


def _deep(samples: int) -> CqtUnetConfig:
    channels, layers = (64, 64, 96, 96, 128, 128, 256, 256), (2, 3, 4, 5, 6, 7, 8, 8)
    return CqtUnetConfig(samples, 44_100, channels, layers, attention=(False,) * 5 + (True,) * 3)


def _shallow(samples: int, sample_rate: int) -> CqtUnetConfig:
    channels, layers = (64, 96, 96, 128, 128, 256, 256), (2, 3, 4, 5, 6, 7, 7)
    return CqtUnetConfig(samples, sample_rate, channels, layers, attention=(False,) * 4 + (True,) * 3)


PRESETS: Mapping[str, CqtUnetConfig] = {
    "musicnet44k_4s": _deep(184_184),
    "musicnet44k_8s": _deep(368_368),
    "maestro22k_8s": _shallow(184_184, 22_050),
    "maestro22k_131072": _shallow(131_072, 22_050),
    "librispeech16k_8s": _shallow(184_184, 16_000),
}


class CqtUnet(nn.Module):
    """F(x, c_noise) of the preconditioned denoiser, signals in and signals out."""

    def __init__(self, config: CqtUnetConfig, *, generator: torch.Generator | None = None) -> None:
        """Build the network with weights as before training.

        Args:
            config: what to build.
            generator: where the weights are drawn from; None: torch's own generator.
        """
        super().__init__()
        self.config = config
        self.cqt = _transform(config)
        wide, count = config.channels, config.octaves
        self.embedding = NoiseEmbedding(config.embedding)
        self.downsamplerT = Downsample()
        self.upsamplerT = Upsample()
        self.downs, self.middle, self.ups = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for i in range(count):
            narrow = wide[max(i - 1, 0)]
            joins = self._point(2, narrow, wide=True)
            raw = Convolution(2, wide[i], KERNEL)
            self.downs.append(nn.ModuleList([joins, raw, self._level(i, narrow, wide[i])]))
        bottom = [self._point(wide[-1], 2, wide=False), self._level(count - 1, wide[-1], wide[-1])]
        self.middle.append(nn.ModuleList(bottom))
        for i in reversed(range(count)):
            narrow = wide[max(i - 1, 0)]
            leaves = self._point(narrow, 2, wide=False)
            self.ups.append(nn.ModuleList([leaves, self._level(i, 2 * wide[i], narrow)]))
        initialise(self, generator)

    def _point(self, inputs: int, outputs: int, *, wide: bool) -> Residual:
        return Residual(inputs, outputs, layers=1, kernel=(1, 1), embedding=self.config.embedding, wide=wide)

    def _level(self, i: int, inputs: int, outputs: int) -> Residual:
        config = self.config
        attention = (config.heads, (i + 1) * config.bins) if config.attention[i] else None
        return Residual(
            inputs,
            outputs,
            layers=config.layers[i],
            kernel=KERNEL,
            embedding=config.embedding,
            attention=attention,
        )

    def forward(self, x: Tensor, c_noise: Tensor) -> Tensor:
        """The network's answer.

        Args:
            x: signals scaled to unit variance (batch, samples).
            c_noise: a quarter of the logarithm of each noise level (batch,) or (batch, 1).

        Returns:
            (batch, samples).
        """
        e = self.embedding(c_noise.reshape(-1, 1))
        octaves = [_as_channels(z) for z in reversed(self.cqt.encode(x))]
        x, skips = self._encode(octaves, e)
        leaves, level = self.middle[0].children()
        x = level(x, e)
        y = leaves(x, e)
        return self.cqt.decode([_as_coefficients(z) for z in self._decode(x, y, skips, e)])

    def _encode(self, octaves: list[Tensor], e: Tensor) -> tuple[Tensor, list[Tensor]]:
        """From the octaves, highest first, to the bottom and what is handed across at each level."""
        x, raw = octaves[0][:, :, :0], octaves[0][:, :, :0]
        skips = []
        for i, (blocks, octave) in enumerate(zip(self.downs, octaves, strict=True)):
            joins, convolution, level = blocks.children()
            reduce = self.downsamplerT if i < len(octaves) - 1 else nn.Identity()
            new = joins(octave, e)
            skip = level(torch.cat([new, x], dim=2) if i else new, e)
            raw = torch.cat([reduce(octave), reduce(raw)] if i else [reduce(octave)], dim=2)
            x = (reduce(skip) + convolution(raw)) * math.sqrt(0.5)
            skips.append(skip)
        return x, skips

    def _decode(self, x: Tensor, y: Tensor, skips: list[Tensor], e: Tensor) -> list[Tensor]:
        """The octaves' answers, lowest first, each (batch, 2, bins, frames)."""
        answers = []
        bins = self.config.bins
        for blocks in self.ups:
            leaves, level = blocks.children()
            x = level(torch.cat([x, skips.pop()], dim=1), e)
            y = (y + leaves(x, e)) * math.sqrt(0.5)
            answers.append(y[:, :, :bins])
            if skips:
                x, y = self.upsamplerT(x[:, :, bins:]), self.upsamplerT(y[:, :, bins:])
        return answers


def load_published(path: Path, config: CqtUnetConfig) -> CqtUnet:
    """The network of a checkpoint that the authors published, with the averaged weights.

    Nothing in the file is run: whatever it holds besides tensors and plain containers is dropped unread.

    Args:
        path: a `.pt` file with the entry "ema".
        config: what the file was trained with, from `PRESETS`.
    """
    network = CqtUnet(config)
    weights = _averaged_weights(path)
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise ValueError(
            f"{path} does not fit: {len(wrong)} of {len(wanted)} tensors differ, the first is {name!r} "
            f"with shape {found.get(name)} where {wanted.get(name)} is expected"
        )
    network.load_state_dict(weights)
    return network


def _averaged_weights(path: Path) -> dict[str, Tensor]:
    """The state dict under "ema", read without running anything from the file."""
    try:
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(_Dropped, name) for name in foreign]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path} is no checkpoint that torch can read safely ({first})") from error
    weights = content.get("ema") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        held = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path} holds {held}; expected a dict whose entry 'ema' holds the averaged weights")
    return dict(weights)


class _Dropped(dict[object, object]):
    """Stands in for every foreign class of a checkpoint and remembers nothing."""

    def __new__(cls, *_: object) -> _Dropped:
        """Whatever it is given."""
        return super().__new__(cls)

    def __init__(self, *_: object) -> None:
        super().__init__()

    def __setstate__(self, _: object) -> None:
        """Nothing."""


def _transform(config: CqtUnetConfig) -> Cqt:
    cqt = Cqt(
        config.samples,
        config.sample_rate,
        octaves=config.octaves,
        bins=config.bins,
        window="published",
        spacing="checkpoint",
    )
    frames = [frames for _, frames in cqt.shapes]
    if any(high != 2 * low for low, high in pairwise(frames)):
        raise ValueError(
            f"samples={config.samples} make octaves of {frames} frames; each must have twice the last one's"
        )
    return cqt


def _as_channels(z: Tensor) -> Tensor:
    """Complex (batch, bins, frames) as real (batch, 2, bins, frames)."""
    return torch.view_as_real(z).movedim(-1, 1)


def _as_coefficients(z: Tensor) -> Tensor:
    """Real (batch, 2, bins, frames) as complex (batch, bins, frames)."""
    return torch.complex(z[:, 0], z[:, 1])
