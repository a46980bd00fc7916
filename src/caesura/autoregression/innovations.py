"""How loud the innovations of a sound are, moment by moment.

The residual of a model is what is new at every sample: e[n], of the variance s^2(n). s^2 is not constant, for a note is
struck and dies away, and another one begins. Plain sums of e^2 hear little but the loudest moments, a stroke in the
context or just behind the gap. Maximum likelihood divides every residual by what is usual around it,

    sum_n e[n]^2 / s^2(n),

when models are estimated (`caesura.autoregression.burg`) and when a gap is solved (`conditional_mean`). Moments unlike
those at the gap have large residuals under a model of its surroundings, and count less by it.

s^2(n) is the power of the residuals of such a model, forwards and backwards, smoothed; across what is missing its
logarithm is a straight line. Several models, of near and of wider surroundings, are averaged in the logarithm.

References:
    R. F. Engle, "Autoregressive conditional heteroscedasticity with estimates of the variance of United Kingdom
    inflation", Econometrica 50, 1982 (variance that follows the residuals).
    C.-H. Lee, "On robust linear prediction of speech", IEEE Trans. ASSP 36, 1988 (large residuals count less).
    C. Ma, Y. Kamp, L. F. Willems, "Robust signal selection for linear prediction analysis of voiced speech", Speech
    Communication 12, 1993 (weighted linear prediction).
"""

from __future__ import annotations

__all__ = ["Level", "innovations"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import burg
from caesura.autoregression.context import segments, spans
from caesura.autoregression.toeplitz import convolve

Array = NDArray[np.float64]

FLOOR = 1e-3  # of the mean power: 30 dB below it, what is usual has been reached
EXPONENT = 1.3  # of the variance in the weights; measured flat between 1 and 1.5


@dataclass(frozen=True, eq=False)
class Level:
    """The logarithm of the variance of the innovations, relative to what is usual there."""

    log: Array
    """(samples,)."""
    first: int
    """Index of its first sample in the recording."""

    def weights(self, start: int, stop: int) -> Array:
        """What residuals count (stop - start,); past the ends as at the ends."""
        at = np.clip(np.arange(start, stop) - self.first, 0, self.log.size - 1)
        return np.asarray(np.exp(-EXPONENT * self.log[at]))


def innovations(
    x: Array,
    missing: NDArray[np.bool_],
    gap: tuple[int, int],
    *,
    reach: int,
    references: Sequence[tuple[int, int]],
    widths: Sequence[float],
) -> list[Level] | None:
    """How loud the innovations are around a gap.

    Args:
        x: (samples,).
        missing: (samples,), True where a sample is unknown.
        gap: first sample, and one past the last.
        reach: samples on either side to look at.
        references: of every model, the samples on either side that it is estimated from, and its order.
        widths: standard deviations of the Gaussians to smooth the power with, in samples.

    Returns:
        one level per width; None where no stretch is long enough, or all are silent.
    """
    whole = max(gap[0] - reach, 0), min(gap[1] + reach, x.size)
    logs = []
    for context, order in references:
        a = burg(segments(x, missing, *gap, context), order)
        stretches = [(start, stop) for start, stop in spans(missing, *gap, reach) if stop - start > 2 * order]
        powers = [_power(x[start:stop], a) for start, stop in stretches]
        if any(power.any() for power in powers):
            logs.append([_log(stretches, powers, whole, width) for width in widths])
    return [Level(log, whole[0]) for log in np.mean(logs, axis=0)] if logs else None


def _power(x: Array, a: Array) -> Array:
    """Squared residuals (samples,) of a stretch: forwards, backwards, and their mean where there are both."""
    order = a.size - 1
    forward = convolve(x, a)[order : x.size] ** 2
    backward = convolve(x[::-1], a)[order : x.size][::-1] ** 2
    power = np.zeros(x.size)
    power[order:] += forward
    power[: x.size - order] += backward
    power[order : x.size - order] *= 0.5
    return power


def _log(stretches: Sequence[tuple[int, int]], powers: Sequence[Array], whole: tuple[int, int], width: float) -> Array:
    """Logarithm of the smoothed power, relative to its median, a straight line where nothing is known."""
    smooth = np.concatenate([_smoothed(power, width) for power in powers])
    at = np.concatenate([np.arange(start, stop) for start, stop in stretches])
    log = np.log(smooth + FLOOR * smooth.mean())
    return np.asarray(np.interp(np.arange(*whole), at, log - np.median(log)))


def _smoothed(power: Array, width: float) -> Array:
    """Three running means: a Gaussian within 6 % of its peak, in a time that does not grow with the width."""
    from scipy.ndimage import uniform_filter1d

    size = max(round(np.sqrt(4.0 * width**2 + 1.0)), 1)  # each has the variance (size^2 - 1) / 12
    for _ in range(3):
        power = uniform_filter1d(power, size)
    return np.maximum(power, 0.0)  # what a running sum leaves of silence is rounding
