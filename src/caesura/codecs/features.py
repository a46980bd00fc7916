"""What a recording sounds like from moment to moment, as numbers that can be compared.

With the short-time spectra X of windows w and X' of their derivative w', every band b of bins has

    level  L_b = 10 log10 sum_b |X|^2                                  in decibels,
    pitch  p_b = sum_b (f |X|^2 - (r / 2 pi) Im X' X*) / sum_b |X|^2   in hertz at a sample rate r:

the second is the derivative of the phase in time, weighted by power, so that it tells tones apart that share a band.
Bands are a semitone wide, or one bin where a semitone is narrower than that.

References:
    N. Perraudin, N. Holighaus, P. Majdak, P. Balazs, "Inpainting of long audio segments with similarity graphs",
    IEEE/ACM Trans. Audio, Speech and Language Processing 26, 2018.
"""

from __future__ import annotations

__all__ = ["Features", "features"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Span, runs

WINDOW_SECONDS = 0.093  # 4096 samples at 44.1 kHz: separates semitones from 200 Hz on
OVERLAP = 4  # hops per window
LOWEST, HIGHEST = 50.0, 12_000.0  # hertz between which music differs from music
SEMITONE = 2.0 ** (1.0 / 12.0)
SILENCE = 1e-12  # power under which there is no level to speak of, -120 dB
BLOCK = 256  # frames transformed at once


@dataclass(frozen=True, eq=False)
class Features:
    """Levels and pitches of all bands in every frame; frame t covers `window` samples from t times `hop` on."""

    level: NDArray[np.float32]
    """(channels, frames, bands) in decibels."""
    pitch: NDArray[np.float32]
    """(channels, frames, bands): mean frequency inside the band, from -1 at its lower edge to 1 at its upper edge."""
    known: NDArray[np.bool_]
    """(channels, frames), True where no sample of the frame is missing."""
    window: int
    """Samples of a frame."""
    hop: int
    """Samples from one frame to the next."""

    @property
    def frames(self) -> int:
        """Number of frames."""
        return int(self.known.shape[1])


def features(x: NDArray[np.float64], mask: NDArray[np.bool_], sample_rate: int) -> Features:
    """Levels and pitches of every channel.

    Args:
        x: signal (channels, samples).
        mask: (channels, samples), True on reliable samples.
        sample_rate: hertz.
    """
    window = _window_length(x.shape[1], sample_rate)
    hop = max(window // OVERLAP, 1)
    frames = (x.shape[1] - window) // hop + 1
    edges = _band_edges(window, sample_rate)
    shape = (x.shape[0], frames, edges.size - 1)
    level, pitch = np.empty(shape, np.float32), np.empty(shape, np.float32)
    known = np.empty(shape[:2], np.bool_)
    for c, (row, reliable) in enumerate(zip(x, mask, strict=True)):
        known[c] = _untouched(runs(~reliable), frames, window, hop)
        for first in range(0, frames, BLOCK):
            last = min(first + BLOCK, frames)
            part = row[first * hop : (last - 1) * hop + window].astype(np.float32)
            level[c, first:last], pitch[c, first:last] = _bands(part, window, hop, edges, sample_rate)
    return Features(level, pitch, known, window, hop)


def _window_length(samples: int, sample_rate: int) -> int:
    wanted = 2 ** round(np.log2(WINDOW_SECONDS * sample_rate))
    return int(min(max(wanted, 2 * OVERLAP), samples))


def _untouched(missing: list[Span], frames: int, window: int, hop: int) -> NDArray[np.bool_]:
    """Frames that hold no missing sample."""
    known = np.ones(frames, np.bool_)
    for start, stop in missing:
        known[max((start - window) // hop + 1, 0) : (stop - 1) // hop + 1] = False
    return known


def _band_edges(window: int, sample_rate: int) -> NDArray[np.int64]:
    """First bin of every band, and one past the last bin of the last."""
    top = min(HIGHEST, 0.5 * sample_rate)
    steps = np.arange(np.log(top / LOWEST) / np.log(SEMITONE)) if top > LOWEST else np.zeros(1)
    wanted = np.round(LOWEST * SEMITONE**steps * window / sample_rate).astype(np.int64)
    edges = np.unique(np.clip(wanted, 1, window // 2))
    return edges if edges.size > 1 else np.array([0, window // 2 + 1])


def _bands(
    part: NDArray[np.float32], window: int, hop: int, edges: NDArray[np.int64], sample_rate: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from scipy.fft import rfft

    framed = np.lib.stride_tricks.sliding_window_view(part, window)[::hop]
    phase = 2.0 * np.pi * (np.arange(window) + 0.5) / window
    hann, slope = (0.5 - 0.5 * np.cos(phase)), np.pi / window * np.sin(phase)
    used = slice(edges[0], edges[-1])
    spectrum = rfft(framed * (hann / hann.sum()).astype(np.float32))[:, used]
    derivative = rfft(framed * (slope / hann.sum()).astype(np.float32))[:, used]
    power = np.abs(spectrum) ** 2
    frequency = np.arange(edges[0], edges[-1]) * (sample_rate / window)
    moment = frequency * power - sample_rate / (2.0 * np.pi) * np.imag(derivative * spectrum.conj())
    energy = np.add.reduceat(power, edges[:-1] - edges[0], axis=1)
    mean = np.add.reduceat(moment, edges[:-1] - edges[0], axis=1) / (energy + SILENCE)
    low, high = (edge * sample_rate / window for edge in (edges[:-1] - 0.5, edges[1:] - 0.5))
    pitch = np.where(energy > SILENCE, (2.0 * mean - low - high) / (high - low), 0.0)
    return 10.0 * np.log10(energy + SILENCE), np.clip(pitch, -1.0, 1.0)
