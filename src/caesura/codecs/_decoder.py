"""Where pictures of sound turn into sound: the lowest sample rate at which their frames and their band fit.

    rate = f_s p / q,   q = gcd(hop, window),   p the least with rate >= twice the band

At that rate a frame has the same middle and the same window in seconds, and a transform of twice the window has every
bin that the magnitudes of a longer transform can tell apart. Work grows with the rate, so this is where it is saved.
"""

from __future__ import annotations

__all__ = ["Decoder"]

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.codecs import Cells, reliable
from caesura.codecs._bands import Bands
from caesura.codecs.phase import Known, Stft
from caesura.problem import Problem

Array = NDArray[np.float64]

OVERSAMPLING = 2  # length of the transform in windows: the power spectrum of a window is sampled as densely as it needs
BLOCK = 1024  # frames whose bands are inverted at once, to bound the memory


@dataclass(frozen=True)
class Decoder:
    """A transform at another sample rate than that of the picture."""

    rate: int
    """Hertz."""
    stft: Stft
    """Single precision is enough for it."""
    every: int
    """Bins of the picture's transform that one of its bins stands for."""

    @classmethod
    def of(cls, sample_rate: int, stft: Stft, least: float) -> Decoder:
        """The lowest rate of at least `least` hertz at which the frames fit, or the picture's own.

        Args:
            sample_rate: of the picture, hertz.
            stft: of the picture.
            least: hertz.
        """
        window, hop = stft.win_length or stft.n_fft, stft.hop_length
        if stft.n_fft % (OVERSAMPLING * window):
            return cls(sample_rate, stft, 1)
        q = math.gcd(hop, window)
        p = min(math.ceil(least * q / sample_rate), q)
        while sample_rate * p % q:  # the rate is a whole number
            p += 1
        inner = Stft(OVERSAMPLING * window * p // q, hop * p // q, window * p // q, mirrored=stft.mirrored)
        return cls(sample_rate * p // q, inner, stft.n_fft // (OVERSAMPLING * window))

    def magnitude(self, bands: Bands, mel: Array, sample_rate: int) -> NDArray[np.float32]:
        """Magnitudes (frames, bins) at this rate of mel bands (bands, frames) at another.

        Args:
            bands: of the picture.
            mel: of one channel.
            sample_rate: of the picture, hertz; a window at this rate has fewer samples to add up.
        """
        bins = self.stft.n_fft // 2 + 1
        found = np.zeros((mel.shape[1], bins), np.float32)
        for first in range(0, mel.shape[1], BLOCK):
            spectra = bands.spectra(mel[:, first : first + BLOCK])[:: self.every][:bins]
            found[first : first + BLOCK, : len(spectra)] = spectra.T * (self.rate / sample_rate)
        return found

    def held(self, known: Problem, samples: int, frames: int) -> Known:
        """What of a signal is known here.

        Args:
            known: one channel at any rate; neither its gaps nor its boxes are.
            samples: length here.
            frames: how many there are.
        """
        problem = known.at(self.rate)
        y, mask = np.zeros(samples, np.float32), np.zeros(samples, bool)
        length = min(samples, problem.samples)
        y[:length], mask[:length] = problem.y[0, :length], problem.mask[0, :length]
        grid = self.stft.encode(y, frames)
        cells = reliable(self._cells(samples, frames), problem.boxes) & self.stft.kept(mask, frames)[:, None]
        for box in problem.boxes:
            mask[box.start : box.stop] = False
        return Known(y, mask, grid, cells)

    def _cells(self, samples: int, frames: int) -> Cells:
        """What the cells look at: the window's span and, of the main lobe of its spectrum, the half around the bin."""
        centre = np.arange(frames, dtype=np.int64) * self.stft.hop_length
        window: Any = self.stft.win_length or self.stft.n_fft
        hertz = np.arange(self.stft.n_fft // 2 + 1) * (self.rate / self.stft.n_fft)
        lobe = self.rate / window
        start, stop = np.maximum(centre - window // 2 + 1, 0), np.minimum(centre + window - window // 2, samples)
        return Cells(start, np.maximum(stop, start + 1), hertz - lobe, hertz + lobe)
