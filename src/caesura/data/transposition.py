"""Transpose recordings without changing their length: a phase vocoder that keeps attacks as they are.

    y = resampled by 1 / r from z,   z(u) = x(v(u)) in time,   v(u) = u / r on the whole,   r = 2^(semitones / 12)
    Z_k(b) = X_k(b) R_k(p),   R_k(p) = phase of Z_{k-1}(p) X'_k(p)*

X_k are windows of x around v(u_k), X'_k those one hop earlier, so that every peak p turns on as it does in the
recording, and the bins b of its surroundings keep their phases to it. Around an attack the clock v runs at the speed of
the recording, and what begins there keeps its own phases (R = 1): neither its shape nor its place is smeared. All rows
share the attacks, so that stems that were together stay together.

References:
    J. Laroche, M. Dolson, "Improved phase vocoder time-scale modification of audio", IEEE Trans. Speech and Audio
        Processing 7, 1999.
    A. Röbel, "A new approach to transient processing in the phase vocoder", DAFx 2003.
"""

from __future__ import annotations

__all__ = ["MARGIN", "transposed"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from caesura.audio import resample
from caesura.codecs.gabor import overlap_add
from caesura.data.onsets import attacks

Array = NDArray[np.float64]
Grid = NDArray[np.complex128]

WINDOW_SECONDS = 0.093  # 4096 samples at 44.1 kHz: tells a bass guitar's partials apart
OVERLAP = 8
KEPT_SECONDS = 0.03  # on either side of an attack that run at the recording's speed
LEAST_REST = 1.3  # times what is kept around an attack, from it to the next
GROWTH = 2.0  # times the magnitude before the attack: what began with it
SMALLEST = 1e-12  # magnitude under which a bin has no phase
MARGIN = 0.1  # seconds that an excerpt needs on either side to be as if it were cut from the whole transposed


def transposed(x: Array, semitones: float, sample_rate: int) -> Array:
    """The same music higher or lower, as long as it was.

    Args:
        x: recordings that belong together (rows, samples).
        semitones: up; negative is down.
        sample_rate: hertz.

    Returns:
        (rows, samples).
    """
    if not semitones:
        return np.array(x, dtype=np.float64)
    ratio = 2.0 ** (semitones / 12.0)
    apart = 2.0 * LEAST_REST * KEPT_SECONDS * max(1.0, 1.0 / ratio)
    vocoder = _Vocoder.of(x.shape[1], attacks(x.sum(axis=0), sample_rate, apart), ratio, sample_rate)
    slow = np.stack([vocoder(row) for row in x])
    y = resample(slow, round(ratio * sample_rate), sample_rate)[:, : x.shape[1]]
    return np.pad(y, ((0, 0), (0, x.shape[1] - y.shape[1])))


@dataclass(frozen=True, eq=False)
class _Vocoder:
    """Plays a recording slower or faster at its own pitch."""

    window: Array
    """Of analysis and of synthesis (n,)."""
    hop: int
    """Samples of the result from frame to frame."""
    places: NDArray[np.int64]
    """Samples of the recording that the frames are centred on (frames,)."""
    attack: NDArray[np.int64]
    """Which attack a frame is kept for, -1 for none (frames,)."""
    begins: NDArray[np.int64]
    """Samples of the attacks that are kept (attacks,)."""
    samples: int
    """Of the result."""

    @classmethod
    def of(cls, samples: int, begins: NDArray[np.int64], ratio: float, sample_rate: int) -> _Vocoder:
        """How a recording of `samples` is played `ratio` times as long."""
        n = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
        hop, kept = n // OVERLAP, round(KEPT_SECONDS * sample_rate)
        inner = begins[(begins > 2 * kept) & (begins < samples - 2 * kept)]
        there = np.round(ratio * inner).astype(np.int64)
        length, beyond = round(ratio * samples), samples + n
        frames = np.arange(length // hop + 2) * hop
        heard = np.sort(np.concatenate(([0, beyond], inner - kept, inner + kept)))
        played = np.sort(np.concatenate(([0, round(ratio * beyond)], there - kept, there + kept)))
        near = np.searchsorted(there + kept, frames)
        inside = np.append(there - kept, frames[-1] + 1)[near] <= frames
        # rounded one by one, the frames around an attack would not all be moved by the same number of samples
        places = np.where(inside, frames + np.append(inner - there, 0)[near], np.interp(frames, played, heard))
        attack = np.where(inside, near, -1)
        return cls(signal.get_window("hann", n), hop, np.round(places).astype(np.int64), attack, inner, length)

    def __call__(self, x: Array) -> Array:
        """The result (samples,) for a recording (samples,)."""
        grid, before = self._spectra(x, self.places), self._spectra(x, self.places - self.hop)
        half = self.window.size // 2
        began = np.abs(self._spectra(x, self.begins)) > GROWTH * np.abs(self._spectra(x, self.begins - half))
        for k in range(1, len(grid)):
            turn = _turn(grid[k], grid[k - 1], before[k])
            if self.attack[k] >= 0:
                turn[began[self.attack[k]]] = 1.0
            grid[k] *= turn
        frames = fft.irfft(grid, self.window.size, axis=1) * self.window
        share = self.hop / np.sum(self.window**2)
        return np.asarray(share * overlap_add(frames, self.hop)[half:][: self.samples])

    def _spectra(self, x: Array, places: NDArray[np.int64]) -> Grid:
        """Windows centred on these samples; there is silence outside."""
        n = self.window.size
        padded = np.pad(x, (2 * n, 2 * n))
        views = np.lib.stride_tricks.sliding_window_view(padded, n)
        return np.asarray(fft.rfft(views[np.minimum(places, x.size + n) + 2 * n - n // 2] * self.window, axis=1))


def _turn(heard: Grid, last: Grid, before: Grid) -> Grid:
    """What every bin's phase is turned by (bins,): that of the peak whose surroundings it belongs to."""
    size = np.abs(heard)
    peaks = np.flatnonzero((size[1:-1] > size[:-2]) & (size[1:-1] >= size[2:])) + 1
    if not peaks.size:
        return np.ones_like(heard)
    led = last[peaks] * before[peaks].conj()
    turn = np.where(np.abs(led) > SMALLEST**2, led / np.maximum(np.abs(led), SMALLEST**2), 1.0)
    owner = np.searchsorted((peaks[1:] + peaks[:-1]) // 2, np.arange(size.size))
    return np.asarray(turn[owner])
