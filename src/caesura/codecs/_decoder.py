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
from caesura.codecs.phase import Known, Stft, griffin_lim
from caesura.codecs.propagation import propagated_phases
from caesura.problem import Problem
from caesura.region import Region, clipped

Array = NDArray[np.float64]
Real = NDArray[np.floating[Any]]

OVERSAMPLING = 2  # length of the transform in windows: the power spectrum of a window is sampled as densely as it needs
BLOCK = 128  # frames whose bands are inverted at once: they stay in the cache
PART = 2000  # frames whose phases are found at once, for the same reason
SHARED = 100  # of them with the part before


@dataclass(frozen=True, eq=False)
class _Heard:
    """What is known of a signal."""

    y: Real
    """(samples,)."""
    mask: NDArray[np.bool_]
    """True where the full band is known, or all of it but boxes."""
    boxes: tuple[Region, ...]

    def part(self, span: slice) -> tuple[Real, NDArray[np.bool_], tuple[Region, ...]]:
        """A copy of a part."""
        return self.y[span].copy(), self.mask[span].copy(), clipped(self.boxes, span.start, span.stop)


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

    def magnitude(self, bands: Bands, mel: Array, sample_rate: int) -> Real:
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

    def sound(
        self,
        magnitude: Real,
        samples: int,
        rng: np.random.Generator,
        *,
        known: Problem | None = None,
        iterations: int = 64,
    ) -> Real:
        """A signal (samples,) with these magnitudes, made in parts that go on from one another.

        Args:
            magnitude: (frames, bins).
            samples: length of the signal.
            rng: where phases come from that nothing leads to.
            known: one channel at any rate; neither its gaps nor its boxes are known.
            iterations: of the Griffin-Lim algorithm, for each part.
        """
        hop, frames = self.stft.hop_length, len(magnitude)
        heard = None if known is None else self._heard(known.at(self.rate), samples)
        x = np.zeros(samples, np.float32)
        for first in range(0, max(frames - SHARED, 1), PART - SHARED):
            stop = min(first + PART, frames)
            span = slice(first * hop, samples if stop == frames else (stop - 1) * hop)
            # What the part before has made is known up to the middle of what both share: its end is mirrored.
            ready = (SHARED // 2) * hop if first else 0
            held = self._held(heard, x, span, ready, stop - first)
            part = magnitude[first:stop]
            start = propagated_phases(part, self.stft, rng, held)
            x[span] = griffin_lim(part, self.stft, x[span].size, start=start, known=held, iterations=iterations)
        return x

    def _heard(self, problem: Problem, samples: int) -> _Heard:
        """What is known of a signal at this rate."""
        y, mask = np.zeros(samples, np.float32), np.zeros(samples, bool)
        length = min(samples, problem.samples)
        y[:length], mask[:length] = problem.y[0, :length], problem.mask[0, :length]
        return _Heard(y, mask, problem.boxes)

    def _held(self, heard: _Heard | None, x: Real, span: slice, ready: int, frames: int) -> Known | None:
        """What is known of a part of a signal.

        Args:
            heard: of the recording.
            x: what was made before.
            span: of the part.
            ready: samples at its beginning that were made.
            frames: how many it has.
        """
        if heard is None and not ready:
            return None
        size = x[span].size
        nothing = _Heard(np.zeros(x.size, np.float32), np.zeros(x.size, bool), ())
        y, mask, boxes = (heard or nothing).part(span)
        y[:ready], mask[:ready] = x[span][:ready], True
        cells = reliable(self._cells(size, frames), boxes) & self.stft.kept(mask, frames)[:, None]
        grid = self.stft.encode(y, frames)
        for box in boxes:
            mask[max(box.start, ready) : box.stop] = False
        return Known(y, mask, grid, cells)

    def _cells(self, samples: int, frames: int) -> Cells:
        """What the cells look at: the window's span and, of the main lobe of its spectrum, the half around the bin."""
        centre = np.arange(frames, dtype=np.int64) * self.stft.hop_length
        window: Any = self.stft.win_length or self.stft.n_fft
        hertz = np.arange(self.stft.n_fft // 2 + 1) * (self.rate / self.stft.n_fft)
        lobe = self.rate / window
        start, stop = np.maximum(centre - window // 2 + 1, 0), np.minimum(centre + window - window // 2, samples)
        return Cells(start, np.maximum(stop, start + 1), hertz - lobe, hertz + lobe)
