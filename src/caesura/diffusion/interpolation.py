"""Between two noises, and between two ends: what lies there, and how fast one gets from one to the other.

    slerp(t; a, b) = (sin((1 - t) theta) a + sin(t theta) b) / sin(theta),   cos(theta) = <a, b> / (|a| |b|)
    shaped(t) = (1 + sgn(u) |u|^p) / 2,   u = 2 t - 1

The first keeps the length that normal noise has, which a straight line does not. p = 1 moves evenly, p > 1 stays longer
in the middle, p < 1 at the ends.

References:
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022 (the shape).
"""

from __future__ import annotations

__all__ = ["shaped", "slerp", "way"]

import math

import torch
from torch import Tensor

STRAIGHT = 0.9995  # cosine from which on a straight line is as good, and safer


def slerp(t: float, a: Tensor, b: Tensor) -> Tensor:
    """What lies at share `t` of the arc from `a` to `b`, each taken as one vector."""
    cosine = float((a.double() * b.double()).sum() / (a.double().norm() * b.double().norm()))
    if abs(cosine) > STRAIGHT or math.isnan(cosine):
        return torch.lerp(a, b, t)
    angle = math.acos(cosine)
    return (math.sin((1.0 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)


def shaped(t: float, power: float = 1.0) -> float:
    """How far one has come at share `t` of the time, both from 0 to 1."""
    u = 2.0 * t - 1.0
    return 0.5 + 0.5 * math.copysign(abs(u) ** power, u)


def way(steps: int, power: float = 1.0) -> list[float]:
    """How far one has come at each of several evenly spaced times; a single one is the beginning."""
    return [shaped(k / (steps - 1), power) if steps > 1 else 0.0 for k in range(steps)]
