"""Blocks of the published constant-Q network: residual convolutions scaled and gated by the noise level.

Every layer f of a block on a grid h (batch, channels, rows, frames) with the embedding e of the noise level reads

    h <- (h + G(e) f(N(h) (1 + A(e)))) / sqrt 2,    N(h) = gamma h / std h over each of 8 groups of channels

where A and G are linear. f is attention between frames, then for d = 0, 1, ... a GELU and a convolution with dilation
2^d across the rows.

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", J. Audio Engineering Society 72, 2024.
    T. Karras, M. Aittala, T. Aila, S. Laine, "Elucidating the design space of diffusion-based generative models",
        NeurIPS 2022 (the resampling kernel's use in networks).
    W. Peebles, S. Xie, "Scalable diffusion models with transformers", ICCV 2023 (gates that start at zero).
"""

from __future__ import annotations

__all__ = ["Convolution", "Downsample", "NoiseEmbedding", "Residual", "Upsample", "initialise"]

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 8  # of channels that are normalised together
TINY = 1e-7  # added to a standard deviation
FREQUENCIES = 32  # of the noise level's random Fourier features
FREQUENCY_SCALE = 16.0
KERNEL = [tap / 256 for tap in (-3, -9, 29, 111, 111, 29, -9, -3)]
GATE_SCALE = 1e-7  # of the gates' weights at the start of training


class Residual(nn.Module):
    """A residual block from `inputs` to `outputs` channels, as wide inside as its end or as its beginning."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        layers: int,
        kernel: tuple[int, int],
        embedding: int,
        wide: bool = True,
        attention: tuple[int, int] | None = None,
    ) -> None:
        """Build a block.

        Args:
            inputs: channels that come in.
            outputs: channels that go out.
            layers: convolutions; number d has dilation 2^d across the rows.
            kernel: rows and frames of each.
            embedding: size of the noise level's embedding.
            wide: whether to work with `outputs` channels rather than with `inputs`.
            attention: heads and rows of the attention between frames, if any.
        """
        super().__init__()
        width = outputs if wide else inputs
        same = inputs == outputs
        self.proj_out = nn.Identity() if wide or same else Convolution(inputs, outputs, (1, 1))
        self.res_conv = nn.Identity() if same else Convolution(inputs, outputs, (1, 1))
        self.proj_in = Convolution(inputs, outputs, (1, 1)) if wide and not same else nn.Identity()
        self.H = nn.ModuleList(Convolution(width, width, kernel, dilation=2**d) for d in range(layers))
        self.affine = nn.ModuleList(linear(embedding, width) for _ in range(layers))
        self.gate = nn.ModuleList(linear(embedding, width) for _ in range(layers))
        self.norm = nn.ModuleList(GroupScale(width) for _ in range(layers))
        self.attends = attention is not None
        if attention is not None:
            self.norm2 = GroupScale(width)
            self.affine2 = linear(embedding, width)
            self.gate2 = linear(embedding, width)
            self.attn_block = FrameAttention(width, *attention)

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        """The block's answer.

        Args:
            x: (batch, inputs, rows, frames).
            e: embedding of the noise level (batch, embedding).

        Returns:
            (batch, outputs, rows, frames).
        """
        h = self.proj_in(x)
        if self.attends:
            u = self.norm2(h) * (1.0 + _spread(self.affine2(e)))
            h = (h + self.attn_block(u) * _spread(self.gate2(e))) * math.sqrt(0.5)
        for convolution, affine, gate, norm in zip(self.H, self.affine, self.gate, self.norm, strict=True):
            u = functional.gelu(norm(h) * (1.0 + _spread(affine(e))))
            h = (h + convolution(u) * _spread(gate(e))) * math.sqrt(0.5)
        answer: Tensor = (self.proj_out(h) + self.res_conv(x)) * math.sqrt(0.5)
        return answer

    def close_gates(self, generator: torch.Generator | None) -> None:
        """Draw the gates' weights near zero, so that training starts from an almost linear block."""
        for gate in [*self.gate, *([self.gate2] if self.attends else [])]:
            draw(gate.weight, GATE_SCALE * math.sqrt(3.0), generator)


