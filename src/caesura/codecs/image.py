"""Spectrogram images: mel bands of a signal as the grey levels of a picture, and the way back to sound.

    S = B |X|,   v = trunc(255 - 255 (S / M)^(1/4)),   |X| ~ B^-1 M ((255 - v) / 255)^4

X is the Fourier transform of Hann windows of 100 ms every 10 ms, mirrored at both ends, B are 512 mel bands up to
10 kHz, M is the largest band value of all channels. Loud is black, the lowest band is the bottom row; one channel makes
a grey picture, two are its green and its blue. M is kept, so the level of a recording comes back.

The way back works at the lowest sample rate that holds the bands, with phases that are propagated along the peaks and
then made consistent by the fast Griffin-Lim algorithm, held to whatever of the signal is known.

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    N. Perraudin, P. Balazs, P. L. Sondergaard, "A fast Griffin-Lim algorithm", IEEE WASPAA 2013.
"""

from __future__ import annotations

__all__ = ["LOUDEST", "SpectrogramImage"]

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.codecs import Cells
from caesura.codecs._bands import Bands
from caesura.codecs._decoder import Decoder
from caesura.codecs.phase import Stft
from caesura.problem import Problem

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]

LOUDEST = 30e6 / 32768  # band value of black where a picture does not say it; a published constant, in full scales
WHITE = 255
BLOCK = 256  # frames that are transformed at once, to bound the memory
HEADROOM = 1.1  # of the inner rate over twice the highest band, for the filter that changes the rate
ITERATIONS = 64


