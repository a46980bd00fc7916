"""From the share that the models expect to explain to the share that they do explain.

Models trust themselves too much, for they have seen their context and not the gap. Over gaps whose content is known,

    confidence = 1 / (1 + exp(-(a + b logit(expected))))

with a and b fitted by least squares to the share of the energy that was explained, 1 - |x - x_hat|^2 / |x|^2, at least
0. `benchmarks/confidence.py --fit` finds them on music and speech that no other measurement uses. They
were fitted to the models of `lsar` and hold for those of `janssen` too: over 243 gaps of 10 to 50 ms in other clips it
told 0.777 and explained 0.777, in place of 0.869.

References:
    J. C. Platt, "Probabilistic outputs for support vector machines", Advances in Large Margin Classifiers, 1999.
"""

from __future__ import annotations

__all__ = ["calibrated"]

import math

OFFSET = -1.128  # a
SLOPE = 1.151  # b
CERTAIN = 1e-9  # from 1 and from 0: a logit has to stay finite


def calibrated(expected: float) -> float:
    """The share of a gap's energy that a fill explains on average when its models expect to explain `expected`."""
    if expected <= 0.0:
        return 0.0
    inside = min(max(expected, CERTAIN), 1.0 - CERTAIN)
    return float(1.0 / (1.0 + math.exp(-OFFSET) * ((1.0 - inside) / inside) ** SLOPE))
