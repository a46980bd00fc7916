"""Bring the levels of a fill's bands nearer to those of its surroundings.

    g_b(t) = (T_b(t) / P_b(t))^(share / 2),    ln T_b goes in a straight line from the left side's level to the right's

P_b(t) is the power of the fill in one third of an octave around t. Prediction, sparse spectra and the mean of a
posterior all know less and less with the distance from the edges, and say it more and more quietly. A share of 0.6 was
the best of 0.3, 0.6 and 0.9 on recordings that nothing was trained or tested on.

References:
    none needed; a graphic equaliser that is set by the surroundings.
"""

from __future__ import annotations

__all__ = ["levelled"]

import numpy as np
from numpy.typing import NDArray

from caesura.problem import runs

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

FRAME = 0.032  # seconds
OVERLAP = 4  # frames that cover each sample
SIDE = 0.1  # seconds of either side whose levels are taken
LOWEST = 100.0  # hertz of the lowest band
PER_OCTAVE = 3
EDGE = 0.003  # seconds over which the correction sets in, so that the edges stay joined
HIGHEST_GAIN, LOWEST_GAIN = 12.0, -6.0  # dB
SILENCE = 1e-12  # power added to every band


def levelled(x: Array, mask: Flags, sample_rate: int, share: float) -> Array:
    """A filled recording, its fills as loud as their surroundings make likely.

    Args:
        x: the recording with its gaps filled (samples,).
        mask: True where reliable (samples,).
        sample_rate: hertz.
        share: how much of the difference in decibels is taken away, from 0 to 1.

    Returns:
        (samples,); equal to `x` where reliable, and in gaps without a whole frame on either side.
    """
    out = x.copy()
    size = OVERLAP * round(FRAME * sample_rate / OVERLAP)
    reach = 2 * size + round(SIDE * sample_rate)
    for start, stop in runs(~mask):
        first, last = max(start - reach, 0), min(stop + reach, x.size)
        part = _Part(x[first:last], mask[first:last], start - first, stop - first, sample_rate, size)
        found = part.corrected(share)
        if found is not None:
            out[start:stop] = x[start:stop] + _ramps(stop - start, sample_rate) * (found - x[start:stop])
    return out


class _Part:
    """A gap with as much of its surroundings as is looked at, in overlapping frames."""

    def __init__(self, x: Array, mask: Flags, start: int, stop: int, sample_rate: int, size: int) -> None:
        self.start, self.stop, self.size, self.hop = start, stop, size, size // OVERLAP
        self.window = np.sqrt(0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(size) / size))
        frames = np.lib.stride_tricks.sliding_window_view(np.pad(x, size), size)[:: self.hop]
        self.spectra = np.fft.rfft(frames * self.window)
        self.bands = _bands(sample_rate, size)
        widths = np.maximum(self.bands.sum(axis=1), SILENCE)
        there = np.lib.stride_tricks.sliding_window_view(np.pad(np.ones(x.size), size), size)[:: self.hop]
        share = there @ self.window**2 / (self.window @ self.window)  # of a frame that lies in the recording
        power = np.abs(self.spectra) ** 2 @ self.bands.T / widths / np.maximum(share, 1.0 / OVERLAP)[:, None]
        self.level = np.log(power + SILENCE)
        self.centre = np.arange(len(frames)) * self.hop - size // 2
        known = np.lib.stride_tricks.sliding_window_view(np.pad(mask, size), size)[:: self.hop].all(axis=1)
        near = round(SIDE * sample_rate) + size // 2
        self.before = known & (self.centre < start) & (self.centre > start - near)
        self.after = known & (self.centre > stop) & (self.centre < stop + near)

    def corrected(self, share: float) -> Array | None:
        """The gap's samples; None if there is nothing to compare with."""
        sides = [self._mean(frames) for frames in (self.before, self.after) if frames.any()]
        if not sides:
            return None
        place = np.clip((self.centre - self.start) / (self.stop - self.start), 0.0, 1.0)[:, None]
        wanted = sides[0] + place * (sides[-1] - sides[0])
        decibels = 10.0 / np.log(10.0) * share * (wanted - self.level)
        gain = 10.0 ** (np.clip(decibels, LOWEST_GAIN, HIGHEST_GAIN) @ self.bands / 20.0)
        touching = (self.centre > self.start - self.hop) & (self.centre < self.stop + self.hop)
        gain[~touching] = 1.0
        return self._joined(gain)[self.start : self.stop]

    def _mean(self, frames: Flags) -> Array:
        return np.asarray(np.log(np.exp(self.level[frames]).mean(axis=0)))

    def _joined(self, gain: Array) -> Array:
        """Overlap-add of all frames (samples,)."""
        pieces = np.fft.irfft(self.spectra * gain, self.size) * self.window * (2.0 / OVERLAP)
        joined = np.zeros((len(pieces) - 1) * self.hop + self.size)
        for k, piece in enumerate(pieces):
            joined[k * self.hop : k * self.hop + self.size] += piece
        return joined[self.size :]


def _bands(sample_rate: int, size: int) -> Array:
    """Triangles of thirds of an octave that add up to one at every bin (bands, bins)."""
    hertz = np.fft.rfftfreq(size, 1.0 / sample_rate)
    height = PER_OCTAVE * np.log2(np.maximum(hertz, LOWEST) / LOWEST)
    bands = np.arange(int(np.ceil(height[-1])) + 1)
    return np.asarray(np.maximum(1.0 - np.abs(height - bands[:, None]), 0.0))


def _ramps(length: int, sample_rate: int) -> Array:
    edge = max(min(round(EDGE * sample_rate), length // 2), 1)
    place = (np.arange(length) + 0.5) / edge
    return np.asarray(np.sin(0.5 * np.pi * np.clip(np.minimum(place, place[::-1]), 0.0, 1.0)) ** 2)
