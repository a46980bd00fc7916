"""Between two noises lies noise of the same length.

    slerp(t; a, b) = (sin((1 - t) theta) a + sin(t theta) b) / sin(theta),   cos(theta) = <a, b> / (|a| |b|)

A straight line between them would pass nearer to zero, where no normal noise is.

References:
    K. Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985.
"""

from __future__ import annotations

__all__ = ["slerp"]

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
