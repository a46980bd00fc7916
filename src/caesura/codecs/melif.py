"""Mel-IF images of notes: log mel power and the instantaneous frequency of each mel band, published and better.

    C0 = ln(W' (|X| + eps)^2 + eps),    published:  C1 = D(W' unwrap(arg X)) / pi,   D the difference along time
    weighted:  C1[b, t] = arg(exp(-i v_b) sum_k W[k, b] Y[k, t] conj(Y[k, t-1])) / pi,    Y[k] = (-1)^k X[k]

X is a Fourier transform with symmetric Hann windows, W the mel weights, v_b the advance of the band's centre in one
hop. Y has its phases at the middle of the window, where the bins of one partial agree, so that the sum is a mean
weighted by energy. Column 0 holds a phase instead of a frequency: published that of frame 0, half of which is the
reflected beginning; weighted that of frame 1, the first that hears an attack as it is.
On the way back a bin turns as its bands do, the louder ones counting more, and silence is silent.

References:
    T. Bazin, G. Hadjeres, P. Esling, M. Malt, "Spectrogram inpainting for interactive generation of instrument
        sounds", CSMC + MuMe 2020.
    J. Engel et al., "GANSynth: adversarial neural audio synthesis", ICLR 2019.
    D. W. Griffin, J. S. Lim, "Signal estimation from modified short-time Fourier transform", IEEE Trans. ASSP 32, 1984.
"""

from __future__ import annotations

__all__ = ["EPS", "MelIf", "back_projection", "mel_bands", "mel_weights", "silenced"]

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from caesura.codecs import Cells
from caesura.codecs.gabor import overlap_add

Array = NDArray[np.float64]

EPS = 1e-6
SILENT = math.log(2.0 * EPS)  # log mel power below which a cell counts as silent
NARROWEST = 1.5  # width of a band at least, in bins
REFERENCE_MEL = 1000.0  # mel value of 1000 Hz
CLASSIC_BREAK = 700.0  # hertz; its scale is rounded in the literature
CLASSIC_SCALE = 1127.0
UNHEARD = 1e-8  # column sum of W W' below which no band hears a bin
ANCHOR = 1  # frame whose phase is kept
LOUDNESS = 0.25  # power of the bands' power by which a bin listens to them; 0 is as good, until bands are made up
LOBE_BINS = 2.0  # half the main lobe of a Hann window


