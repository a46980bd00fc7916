"""How a fill meets what it continues: without a click, and without a jump of level.

At an edge a linear prediction of the context gives way to the fill,

    x_hat = cos^2(t) x_AR + sin^2(t) g x_fill,   t from 0 to pi/2 over 20 ms,

which is continuous whatever the fill begins with. The gain g is 1 unless the levels on the two sides differ by more
than sounds change by themselves; then it makes them equal. Between two edges it moves evenly, in decibels.

References:
    I. Kauppinen, K. Roth, "Audio signal extrapolation - theory and applications", DAFx 2002 (the prediction).
"""

from __future__ import annotations

__all__ = ["joined"]

import numpy as np
from numpy.typing import NDArray

from caesura.autoregression import burg, extrapolate
from caesura.region import Region, runs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

FADE = 0.02  # seconds over which prediction gives way to a fill
PAST = 0.2  # seconds that are predicted from
ORDER = 0.02  # seconds of coefficients
REACH = 1.0  # seconds on either side of an edge whose levels are compared
FRAME = 0.05  # seconds; the loudest frame is the level, so that a pause at an edge does not count
PLAUSIBLE = 10.0 ** (6.0 / 20.0)  # ratio of levels that is left alone: sounds begin, decay and breathe
LARGEST_GAIN = 10.0
QUIET = 1e-4  # root mean square below which there is no level to go by


def joined(x: Array, gap: Region, mask: Flags, sample_rate: int, *, level: bool = True) -> Array:
    """A restored signal whose fill begins and ends as its context goes on.

    Args:
        x: with the fill in place (channels, samples).
        gap: where the fill is.
        mask: (channels, samples), True where reliable.
        sample_rate: hertz.
        level: whether the fill is brought to the level of what surrounds it.

    Returns:
        (channels, samples); equal to `x` outside the gap.
    """
    y = x.copy()
    rows = slice(None) if gap.channel is None else slice(gap.channel, gap.channel + 1)
    back = Region(x.shape[1] - gap.stop, x.shape[1] - gap.start)
    sides = [(y[rows], mask[rows], gap), (y[rows, ::-1], mask[rows, ::-1], back)]
    gains = [_gain(*side, sample_rate) if level else None for side in sides]
    known = [gain for gain in gains if gain is not None] or [1.0]
    y[rows, gap.start : gap.stop] *= np.geomspace(gains[0] or known[0], gains[1] or known[0], gap.length)
    for signal, reliable, edge in sides:
        for row, flags in zip(signal, reliable, strict=True):
            _lead_in(row, flags, edge, sample_rate)
    return y


def _gain(x: Array, mask: Flags, gap: Region, rate: int) -> float | None:
    """What brings the beginning of a fill to the level before it; None where nothing is heard on one side."""
    reach = round(REACH * rate)
    context = slice(max(gap.start - reach, 0), gap.start)
    fill = slice(gap.start, min(gap.start + reach, gap.stop))
    before, after = _loudest(np.where(mask, x, 0.0)[:, context], rate), _loudest(x[:, fill], rate)
    if min(before, after) < QUIET:
        return None
    gain = before / after
    return 1.0 if 1.0 / PLAUSIBLE <= gain <= PLAUSIBLE else float(np.clip(gain, 1.0 / LARGEST_GAIN, LARGEST_GAIN))


def _loudest(x: Array, rate: int) -> float:
    """Root mean square of the loudest frame of a signal (channels, samples); 0 where there is not even one frame."""
    frame = max(round(FRAME * rate), 1)
    count = x.shape[1] // frame
    power = np.mean(x[:, : count * frame].reshape(len(x), count, frame) ** 2, axis=(0, 2))
    return float(np.sqrt(power.max(initial=0.0)))


def _lead_in(row: Array, mask: Flags, gap: Region, rate: int) -> None:
    """Let a prediction of what lies before a gap give way to its fill, in place, in one channel (samples,)."""
    known = runs(mask[: gap.start])
    fade = min(round(FADE * rate), gap.length // 4)
    if not known or known[-1][1] != gap.start or not fade:
        return
    past = row[max(known[-1][0], gap.start - round(PAST * rate)) : gap.start]
    order = min(round(ORDER * rate), past.size // 2)
    if order < 1:
        return
    predicted = extrapolate(past, burg([past], order), fade)
    weight = np.sin(0.5 * np.pi * (np.arange(fade) + 0.5) / fade) ** 2
    row[gap.start : gap.start + fade] *= weight
    row[gap.start : gap.start + fade] += (1.0 - weight) * predicted
