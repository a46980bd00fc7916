"""One channel's gap seen through the others, which go on: what they predict, and whether that helps.

A short two-sided filter per channel predicts the damaged channel from the others, and what it leaves is interpolated,

    x = sum_k h_k * y_k + r,    x_hat = sum_k h_k * y_k + r_hat.

The filter minimises the innovations and not the samples (generalised least squares): with a the polynomial of x,
||a * (x - sum_k h_k * y_k)||^2 over what is known beside the gap, causally before it and backwards in time after it.
What an autoregressive model predicts by itself needs no other channel; what it cannot is what the channels share.

Whether a filter helps is found out beside the gap: stretches as long as the gap are taken out, filled with and without
it, and compared. Filters that lower the error e_c share the fill with weights e_c^-3/2; where none does the channel is
filled from itself, to the last bit.

References:
    A. C. Aitken, "On least squares and linear combination of observations", Proc. Royal Society of Edinburgh 55, 1936.
    D. H. Wolpert, "Stacked generalization", Neural Networks 5, 1992.
"""

from __future__ import annotations

__all__ = ["Prediction", "predictions"]

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression.burg import burg, fit
from caesura.autoregression.context import segments
from caesura.autoregression.interpolation import conditional_mean
from caesura.autoregression.toeplitz import convolve
from caesura.region import runs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

