"""Distances between spectra: log-spectral distance, multi-resolution STFT distance, log-mel distance.

    LSD = mean over frames of sqrt( mean over bins of (log |X|^2 - log |Y|^2)^2 )

is equation 14 of the CQT-Diff+ paper, which fixes K = 2048 and a hop of 512 and leaves open what else it takes. Here:
a periodic Hann window, frames that fit inside the signal (`padding="reflect"` for centred frames), 1e-10 added to
|X|^2, and the logarithm named by `unit`: "db" (10 log10), "log10" or "ln". A benchmark looks at the frames that touch
a gap, `mask`; over a whole clip the frames that hear no gap bring the mean down to nothing in particular.

References:
    E. Moliner, V. Valimaki, "Diffusion-based audio inpainting", JAES 2024, equation 14.
    R. Yamamoto, E. Song, J.-M. Kim, "Parallel WaveGAN", ICASSP 2020 (multi-resolution STFT distance).
"""

from __future__ import annotations

__all__ = ["log_mel", "log_mel_distance", "lsd", "multi_resolution_lsd", "multi_resolution_stft", "touching"]

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.metrics.spectra import Padding, mel_spectrogram, spectrogram
from caesura.evaluation.metrics.waveform import check_pair, missing_samples

Array = NDArray[np.float64]

Unit = Literal["db", "log10", "ln"]

PER_UNIT = {"db": 10.0 / np.log(10.0), "log10": 1.0 / np.log(10.0), "ln": 1.0}
POWER_FLOOR = 1e-10  # added to |X|^2, so that digital silence has a logarithm
MEL_FLOOR = 1e-5  # of the log-mel spectrograms of the text-to-audio literature
MEL_FMAX = 8000.0  # hertz; the upper edge of the bands in the same literature
MAGNITUDE_FLOOR = 1e-8  # of |X|^2 in the multi-resolution STFT distance
RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))  # n_fft, hop, window of the published distance
LSD_LENGTHS = (256, 512, 1024, 2048, 4096)


def lsd(
    reference: Array,
    estimate: Array,
    *,
    mask: NDArray[np.bool_] | None = None,
    n_fft: int = 2048,
    hop_length: int = 512,
    unit: Unit = "db",
    padding: Padding = "none",
) -> float:
    """Log-spectral distance, mean over channels and frames.

    Args:
        reference: (channels, samples).
        estimate: (channels, samples).
        mask: (channels, samples), False on missing samples; only frames that touch one of them count. None: all frames.
        n_fft: K in the paper.
        hop_length: samples between frames.
        unit: the logarithm, "db", "log10" or "ln".
        padding: "none" for frames inside the signal, "reflect" for centred frames.

    Raises:
        ValueError: no frame touches a missing sample.
    """
    x, y = (np.atleast_2d(signal) for signal in check_pair(reference, estimate))
    difference = _log_power(x, n_fft, hop_length, padding) - _log_power(y, n_fft, hop_length, padding)
    per_frame = PER_UNIT[unit] * np.sqrt(np.mean(difference**2, axis=-1))
    if mask is None:
        return float(per_frame.mean())
    missing = missing_samples(np.atleast_2d(mask), x.shape)
    return float(per_frame[touching(missing, n_fft, hop_length, padding)].mean())


def multi_resolution_lsd(
    reference: Array, estimate: Array, *, lengths: Sequence[int] = LSD_LENGTHS, unit: Unit = "log10"
) -> float:
    """Mean of the log-spectral distances with frames of `lengths` samples and a hop of a quarter of them."""
    return float(np.mean([lsd(reference, estimate, n_fft=n, hop_length=n // 4, unit=unit) for n in lengths]))


def multi_resolution_stft(
    reference: Array, estimate: Array, *, resolutions: Sequence[tuple[int, int, int]] = RESOLUTIONS
) -> float:
    """Spectral convergence plus mean log-magnitude distance (natural logarithm), mean over resolutions.

    Args:
        reference: (channels, samples).
        estimate: (channels, samples).
        resolutions: n_fft, hop and window length of each resolution, in samples.
    """
    reference, estimate = check_pair(reference, estimate)
    return float(np.mean([sum(_convergence_and_log(reference, estimate, *own)) for own in resolutions]))


def log_mel_distance(
    reference: Array,
    estimate: Array,
    sample_rate: int,
    *,
    mask: NDArray[np.bool_] | None = None,
    n_fft: int = 1024,
    hop_length: int = 160,
    n_mels: int = 64,
) -> float:
    """Mean absolute difference of log-mel magnitudes (natural logarithm, floor 1e-5, up to 8 kHz, centred frames).

    Args:
        reference: (channels, samples).
        estimate: (channels, samples).
        sample_rate: hertz.
        mask: (channels, samples), False on missing samples; only frames that touch one of them count. None: all frames.
        n_fft: samples of a frame.
        hop_length: samples between frames.
        n_mels: number of bands.
    """
    x, y = (np.atleast_2d(signal) for signal in check_pair(reference, estimate))
    logs = [log_mel(signal, sample_rate, n_fft, hop_length, n_mels) for signal in (x, y)]
    per_frame = np.mean(np.abs(logs[0] - logs[1]), axis=1)
    if mask is None:
        return float(per_frame.mean())
    missing = missing_samples(np.atleast_2d(mask), x.shape)
    return float(per_frame[touching(missing, n_fft, hop_length, "reflect")].mean())


def _log_power(x: Array, n_fft: int, hop_length: int, padding: Padding) -> Array:
    return np.log(np.abs(spectrogram(x, n_fft, hop_length, padding=padding)) ** 2 + POWER_FLOOR)


def log_mel(x: Array, sample_rate: int, n_fft: int, hop_length: int, n_mels: int) -> Array:
    """Log-mel magnitudes of (channels, samples) -> (channels, n_mels, frames), as `log_mel_distance` compares them."""
    fmax = min(MEL_FMAX, sample_rate / 2.0)
    settings = {"n_fft": n_fft, "hop_length": hop_length, "n_mels": n_mels}
    mel = mel_spectrogram(x, sample_rate, **settings, fmax=fmax, power=1.0, padding="reflect")
    return np.asarray(np.log(np.maximum(mel, MEL_FLOOR)))


def touching(missing: NDArray[np.bool_], n_fft: int, hop_length: int, padding: Padding) -> NDArray[np.bool_]:
    """(channels, frames), True where a frame holds a missing sample; samples mirrored by the padding do not count."""
    margin = 0 if padding == "none" else n_fft // 2
    padded = np.pad(missing, ((0, 0), (margin, margin)))
    if padded.shape[1] < n_fft:
        padded = np.pad(padded, ((0, 0), (0, n_fft - padded.shape[1])))
    count = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    starts = np.arange(0, padded.shape[1] - n_fft + 1, hop_length)
    touched = np.asarray(count[:, starts + n_fft] > count[:, starts])
    if not touched.any():
        raise ValueError("no frame touches a missing sample, they lie in the last part frame: use padding='reflect'")
    return touched


def _convergence_and_log(
    reference: Array, estimate: Array, n_fft: int, hop_length: int, win_length: int
) -> tuple[float, float]:
    pair = (reference, estimate)
    spectra = (spectrogram(x, n_fft, hop_length, win_length=win_length, padding="reflect") for x in pair)
    X, Y = (np.sqrt(np.maximum(np.abs(spectrum) ** 2, MAGNITUDE_FLOOR)) for spectrum in spectra)
    convergence = float(np.linalg.norm(X - Y) / np.linalg.norm(X))
    return convergence, float(np.mean(np.abs(np.log(X) - np.log(Y))))
