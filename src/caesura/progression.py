"""How far one has come on the way from one end to the other, evenly or not.

    shaped(t) = (1 + sgn(u) |u|^p) / 2,   u = 2 t - 1

p = 1 moves evenly, p > 1 stays longer in the middle, p < 1 at the ends.

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
"""

from __future__ import annotations

__all__ = ["shaped", "way"]

import math


def shaped(t: float, power: float = 1.0) -> float:
    """How far one has come at share `t` of the time, both from 0 to 1."""
    u = 2.0 * t - 1.0
    return 0.5 + 0.5 * math.copysign(abs(u) ** power, u)


def way(steps: int, power: float = 1.0) -> list[float]:
    """How far one has come at each of several evenly spaced times; a single one is the beginning."""
    return [shaped(k / (steps - 1), power) if steps > 1 else 0.0 for k in range(steps)]
