"""Models of a gap estimated once more, with a guess in the gap that did not come from models.

A model that never saw the gap has to bridge it: its sinusoids lie a little off, and across a long gap they drift apart.
With a guess g in the gap the context is one unbroken stretch, from which the models are estimated again,

    x_g = x outside the gap,    x_g = (1 - u) x_hat + u g inside,    a_c, v_c = Burg(x_g),

and the gap is solved with them as before. A guess of the models' own, g = x_hat, teaches them nothing: it holds what
they already say. One from another principle, such as sparsity, makes other errors. The orders may be higher than
before, since no stretch ends at the gap.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986 (estimation and interpolation in turn).
"""

from __future__ import annotations

__all__ = ["refined"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import Model
from caesura.autoregression.innovations import Level
from caesura.autoregression.mixture import Context, experts

Array = NDArray[np.float64]

SHARE = 0.35  # u, of the guess; measured within 0.04 dB between 0.2 and 0.5


def refined(
    filled: Array,
    missing: NDArray[np.bool_],
    start: int,
    stop: int,
    contexts: Sequence[Context],
    guess: Array,
    level: Level | None = None,
) -> list[Model]:
    """Models of the surroundings of a gap and of what it may hold.

    Args:
        filled: (samples,), with the gap filled by models of its surroundings.
        missing: (samples,), True where a sample is unknown.
        start: first sample of the gap.
        stop: one past its last sample.
        contexts: see `experts`.
        guess: (stop - start,), another fill of the gap.
        level: see `experts`.

    Returns:
        see `experts`.
    """
    whole, known = filled.copy(), missing.copy()
    whole[start:stop] = (1.0 - SHARE) * filled[start:stop] + SHARE * guess
    known[start:stop] = False
    return experts(whole, known, start, stop, contexts, level)