class FrameAttention(nn.Module):
    """Attention between frames whose keys and queries mix all heads and all rows; the values are what comes in."""

    def __init__(self, width: int, heads: int, rows: int) -> None:
        """Build it for grids of `width` channels and that many rows."""
        super().__init__()
        self.heads, self.rows = heads, rows
        self.qk = Convolution(heads * rows, 2 * heads * rows, (1,))
        self.proj_in = Convolution(width, heads, (1, 1))
        self.proj_out = Convolution(heads, width, (1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, width, rows, frames) to the same."""
        z = self.proj_in(x)
        both = self.qk(z.flatten(1, 2)).reshape(z.shape[0], self.heads, 2 * self.rows, -1).transpose(2, 3)
        queries, keys = both[..., : self.rows], both[..., self.rows :]
        seen = functional.scaled_dot_product_attention(queries, keys, z.transpose(2, 3))
        answer: Tensor = self.proj_out(seen.transpose(2, 3))
        return answer


class GroupScale(nn.Module):
    """Division by the standard deviation of each group of channels over the grid; the mean stays."""

    def __init__(self, channels: int) -> None:
        """Build it for that many channels, a multiple of 8."""
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, frames) to the same."""
        groups = x.reshape(x.shape[0], GROUPS, -1)
        scaled = groups / (groups.std(dim=-1, keepdim=True) + TINY)
        return scaled.reshape(x.shape) * self.gamma


class NoiseEmbedding(nn.Module):
    """Random Fourier features of the noise level, and a perceptron."""

    def __init__(self, size: int) -> None:
        """Build an embedding of that size."""
        super().__init__()
        self.RFF_freq = nn.Parameter(torch.empty(1, FREQUENCIES), requires_grad=False)
        self.MLP = nn.ModuleList(linear(a, b) for a, b in ((2 * FREQUENCIES, 128), (128, 256), (256, size)))

    def forward(self, c_noise: Tensor) -> Tensor:
        """(batch, 1) to (batch, size)."""
        turns = 2.0 * math.pi * c_noise * self.RFF_freq
        e = torch.cat([turns.sin(), turns.cos()], dim=1)
        for layer in self.MLP:
            e = functional.relu(layer(e))
        return e


class Convolution(nn.Module):
    """Convolution without a bias that keeps the size, with zeros around."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, ...], *, dilation: int = 1) -> None:
        """Build it; `kernel` is odd along each axis, `dilation` spreads it along the first."""
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, *kernel))
        self.dilation = (dilation,) + (1,) * (len(kernel) - 1)
        self.padding = tuple(size // 2 * step for size, step in zip(kernel, self.dilation, strict=True))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, ...) to (batch, outputs, ...)."""
        convolve = functional.conv2d if self.weight.ndim == 4 else functional.conv1d
        return convolve(x, self.weight, padding=self.padding, dilation=self.dilation)


class Downsample(nn.Module):
    """Half as many frames, low-passed."""

    kernel: Tensor

    def __init__(self) -> None:
        """Set the kernel."""
        super().__init__()
        self.register_buffer("kernel", torch.tensor(KERNEL))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, frames) to (batch, channels, rows, frames / 2)."""
        rows = functional.pad(x.reshape(-1, 1, x.shape[-1]), (3, 3), mode="reflect")
        return functional.conv1d(rows, self.kernel[None, None], stride=2).reshape(*x.shape[:-1], -1)


class Upsample(nn.Module):
    """Twice as many frames at half the amplitude, as the published weights expect."""

    kernel: Tensor

    def __init__(self) -> None:
        """Set the kernel."""
        super().__init__()
        self.register_buffer("kernel", torch.tensor(KERNEL))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, rows, frames) to (batch, channels, rows, 2 frames)."""
        rows = functional.pad(x.reshape(-1, 1, x.shape[-1]), (2, 2), mode="reflect")
        wide = functional.conv_transpose1d(rows, self.kernel[None, None], stride=2)
        return wide[..., 7:-7].reshape(*x.shape[:-1], -1)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with a bias, not yet drawn."""
    return nn.Linear(inputs, outputs, device="meta").to_empty(device=torch.get_default_device())


def draw(weight: Tensor, scale: float, generator: torch.Generator | None) -> None:
    """Fill with uniform noise of `scale` over the root of the number of inputs; None: torch's own generator."""
    bound = scale / math.sqrt(weight[0].numel())
    nn.init.uniform_(weight, -bound, bound, generator=generator)


def initialise(network: nn.Module, generator: torch.Generator | None) -> None:
    """Draw all weights of a network made of these blocks, as before its published training."""
    for module in network.modules():
        if isinstance(module, Convolution | nn.Linear):
            draw(module.weight, 1.0, generator)
        if isinstance(module, nn.Linear):
            nn.init.zeros_(module.bias)
        if isinstance(module, NoiseEmbedding):
            nn.init.normal_(module.RFF_freq, std=FREQUENCY_SCALE, generator=generator)
    for module in network.modules():
        if isinstance(module, Residual):
            module.close_gates(generator)


def _spread(parameters: Tensor) -> Tensor:
    return parameters[:, :, None, None]
