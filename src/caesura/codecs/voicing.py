"""Sound from a log-mel spectrogram without a learned vocoder: magnitudes that fit, then phases.

    A = argmin_{A >= 0} || M A - exp(L) ||   by   A <- A (M' exp(L)) / (M' M A),   A_0 = M' exp(L) / (M' M 1)

M are the triangles of the mel scale. The multiplicative steps keep the magnitudes smooth between the bins of a
triangle, where nothing is known. Phases are those of the fast Griffin-Lim algorithm, held to the samples that are
known.

References:
    D. D. Lee, H. S. Seung, "Algorithms for non-negative matrix factorization", NIPS 2000 (the steps).
    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", IEEE WASPAA 2013.
"""

from __future__ import annotations

__all__ = ["Voice"]

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.mel import FLOOR, Mel
from caesura.codecs.phase import Known, Stft, griffin_lim, random_phases

Array = NDArray[np.float64]
Single = NDArray[np.float32]

TINY = 1e-9


@dataclass(frozen=True)
class Voice:
    """The way back from `Mel`."""

    mel: Mel = field(default_factory=Mel)
    fits: int = 20
    """Steps towards the magnitudes that fit."""
    iterations: int = 32
    """Of the phases."""
    momentum: float = 0.99
    """Of the phases."""
    seed: int = 0
    """Of the phases that are begun with where nothing is known."""

    def __call__(self, log_mel: Array, samples: int, known: tuple[Array, NDArray[np.bool_]] | None = None) -> Array:
        """The signal of a log-mel spectrogram.

        Args:
            log_mel: (frames, bins), of `samples // hop_length` frames.
            samples: length.
            known: the signal (samples,) and its mask, True where reliable: there it is returned as it is, and its
                phases go on into the rest.

        Returns:
            (samples,).
        """
        magnitude = self.magnitude(log_mel)
        start = random_phases(magnitude, np.random.default_rng(self.seed))
        held = None
        if known is not None and known[1].any():
            y, mask = known[0].astype(np.float32), known[1]
            held = Known(y, mask)
            heard = self.stft.encode(np.where(mask, y, np.float32(0.0)), len(magnitude))
            start = np.where(self.stft.kept(mask, len(magnitude))[:, None], heard, start)
        x = griffin_lim(
            magnitude, self.stft, samples, start=start, known=held, iterations=self.iterations, momentum=self.momentum
        )
        return np.asarray(x, dtype=np.float64)

    def magnitude(self, log_mel: Array) -> Single:
        """Magnitudes (..., frames, n_fft // 2 + 1) whose log-mel spectrogram is nearly this one."""
        wanted = np.exp(np.maximum(log_mel, FLOOR)).astype(np.float32)
        filters = self.mel.filters.astype(np.float32)
        spread = wanted @ filters
        # by way of the few mel bins
        found = spread / np.maximum(filters.sum(axis=1) @ filters, TINY)
        for _ in range(self.fits):
            found *= spread / np.maximum((found @ filters.T) @ filters, TINY)
        return np.asarray(found)

    @cached_property
    def stft(self) -> Stft:
        """The transform that the spectrogram is of."""
        return Stft(self.mel.n_fft, self.mel.hop_length)
