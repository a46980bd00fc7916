"""What is known of the signal: y = A x0 + s n with a linear A.

    Masked: A = diag(m), m in {0, 1};   Weighted: A = diag(w), 0 <= w <= 1;   Linear: any A with its adjoint

Every operator also offers A+, which takes a residual back to the signal, and `project`, the nearest signal that agrees
with y; a mask may fade between what is observed and what is estimated over the samples next to a gap.

References:
    Y. Wang, J. Yu, J. Zhang, "Zero-shot image restoration using denoising diffusion null-space model", ICLR 2023.
"""

from __future__ import annotations

__all__ = ["Linear", "Masked", "Observation", "Weighted", "conjugate_gradients", "faded"]

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

Operator = Callable[[Tensor], Tensor]


class Observation(Protocol):
    """A linear observation of a batch of signals."""

    @property
    def y(self) -> Tensor:
        """What was recorded, (batch, ...)."""

    @property
    def noise(self) -> float:
        """Standard deviation of the noise in y."""

    def apply(self, x: Tensor) -> Tensor:
        """A x."""

    def adjoint(self, r: Tensor) -> Tensor:
        """A* r."""

    def back(self, r: Tensor) -> Tensor:
        """A+ r, the smallest signal that explains r."""

    def project(self, x: Tensor) -> Tensor:
        """The signal nearest to x that agrees with y."""


@dataclass(frozen=True, eq=False)
class Masked:
    """Samples that are known or not."""

    y: Tensor
    """(batch, ...), zero where the mask is False, whatever was passed."""
    mask: Tensor
    """bool, broadcast over y; True where reliable."""
    noise: float = 0.0
    """Standard deviation of the noise on the reliable samples."""
    fade: int = 0
    """Reliable samples, along the last axis, over which `project` crossfades next to a gap; the published CQT-Diff+
    takes 50 or 100. 0 keeps every one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", torch.where(self.mask, self.y, 0.0))

    def apply(self, x: Tensor) -> Tensor:
        """The reliable samples of x, zero elsewhere."""
        return torch.where(self.mask, x, 0.0)

    def adjoint(self, r: Tensor) -> Tensor:
        """A mask is its own adjoint."""
        return torch.where(self.mask, r, 0.0)

    def back(self, r: Tensor) -> Tensor:
        """A mask is its own pseudo-inverse."""
        return torch.where(self.mask, r, 0.0)

    def project(self, x: Tensor) -> Tensor:
        """The observation where reliable, x elsewhere."""
        if self.fade:
            return self._weights * self.y + (1.0 - self._weights) * x
        return torch.where(self.mask, self.y, x)

    @cached_property
    def _weights(self) -> Tensor:
        return faded(self.mask, self.fade).to(self.y.dtype)


@dataclass(frozen=True, eq=False)
class Weighted:
    """Values that are held more or less firmly: known where the weight is 1, free where it is 0.

    In between, whatever brings the observation in moves by that share of the way, every time that it does. So a weight
    is how hard a value is pulled, and not what it is mixed with in the end.
    """

    y: Tensor
    """(batch, ...), the values to hold; kept as w y."""
    weights: Tensor
    """Broadcast over y."""
    noise: float = 0.0
    """Standard deviation of the noise in the values."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", self.weights * self.y)

    def apply(self, x: Tensor) -> Tensor:
        """The values of x as far as they are held."""
        return self.weights * x

    def adjoint(self, r: Tensor) -> Tensor:
        """Weights are their own adjoint."""
        return self.weights * r

    def back(self, r: Tensor) -> Tensor:
        """A residual as it is: dividing by the weights would hold everything firmly."""
        return r

    def project(self, x: Tensor) -> Tensor:
        """Moved to the values, by the share that the weights say."""
        return x + self.y - self.apply(x)


@dataclass(frozen=True, eq=False)
class Linear:
    """Any linear operator, given as functions on batches."""

    y: Tensor
    """(batch, ...), in the range of `forward`."""
    forward: Operator
    """A."""
    transposed: Operator
    """A*; for a self-adjoint operator the same function."""
    noise: float = 0.0
    """Standard deviation of the noise in y."""
    inverse: Operator | None = None
    """A+, where it is known; otherwise it is solved for."""
    iterations: int = 50
    """Conjugate gradient steps that solving for A+ may take."""

    def apply(self, x: Tensor) -> Tensor:
        """A x."""
        return self.forward(x)

    def adjoint(self, r: Tensor) -> Tensor:
        """A* r."""
        return self.transposed(r)

    def back(self, r: Tensor) -> Tensor:
        """A+ r = A* (A A*)^-1 r."""
        if self.inverse is not None:
            return self.inverse(r)
        return self.transposed(conjugate_gradients(lambda v: self.forward(self.transposed(v)), r, self.iterations))

    def project(self, x: Tensor) -> Tensor:
        """The signal x + A+ (y - A x)."""
        return x + self.back(self.y - self.apply(x))


def faded(mask: Tensor, length: int) -> Tensor:
    """Weights of what is observed: 0 in a gap, sin^2 over `length` reliable samples on either side of it, 1 beyond.

    Args:
        mask: bool, (..., samples).
        length: samples on either side.

    Returns:
        float64, of the shape of the mask. The first sample after a gap has weight 0, as published.
    """
    n = mask.shape[-1]
    here = torch.arange(n, device=mask.device).expand(mask.shape)
    last = torch.where(mask, -length - 1, here).cummax(-1).values
    following = torch.where(mask, n + length, here).flip(-1).cummin(-1).values.flip(-1)
    distance = torch.minimum(here - last - 1, following - here).clamp(0, length)
    return torch.sin(0.5 * torch.pi * distance.double() / length) ** 2


def conjugate_gradients(
    operator: Operator, right: Tensor, steps: int, *, start: Tensor | None = None, tolerance: float = 1e-6
) -> Tensor:
    """Solve `operator(v) = right` for every item of the batch.

    Args:
        operator: linear, symmetric and not negative on each item alone; (batch, ...) -> (batch, ...).
        right: (batch, ...).
        steps: at most so many, one call of the operator each.
        start: a guess, at the price of one more call; items for which it is worse than zero start from zero.
        tolerance: an item is left alone once its residual has shrunk to this share of `right`.

    Returns:
        (batch, ...). An item whose operator turns out not to be positive keeps what it has reached.
    """
    solution, residual = torch.zeros_like(right), right
    goal = tolerance**2 * _dot(right, right)
    if start is not None:
        left = right - operator(start)
        better = _dot(left, left) < _dot(right, right)
        solution, residual = torch.where(better, start, solution), torch.where(better, left, residual)
    direction, power = residual, _dot(residual, residual)
    for _ in range(steps):
        active = power > goal
        if not bool(active.any()):
            break
        image = operator(direction)
        curvature = _dot(direction, image)
        active = active & (curvature > 0.0)
        length = torch.where(active, power / torch.where(active, curvature, 1.0), 0.0)
        solution = solution + length * direction
        residual = residual - length * image
        before, power = power, torch.where(active, _dot(residual, residual), 0.0)
        direction = residual + torch.where(active, power / torch.where(active, before, 1.0), 0.0) * direction
    return solution


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each item, (batch, 1, ..., 1)."""
    return (a * b).sum(dim=tuple(range(1, a.ndim)), keepdim=True)