@dataclass(frozen=True)
class SpectrogramImage:
    """Pictures of sound; grids are (channels, bands, frames), the lowest band first."""

    sample_rate: int = 44_100
    """Hertz."""
    step_ms: int = 10
    """Milliseconds from frame to frame, which are columns."""
    window_ms: int = 100
    """Milliseconds of the window."""
    padded_ms: int = 400
    """Milliseconds of the transform."""
    bands: int = 512
    """Mel bands, which are rows."""
    low: int = 0
    """Lower edge of the lowest band in hertz."""
    high: int = 10_000
    """Upper edge of the highest band in hertz."""
    power: float = 0.25
    """Exponent of the grey levels."""

    def __post_init__(self) -> None:
        if not 0 < self.hop_length <= self.win_length // 2 or self.win_length > self.n_fft:
            raise ValueError(
                f"step_ms={self.step_ms}, window_ms={self.window_ms}, padded_ms={self.padded_ms} at {self.sample_rate} "
                "Hz: a step is at least a sample and at most half a window, a window at most the padded length"
            )
        if not 0 <= self.low < self.high or self.bands < 1 or not self.power > 0.0:
            raise ValueError(
                f"low={self.low}, high={self.high}, bands={self.bands}, power={self.power}: "
                "0 <= low < high, a band or more, and a power above 0"
            )

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return self.sample_rate * self.step_ms // 1000

    @property
    def win_length(self) -> int:
        """Samples of the window."""
        return self.sample_rate * self.window_ms // 1000

    @property
    def n_fft(self) -> int:
        """Samples of the transform."""
        return self.sample_rate * self.padded_ms // 1000

    @property
    def edges(self) -> Array:
        """Corners of the bands in hertz (bands + 2,)."""
        return self._bands.edges

    def frames(self, samples: int) -> int:
        """Frames of a signal; the last one is centred less than a hop before its end."""
        return 1 + samples // self.hop_length

    def samples(self, frames: int) -> int:
        """Samples from the middle of the first frame to that of the last."""
        return self.hop_length * (frames - 1)

    def mel(self, x: Array) -> Array:
        """Bands of a signal.

        Args:
            x: (channels, samples).

        Returns:
            (channels, bands, frames), in the units of the signal.
        """
        alike = len(x) > 1 and bool((x == x[:1]).all())
        grids = self._stft.blocks(x[:1] if alike else x, BLOCK)
        mel = np.concatenate([self._bands.apply(np.abs(grid).swapaxes(-1, -2)) for grid in grids], axis=-1)
        return np.repeat(mel, len(x), axis=0) if alike else mel

    def pixels(self, mel: Array, loudest: float | None = None) -> Pixels:
        """The picture (bands, frames, 3) of one or two channels.

        Args:
            mel: (channels, bands, frames).
            loudest: band value that is black; None: the largest there is. What is louder is black as well.
        """
        if mel.shape[0] not in (1, 2):
            raise ValueError(f"a picture shows 1 or 2 channels, got {mel.shape[0]}")
        top = float(mel.max(initial=0.0)) if loudest is None else loudest
        share = np.clip(mel / top, 0.0, 1.0) if top > 0.0 else np.zeros_like(mel)
        levels = (WHITE - WHITE * share**self.power).astype(np.uint8)[:, ::-1]
        black = np.zeros_like(levels[0])
        return np.stack([levels[0]] * 3 if len(levels) == 1 else [black, *levels], axis=-1)

    def levels(self, mel: Array, loudest: float) -> Array:
        """What `pixels` rounds, from -1 (loud) to 1 (silent): (channels, bands, frames), the highest band first."""
        return 1.0 - 2.0 * np.clip(mel[:, ::-1] / loudest, 0.0, 1.0) ** self.power

    def from_levels(self, levels: Array, loudest: float) -> Array:
        """Bands of what `levels` made; beyond its range there is nothing."""
        return np.asarray((0.5 - 0.5 * np.clip(levels[:, ::-1], -1.0, 1.0)) ** (1.0 / self.power) * loudest)

    def from_pixels(self, pixels: Pixels, loudest: float = LOUDEST, *, stereo: bool = False) -> Array:
        """Bands (channels, bands, frames) of a picture (bands, frames, 3).

        Args:
            pixels: of one channel its red is read, of two green and blue.
            loudest: band value of black.
            stereo: whether it shows two channels.
        """
        shown = np.moveaxis(pixels[..., 1:] if stereo else pixels[..., :1], -1, 0).astype(np.float64)
        return self.from_levels(2.0 * shown / WHITE - 1.0, loudest)

    def decode(
        self,
        mel: Array,
        samples: int,
        rng: np.random.Generator,
        *,
        known: Problem | None = None,
        iterations: int = ITERATIONS,
    ) -> Array:
        """A signal with these bands.

        Args:
            mel: (channels, bands, frames).
            samples: length of the signal, at most a hop more than `samples(frames)`.
            rng: where phases come from that nothing leads to; all channels get the same ones.
            known: what is known of the signal: reliable samples and, beside boxes, the rest of the band are held and
                give what is to be filled its phases.
            iterations: of the Griffin-Lim algorithm.

        Returns:
            (channels, samples).
        """
        from caesura.audio import resample

        seed = int(rng.integers(2**63))
        decoder = self._decoder
        length = math.ceil(samples * decoder.rate / self.sample_rate)
        rows: list[NDArray[np.floating[Any]]] = []
        for c, own in enumerate(mel):
            held = None if known is None else known.channel(c)
            if c and np.array_equal(own, mel[0]) and _alike(held, None if known is None else known.channel(0)):
                rows.append(rows[0])
                continue
            magnitude = decoder.magnitude(self._bands, own, self.sample_rate)
            rows.append(
                decoder.sound(magnitude, length, np.random.default_rng(seed), known=held, iterations=iterations)
            )
        x = resample(np.stack(rows).astype(np.float64), decoder.rate, self.sample_rate)
        return np.pad(x, ((0, 0), (0, max(samples - x.shape[1], 0))))[:, :samples]

    def cells(self, samples: int) -> Cells:
        """What the cells look at; the first sample of a window has weight 0 and is not counted."""
        centre = np.arange(self.frames(samples), dtype=np.int64) * self.hop_length
        half = self.win_length // 2
        # What is mirrored at an end lies within the unmirrored half of the same window.
        start, stop = np.maximum(centre - half + 1, 0), np.minimum(centre + self.win_length - half, samples)
        return Cells(start, stop, self._bands.edges[:-2], self._bands.edges[2:])

    @cached_property
    def _stft(self) -> Stft:
        return Stft(self.n_fft, self.hop_length, self.win_length, mirrored=True)

    @cached_property
    def _bands(self) -> Bands:
        return Bands(self.bands, self.low, self.high, self.n_fft // 2 + 1, self.sample_rate / self.n_fft)

    @cached_property
    def _decoder(self) -> Decoder:
        return Decoder.of(self.sample_rate, self._stft, HEADROOM * 2.0 * self.high)


def _alike(a: Problem | None, b: Problem | None) -> bool:
    """Whether the same is known of two channels."""
    if a is None or b is None:
        return a is b
    return a.regions == b.regions and a.unknown == b.unknown and np.array_equal(a.y, b.y)
