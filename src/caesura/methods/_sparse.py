"""ADMM for signals with sparse spectra and known samples: the two SPAIN iterations.

With H_k, which keeps the k largest coefficients of every frame, and P, which puts the known samples back,

    analysis:   z = H_k(E x + u),    x = P E*(z - u),    u <- u + E x - z,    until |E x - z| <= tolerance
    synthesis:  z = H_k(E(x - u)),   x = P(E* z + u),    u <- u + E* z - x,   until |E* z - x| <= tolerance

and k grows from one iteration to the next. The x with the smallest residual is returned.

References:
    O. Mokry, P. Zaviska, P. Rajmic, V. Vesely, "Introducing SPAIN (SParse Audio INpainter)", EUSIPCO 2019.
    P. Zaviska, P. Rajmic, O. Mokry, Z. Prusa, "A proper version of synthesis-based sparse audio
        declipper", ICASSP 2019.
"""

from __future__ import annotations

__all__ = ["Codec", "Neighbourhood", "Schedule", "Solver", "analysis", "centred_frame", "neighbourhood", "synthesis"]

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.gabor import Gabor
from caesura.problem import Region

Real = NDArray[np.floating[Any]]
Grid = NDArray[np.complexfloating[Any, Any]]
Mask = NDArray[np.bool_]


class Codec(Protocol):
    """A tight frame: `decode` is the adjoint of `encode`, and its inverse."""

    def encode(self, x: Real) -> Grid:
        """Signals (signals, samples) to grids (signals, frames, bins)."""

    def decode(self, z: Grid, samples: int) -> Real:
        """Grids (signals, frames, bins) to signals (signals, samples)."""


@dataclass(frozen=True)
class Schedule:
    """How many coefficients are kept from one iteration to the next, and when it is enough."""

    growth: float
    """Share by which the number grows, one at least."""
    tolerance: float
    """Residual at which to stop."""

    def next(self, k: int) -> int:
        """The number after `k`."""
        return max(k + 1, int(k * (1.0 + self.growth)))


Solver = Callable[[Codec, Real, Mask, Schedule], Real]


def analysis(codec: Codec, known: Real, mask: Mask, schedule: Schedule) -> Real:
    """Signals whose spectra are sparse.

    Args:
        codec: a tight frame.
        known: (signals, samples), zero where nothing is known; each signal is solved for itself.
        mask: (signals, samples), True where the sample is known.
        schedule: see `Schedule`.

    Returns:
        (signals, samples).
    """
    best = _Best(known)
    spectrum = codec.encode(known)
    u = np.zeros_like(spectrum)
    k = 1
    while best.running.size and k <= spectrum.shape[-1]:
        z = _largest(spectrum + u, k)
        x = np.where(mask, known, codec.decode(z - u, known.shape[-1]))
        spectrum = codec.encode(x)
        residual = spectrum - z
        u += residual
        go = best.update(x, residual, schedule.tolerance)
        if not go.all():
            known, mask, spectrum, u = known[go], mask[go], spectrum[go], u[go]
        k = schedule.next(k)
    return best.x


def synthesis(codec: Codec, known: Real, mask: Mask, schedule: Schedule) -> Real:
    """Signals made of few coefficients; see `analysis`."""
    best = _Best(known)
    x, u, k = known, np.zeros_like(known), 1
    while best.running.size:
        spectrum = codec.encode(x - u)
        if k > spectrum.shape[-1]:
            break
        made = codec.decode(_largest(spectrum, k), known.shape[-1])
        x = np.where(mask, known, made + u)
        residual = made - x
        u += residual
        go = best.update(x, residual, schedule.tolerance)
        if not go.all():
            known, mask, x, u = known[go], mask[go], x[go], u[go]
        k = schedule.next(k)
    return best.x


class _Best:
    """The signals with the smallest residuals so far, and which of them still run."""

    def __init__(self, known: Real) -> None:
        self.x = np.array(known)
        self.residual = np.full(len(known), np.inf)
        self.running = np.arange(len(known))

    def update(self, x: Real, residual: NDArray[Any], tolerance: float) -> Mask:
        """Take over what is better and say which of the running signals go on."""
        size = np.linalg.norm(residual.reshape(len(residual), -1), axis=1)
        better = size < self.residual[self.running]
        self.x[self.running[better]] = x[better]
        self.residual[self.running[better]] = size[better]
        go = size > tolerance
        self.running = self.running[go]
        return np.asarray(go)


def _largest(z: Grid, k: int) -> Grid:
    """The k largest coefficients of every frame, the others set to zero."""
    power = z.real**2 + z.imag**2
    split = z.shape[-1] - k
    threshold = np.partition(power, split, axis=-1)[..., split : split + 1]
    return np.where(power >= threshold, z, z.dtype.type(0))


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """All windows that meet a gap, as one signal."""

    start: int
    """First sample in the recording; negative where windows reach past its beginning."""
    known: NDArray[np.float32]
    """(samples,), divided by the peak; zero where nothing is known, past the ends of the recording too."""
    mask: Mask
    """(samples,), True where the sample is known."""
    peak: float
    """Largest magnitude of what is known; 0 if there is nothing but silence."""
    frame: Gabor
    """The frame, centred in samples of the neighbourhood."""


def centred_frame(
    gap: Region,
    sample_rate: int,
    window: float,
    *,
    overlap: int,
    redundancy: int = 1,
    phase: Literal["absolute", "frame"],
) -> Gabor:
    """A frame with the middle of the gap halfway between the centres of two windows, which then hear most of it.

    Args:
        gap: what to fill.
        sample_rate: hertz.
        window: seconds; made a little longer where that makes the Fourier transform fast.
        overlap: windows that cover each sample.
        redundancy: length of the Fourier transform in windows.
        phase: see `Gabor`.
    """
    from scipy import fft

    hop = max(fft.next_fast_len(round(window * sample_rate / overlap)), 4)
    length = hop * overlap
    n_fft = fft.next_fast_len(length * redundancy)
    return Gabor(sample_rate, length, hop, n_fft, centre=(gap.start + gap.stop + hop) // 2, phase=phase, inside=True)


def neighbourhood(
    y: NDArray[np.float64], reliable: Mask, gap: Region, frame: Gabor, *, extra: int = 0
) -> Neighbourhood:
    """Cut out the windows that meet a gap, which are all that its samples depend on.

    Args:
        y: the recording (samples,).
        reliable: (samples,), True where `y` is known.
        gap: what to fill.
        frame: a frame in samples of the recording, with its `centre` set.
        extra: windows to add on either side.
    """
    hop, length = frame.hop_length, frame.win_length
    anchor = (frame.centre or 0) - length // 2
    first = anchor + hop * (-((anchor + length - 1 - gap.start) // hop) - extra)
    count = -(-(gap.stop - first) // hop) + extra
    samples = (count - 1) * hop + length
    low, high = max(first, 0), min(first + samples, y.size)
    inside = slice(low - first, high - first)
    known, mask = np.zeros(samples), np.zeros(samples, dtype=bool)
    known[inside], mask[inside] = y[low:high], reliable[low:high]
    known[~mask] = 0.0
    peak = float(np.abs(known).max())
    scaled = (known / peak if peak else known).astype(np.float32)
    return Neighbourhood(first, scaled, mask, peak, dataclasses.replace(frame, centre=length // 2))