@dataclass(frozen=True)
class MelIf:
    """Images (..., 2, bins, frames) of signals (..., samples): row 0 is the lowest band, column t lies at t hops."""

    form: Literal["weighted", "published"] = "weighted"
    """Which instantaneous frequency; images of one cannot be decoded as the other."""
    break_hz: float = 240.0
    """Below it the mel scale is nearly linear."""
    sample_rate: int = 16000
    """Hertz."""
    bins: int = 1024
    """Mel bands, and linear bins without the one at the Nyquist frequency."""
    hop_length: int = 512
    """Samples."""
    multiple: int = 32
    """The last frame is repeated until the frames are a multiple of this."""

    def __post_init__(self) -> None:
        if self.form not in ("weighted", "published"):
            raise ValueError(f"form={self.form!r} must be weighted or published")
        for name in ("break_hz", "sample_rate", "bins", "hop_length", "multiple"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0")
        if not self.hop_length <= self.bins:
            raise ValueError(f"hop_length={self.hop_length} must be at most bins={self.bins}, half a window")

    @property
    def window(self) -> Array:
        """The symmetric Hann window (2 bins,)."""
        return np.hanning(2 * self.bins)

    @cached_property
    def weights(self) -> Array:
        """W (linear bins, mel bands)."""
        return mel_weights(self.bins, self.bins, self.sample_rate, self.break_hz)

    @cached_property
    def projection(self) -> Array:
        """Back-projection (mel bands, linear bins)."""
        return back_projection(self.weights)

    @cached_property
    def _heard(self) -> csr_array:
        """Linear bins to bands; hardly three of a thousand weights are not zero."""
        return csr_array(self.weights.T)

    @cached_property
    def _listening(self) -> csr_array:
        """Bands to linear bins, as they are heard."""
        return csr_array(self.weights)

    @cached_property
    def _returned(self) -> csr_array:
        """Bands to linear bins, normalised."""
        return csr_array(self.projection.T)

    def frames(self, samples: int) -> int:
        """Columns of the image of a signal."""
        return -(-(1 + samples // self.hop_length) // self.multiple) * self.multiple

    def encode(self, x: Array) -> Array:
        """Image of a signal.

        Args:
            x: (..., samples), at least half a window and one sample.

        Returns:
            (..., 2, bins, frames).
        """
        if x.shape[-1] <= self.bins:
            raise ValueError(f"{x.shape[-1]} samples are too few for an image: more than {self.bins}")
        spectrum = self._spectrum(x)
        missing = self.frames(x.shape[-1]) - spectrum.shape[-1]
        if self.form == "weighted":
            power, phase = _held(np.abs(spectrum) ** 2, missing), _held(self._deviation(spectrum), missing)
        else:
            power = _held((np.abs(spectrum) + EPS) ** 2, missing)
            turns = np.cumsum(_held(_frequency(np.angle(spectrum)), missing), axis=-1) * np.pi
            phase = _frequency(_mixed(self._heard, turns))
        return np.stack([np.log(_mixed(self._heard, power) + EPS), phase], axis=-3)

    def decode(self, z: Array, samples: int | None = None, rounds: int = 0) -> Array:
        """Signal of an image.

        Args:
            z: (..., 2, bins, frames).
            samples: length of the signal, filled up with zeros; None: all there is, (frames - 1) hops.
            rounds: of taking the phases of the signal itself for those of the image, for images that are made up, whose
                overlapping frames contradict each other.

        Returns:
            (..., samples).
        """
        if z.shape[-3:-1] != (2, self.bins):
            raise ValueError(f"an image has shape (..., 2, {self.bins}, frames), got {z.shape}")
        log_power, phase = z[..., 0, :, :], z[..., 1, :, :]
        spectrum = self._weighted(log_power, phase) if self.form == "weighted" else self._old(log_power, phase)
        x = self._signal(spectrum)
        for _ in range(rounds):
            angle = np.angle(self._spectrum(x))
            x = self._signal(np.abs(spectrum) * np.exp(1j * np.concatenate([angle, angle[..., -1:, :]], axis=-2)))
        if samples is None:
            return x
        return np.pad(x[..., :samples], [*[(0, 0)] * (x.ndim - 1), (0, max(samples - x.shape[-1], 0))])

    def cells(self, samples: int) -> Cells:
        """What each cell looks at: its window, and its band widened by the window's main lobe."""
        middles = np.arange(self.frames(samples), dtype=np.int64) * self.hop_length
        lower, _, upper = mel_bands(self.bins, self.bins, self.sample_rate, self.break_hz)
        lobe = LOBE_BINS * self.sample_rate / (2 * self.bins)
        return Cells(
            np.clip(middles - self.bins, 0, samples),
            np.clip(middles + self.bins, 0, samples),
            np.maximum(lower - lobe, 0.0),
            np.minimum(upper + lobe, self.sample_rate / 2),
        )

    def _spectrum(self, x: Array) -> NDArray[np.complex128]:
        """(..., bins, frames); the Nyquist frequency is left out."""
        padded = np.pad(x, [*[(0, 0)] * (x.ndim - 1), (self.bins, self.bins)], mode="reflect")
        frames = np.lib.stride_tricks.sliding_window_view(padded, 2 * self.bins, axis=-1)[..., :: self.hop_length, :]
        spectrum = np.fft.rfft(frames * self.window)[..., :-1]
        return np.asarray(np.swapaxes(spectrum, -1, -2))

    def _signal(self, spectrum: NDArray[np.complex128]) -> Array:
        """From (..., bins + 1, frames)."""
        frames = np.fft.irfft(np.swapaxes(spectrum, -1, -2)) * self.window
        weight = np.broadcast_to(self.window**2, frames.shape[-2:])
        inside = slice(self.bins, self.bins + (frames.shape[-2] - 1) * self.hop_length)
        total = overlap_add(weight, self.hop_length)[inside]
        return np.asarray(overlap_add(frames, self.hop_length)[..., inside] / total)

    def _old(self, log_power: Array, phase: Array) -> NDArray[np.complex128]:
        """As published: the log magnitude has a floor, the last row stands for the Nyquist frequency."""
        power = _mixed(self._returned, np.exp(log_power) - EPS)
        magnitude = np.abs(np.exp(0.5 * np.log(np.maximum(power + EPS, np.finfo(float).tiny))) - EPS)
        turns = np.cumsum(_frequency(_mixed(self._returned, np.pi * np.cumsum(phase, axis=-1))), axis=-1)
        spectrum = magnitude * np.exp(1j * np.pi * turns)
        return np.concatenate([spectrum, spectrum[..., -1:, :]], axis=-2)

    @cached_property
    def _advance(self) -> Array:
        """Phase that the centre of each band gains in one hop (bands, 1)."""
        _, centre, _ = mel_bands(self.bins, self.bins, self.sample_rate, self.break_hz)
        return np.asarray(2.0 * np.pi * centre[:, None] * self.hop_length / self.sample_rate)

    @cached_property
    def _signs(self) -> Array:
        """What moves the origin of the phases to the middle of the window (bins, 1)."""
        return np.asarray(1.0 - 2.0 * (np.arange(self.bins)[:, None] % 2))

    def _deviation(self, spectrum: NDArray[np.complex128]) -> Array:
        """The weighted second channel of a spectrum (..., bins, frames)."""
        anchor = spectrum[..., ANCHOR : ANCHOR + 1]
        kept = _mixed(self._heard, self._signs * np.abs(anchor) * anchor)
        turned = _mixed(self._heard, spectrum[..., 1:] * np.conj(spectrum[..., :-1]))
        voices = np.concatenate([kept, np.exp(-1j * self._advance) * turned], axis=-1)
        return np.asarray(np.angle(voices) / np.pi)

    def _weighted(self, log_power: Array, phase: Array) -> NDArray[np.complex128]:
        """The inverse of the weighted form (..., bins + 1, frames)."""
        mel = np.maximum(np.exp(log_power) - EPS, 0.0)
        voices = mel**LOUDNESS * np.exp(1j * np.pi * phase)
        first = mel[..., ANCHOR : ANCHOR + 1] ** LOUDNESS * np.exp(1j * np.pi * phase[..., :1])
        kept = np.angle(_mixed(self._listening, first))
        advances = np.angle(_mixed(self._listening, voices[..., 1:] * np.exp(1j * self._advance)))
        turns = np.cumsum(advances, axis=-1)
        turns = np.concatenate([np.zeros_like(kept), turns], axis=-1)
        angle = turns - turns[..., ANCHOR : ANCHOR + 1] + kept
        magnitude = self._signs * np.sqrt(np.maximum(_mixed(self._returned, mel), 0.0))
        spectrum = magnitude * np.exp(1j * angle)
        return np.concatenate([spectrum, np.zeros_like(spectrum[..., -1:, :])], axis=-2)


@lru_cache(maxsize=8)
def mel_bands(bins: int, bands: int, sample_rate: int, break_hz: float) -> tuple[Array, Array, Array]:
    """Lower edge, centre and upper edge of each band in hertz (bands,); narrow ones are widened to 1.5 bins."""
    q = CLASSIC_SCALE if break_hz == CLASSIC_BREAK else REFERENCE_MEL / math.log1p(1000.0 / break_hz)
    top = sample_rate / 2.0
    mels = np.linspace(0.0, q * math.log1p(top / break_hz), bands + 2)
    hertz = _hertz(mels, q, break_hz)
    lower, centre, upper = hertz[:-2], hertz[1:-1], hertz[2:]
    least = NARROWEST * top / bins
    reach = q * np.arcsinh(0.5 * least / (centre + break_hz))
    narrow = upper - lower < least
    lower = np.where(narrow, _hertz(mels[1:-1] - reach, q, break_hz), lower)
    upper = np.where(narrow, _hertz(mels[1:-1] + reach, q, break_hz), upper)
    return lower, centre, upper


@lru_cache(maxsize=8)
def mel_weights(bins: int, bands: int, sample_rate: int, break_hz: float) -> Array:
    """Triangles over linear bins (bins, bands); bin k counts as lying at k / (bins - 1) of the band, bin 0 in none."""
    lower, centre, upper = mel_bands(bins, bands, sample_rate, break_hz)
    grid = np.linspace(0.0, sample_rate / 2.0, bins)[:, None]
    weights = np.maximum(np.minimum((grid - lower) / (centre - lower), (upper - grid) / (upper - centre)), 0.0)
    weights[0] = 0.0
    weights.flags.writeable = False
    return weights


def back_projection(weights: Array) -> Array:
    """Transpose of mel weights (bins, bands), each linear bin normalised by what all bands together return to it."""
    returned = weights @ weights.sum(axis=0)
    return np.asarray(weights.T / np.where(np.abs(returned) > UNHEARD, returned, 1.0) * (np.abs(returned) > UNHEARD))


def silenced(z: Array) -> Array:
    """An image (..., 2, bins, frames) whose silent cells are at the floor, without a frequency."""
    silent = z[..., 0, :, :] < SILENT
    return np.stack([np.where(silent, math.log(EPS), z[..., 0, :, :]), np.where(silent, 0.0, z[..., 1, :, :])], axis=-3)


def _mixed(matrix: csr_array, grid: NDArray[Any]) -> NDArray[Any]:
    """A matrix times each grid (..., bins, frames)."""
    first = np.moveaxis(grid, -2, 0)
    mixed = matrix @ first.reshape(len(first), -1)
    return np.moveaxis(mixed.reshape(first.shape), 0, -2)


def _hertz(mels: Array, q: float, break_hz: float) -> Array:
    return np.asarray(break_hz * np.expm1(mels / q))


def _held(grid: NDArray[np.inexact], count: int) -> NDArray[np.inexact]:
    """The last column repeated `count` times more."""
    return np.concatenate([grid, np.repeat(grid[..., -1:], count, axis=-1)], axis=-1)


def _frequency(phase: Array) -> Array:
    """Differences along the frames of an unwrapped phase, in half turns; column 0 keeps the phase itself."""
    return np.asarray(np.diff(np.unwrap(phase, axis=-1), axis=-1, prepend=0.0) / np.pi)