WHITENING = 512  # order of the polynomial that whitens; where this and the following hold at 44.1 kHz
TRIAL = 1024  # order of the models in the trials beside the gap
CONTEXT = 4096  # samples on either side that they are estimated from
REACH = 8192  # samples on either side that a filter is estimated from
LONGEST = 4096  # samples of a trial
DISTANCE = 1024  # samples between the gap and a trial
RIDGE = 1e-6  # of the mean power: holds what a channel does not excite
MARGIN = 0.9  # of the error without the other channels: what does not lower it further is chance
SHARPNESS = 1.5  # exponent of the errors in the weights


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the other channels say of one channel."""

    samples: Array
    """(samples,); zero when they are not listened to."""
    unknown: Flags
    """(samples,), True where they are themselves unknown."""
    weight: float
    """Share of the fill, all shares summing to 1."""
    taps: int
    """Length of the filters; 0 when the others are not listened to."""
    error: float
    """Error in the trials beside the gap over the error without the other channels."""


def predictions(
    x: Array, missing: Flags, others: Array, unknown: Flags, gap: tuple[int, int], *, taps: Sequence[int], scale: float
) -> list[Prediction]:
    """What other channels say of a channel with a gap.

    Args:
        x: (samples,), zero where it is unknown.
        missing: (samples,), True where it is unknown.
        others: (others, samples), zero where they are unknown.
        unknown: (samples,), True where one of the others is unknown.
        gap: first sample, and one past the last.
        taps: lengths of the filters to try, odd; several channels share them.
        scale: sample rate over 44.1 kHz.

    Returns:
        those that help, with the fill from the channel itself where that still counts; none when none helps.
    """
    longest = max(round(LONGEST * scale), 1)
    trials = _trials(missing | unknown, gap, max(round(DISTANCE * scale), 1), longest)
    if not trials or not any(x[a:b].any() for a, b in trials):
        return []
    left_out = missing.copy()
    for a, b in trials:
        left_out[a:b] = True
    silent = Prediction(np.zeros_like(x), np.zeros_like(missing), 1.0, 0, 1.0)
    alone = _error(x, left_out, silent, gap, trials, scale)
    if alone == 0.0:
        return []
    tried = []
    for heard in _filtered(x, left_out, others, unknown, gap, taps, scale):
        error = _error(x, left_out, heard, gap, trials, scale) / alone
        tried.append(Prediction(heard.samples, heard.unknown, 1.0, heard.taps, error))
    return _shared([silent, *tried])


def _shared(tried: list[Prediction]) -> list[Prediction]:
    best = min(p.error for p in tried)
    if best >= MARGIN:
        return []
    kept = [p for p in tried if p.error <= 4.0 * best]
    weights = np.array([max(p.error, 1e-12) ** -SHARPNESS for p in kept])
    weights /= weights.sum()
    return [Prediction(p.samples, p.unknown, float(w), p.taps, p.error) for p, w in zip(kept, weights, strict=True)]


def _trials(missing: Flags, gap: tuple[int, int], distance: int, longest: int) -> list[tuple[int, int]]:
    """Known stretches beside the gap, as long as it unless that is too long to learn from what is left."""
    length = min(gap[1] - gap[0], longest)
    room = [(a, a + length) for a in (gap[0] - distance - length, gap[1] + distance)]
    return [(a, b) for a, b in room if a >= distance and b + distance <= missing.size and not missing[a:b].any()]


def _error(
    x: Array, left_out: Flags, heard: Prediction, gap: tuple[int, int], trials: list[tuple[int, int]], scale: float
) -> float:
    """Error energy over signal energy in the trials."""
    missing = left_out | heard.unknown
    rest = np.where(missing, 0.0, x - heard.samples)
    known = segments(rest, missing, *gap, max(round(CONTEXT * scale), 2))
    count = sum(part.size for part in known)
    (model,) = fit(known, [min(max(round(TRIAL * scale), 1), count // 4)])
    if model.variance == 0.0:
        return 0.0
    total = 0.0
    for a, b in trials:
        wrong = conditional_mean(rest, missing, a, b, [model]) + heard.samples[a:b] - x[a:b]
        total += float(wrong @ wrong) / max(float(x[a:b] @ x[a:b]), np.finfo(float).tiny)
    return total


def _filtered(
    x: Array, missing: Flags, others: Array, unknown: Flags, gap: tuple[int, int], taps: Sequence[int], scale: float
) -> list[Prediction]:
    """The predictions of filters of several lengths, from one set of normal equations."""
    known = segments(x, missing, *gap, max(round(CONTEXT * scale), 2))
    order = min(max(round(WHITENING * scale), 1), sum(part.size for part in known) // 4)
    a = burg(known, order)
    halves = [max(round(n * scale / len(others)), 1) // 2 for n in taps]
    reach = max(round(REACH * scale), 2)
    matrix, right = _normal_equations(x, missing, others, unknown, gap, a, max(halves), reach)
    found = []
    for n, half in zip(taps, halves, strict=True):
        h = _solved(matrix, right, half)
        if h is None:
            continue
        said = np.sum([convolve(y, own)[half : half + x.size] for y, own in zip(others, h, strict=True)], axis=0)
        blurred = _widened(unknown, half, half)
        if not blurred[gap[0] : gap[1]].any():
            found.append(Prediction(said, blurred, 1.0, n, 0.0))
    return found


def _solved(matrix: Array, right: Array, half: int) -> Array | None:
    """Filters (others, 2 half + 1) from the middle of the normal equations (others, lags, others, lags)."""
    from scipy.linalg import LinAlgError, solve

    widest = matrix.shape[1] // 2
    middle = slice(widest - half, widest + half + 1)
    size = len(matrix) * (2 * half + 1)
    square, b = matrix[:, middle, :, middle].reshape(size, size).copy(), right[:, middle].ravel()
    power = float(np.trace(square))
    if power <= 0.0:
        return None
    square[np.diag_indices(size)] += RIDGE * power / size
    try:
        return np.asarray(solve(square, b, assume_a="pos")).reshape(len(matrix), -1)
    except LinAlgError:
        return None


def _normal_equations(
    x: Array, missing: Flags, others: Array, unknown: Flags, gap: tuple[int, int], a: Array, half: int, reach: int
) -> tuple[Array, Array]:
    """Sums over the known innovations beside the gap: (others, lags, others, lags) and (others, lags)."""
    lags = 2 * half + 1
    matrix, right = np.zeros((len(others), lags, len(others), lags)), np.zeros((len(others), lags))
    order = a.size - 1
    before = slice(max(gap[0] - reach - order - half, 0), gap[0] + half)
    after = slice(max(gap[1] - half, 0), min(gap[1] + reach + order + half, x.size))
    for side, polynomial in ((before, a), (after, a[::-1])):
        causal = polynomial is a
        if side.stop - side.start <= order + 2 * half:
            continue  # the recording begins or ends here
        known = ~_widened(missing[side], 0 if causal else order, order if causal else 0)
        known &= ~_widened(unknown[side], half + (0 if causal else order), half + (order if causal else 0))
        first = 0 if causal else order
        e = convolve(x[side], polynomial)[first : first + known.size]
        u = np.stack([convolve(y[side], polynomial)[first : first + known.size] for y in others])
        # Nothing is known of the samples beyond the stretch that was cut out.
        known[: half + (order if causal else 0)] = False
        known[known.size - half - (0 if causal else order) :] = False
        for k, own in enumerate(u):
            right[k] += _lagged(np.where(known, e, 0.0), own, half)
            for m, other in enumerate(u):
                matrix[k, :, m] += _covariance(own, other, known, half)
    return matrix, right


def _covariance(u: Array, v: Array, known: Flags, half: int) -> Array:
    """sum_n known[n] u[n - i] v[n - j] for i, j = -half .. half, by its first row, its first column and its edges."""
    lags = 2 * half + 1
    total = np.empty((lags, lags))
    at = np.arange(known.size)
    total[0] = _lagged(np.where(known, np.roll(u, -half), 0.0), v, half)
    total[:, 0] = _lagged(np.where(known, np.roll(v, -half), 0.0), u, half)
    spans = np.array(runs(known), dtype=int).reshape(-1, 2)
    # From (i, j) to (i + 1, j + 1) every span moves back by a sample: one product comes in and one goes out.
    shifts = at[:lags] - half
    come, go = spans[:, :1] - 1 - shifts, spans[:, 1:] - 1 - shifts
    step = u[come].T @ v[come] - u[go].T @ v[go]
    for i in range(1, lags):
        total[i, 1:] = total[i - 1, :-1] + step[i - 1, :-1]
    return total


def _lagged(e: Array, v: Array, half: int) -> Array:
    """sum_n e[n] v[n - j] for j = -half .. half."""
    middle = v.size - 1
    return convolve(e, v[::-1])[middle - half : middle + half + 1]


def _widened(flags: Flags, before: int, after: int) -> Flags:
    """True also `before` samples before and `after` samples after where it is."""
    wide = flags.copy()
    for start, stop in runs(flags):
        wide[max(start - before, 0) : stop + after] = True
    return wide
