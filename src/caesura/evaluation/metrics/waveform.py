"""Distances between waveforms: SNR, SDR, SI-SDR and the loss of energy.

    SNR    = 10 log10 |x|^2 / |x - y|^2
    SI-SDR = 10 log10 |a x|^2 / |a x - y|^2,  a = <x, y> / |x|^2
    SDR    = 10 log10 |h * x|^2 / |h * x - y|^2,  h the filter of 512 taps that brings x closest to y

x is the reference, y the estimate. SNR and the energy loss take all channels together; SDR and SI-SDR, which are free
to rescale, are means over channels.

References:
    E. Vincent, R. Gribonval, C. Fevotte, "Performance measurement in blind audio source separation", IEEE TASLP 2006.
    J. Le Roux, S. Wisdom, H. Erdogan, J. R. Hershey, "SDR - half-baked or well done?", ICASSP 2019.
"""

from __future__ import annotations

__all__ = ["check_pair", "energy_loss", "gap_snr", "missing_samples", "sdr", "si_sdr", "snr"]

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DISTORTION_TAPS = 512  # of the published SDR implementations


def snr(reference: Array, estimate: Array) -> float:
    """Signal-to-noise ratio in decibels over everything that is passed, all channels together.

    Returns:
        infinity where the two are equal, minus infinity where only the reference is silent.
    """
    reference, estimate = check_pair(reference, estimate)
    return _ratio(float(np.sum(reference**2)), float(np.sum((reference - estimate) ** 2)))


def gap_snr(reference: Array, estimate: Array, mask: NDArray[np.bool_]) -> float:
    """Signal-to-noise ratio in decibels over the missing samples, all gaps and channels together.

    Args:
        reference: (channels, samples).
        estimate: (channels, samples).
        mask: (channels, samples), False on the missing samples.
    """
    reference, estimate = check_pair(reference, estimate)
    missing = missing_samples(mask, reference.shape)
    return snr(reference[missing], estimate[missing])


def energy_loss(reference: Array, estimate: Array, mask: NDArray[np.bool_]) -> float:
    """Energy of the estimate over that of the reference in the missing samples, in decibels.

    Negative where the fill is too quiet; 0 is right. Arguments as in `gap_snr`.
    """
    reference, estimate = check_pair(reference, estimate)
    missing = missing_samples(mask, reference.shape)
    return _ratio(float(np.sum(estimate[missing] ** 2)), float(np.sum(reference[missing] ** 2)))


def si_sdr(reference: Array, estimate: Array, *, zero_mean: bool = False) -> float:
    """Scale-invariant signal-to-distortion ratio in decibels, mean over channels.

    Args:
        reference: (channels, samples).
        estimate: (channels, samples).
        zero_mean: take each channel's mean away first; the variant also called SI-SNR.
    """
    reference, estimate = check_pair(reference, estimate)
    if zero_mean:
        reference = reference - reference.mean(axis=-1, keepdims=True)
        estimate = estimate - estimate.mean(axis=-1, keepdims=True)
    return _channel_mean(_si_sdr(x, y) for x, y in _channels(reference, estimate))


def sdr(reference: Array, estimate: Array, *, taps: int = DISTORTION_TAPS) -> float:
    """Signal-to-distortion ratio in decibels: a filter of `taps` taps is allowed for. Mean over channels.

    Raises:
        ValueError: `taps` is not positive.
    """
    reference, estimate = check_pair(reference, estimate)
    if taps < 1:
        raise ValueError(f"taps={taps}: the distortion filter needs at least one tap")
    return _channel_mean(_sdr(x, y, taps) for x, y in _channels(reference, estimate))


def check_pair(reference: Array, estimate: Array) -> tuple[Array, Array]:
    """Both as float64 arrays of one shape.

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.
    """
    reference, estimate = np.asarray(reference, dtype=np.float64), np.asarray(estimate, dtype=np.float64)
    if reference.shape != estimate.shape:
        raise ValueError(f"the reference has shape {reference.shape}, the estimate {estimate.shape}: cut one")
    if reference.size == 0:
        raise ValueError("there is nothing to compare: pass at least one sample")
    return reference, estimate


def missing_samples(mask: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """True where `mask` says that a sample is missing.

    Raises:
        ValueError: the mask does not fit, or nothing is missing.
    """
    if mask.shape != shape:
        raise ValueError(f"the mask has shape {mask.shape} and the signals {shape}")
    if mask.all():
        raise ValueError("the mask says that no sample is missing: use a measure of the whole clip")
    return ~mask


def _ratio(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf if signal > 0.0 else 0.0
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf


def _channels(reference: Array, estimate: Array) -> zip[tuple[Array, Array]]:
    return zip(np.atleast_2d(reference), np.atleast_2d(estimate), strict=True)


def _channel_mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _si_sdr(x: Array, y: Array) -> float:
    power = float(x @ x)
    scaled = x * (float(x @ y) / power) if power > 0.0 else x
    return _ratio(float(scaled @ scaled), float(np.sum((scaled - y) ** 2)))


def _sdr(x: Array, y: Array, taps: int) -> float:
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.linalg import solve_toeplitz

    x_norm, y_norm = float(np.linalg.norm(x)), float(np.linalg.norm(y))
    if x_norm == 0.0 or y_norm == 0.0:
        return _ratio(0.0, y_norm)
    size = next_fast_len(x.size + taps - 1, real=True)
    X, Y = rfft(x / x_norm, size), rfft(y / y_norm, size)
    autocorrelation = irfft(np.abs(X) ** 2, size)[:taps]
    cross = irfft(np.conj(X) * Y, size)[:taps]
    # y has unit norm, so the energy that the best filter explains is a fraction of 1.
    explained = min(float(cross @ solve_toeplitz(autocorrelation, cross)), 1.0)
    return _ratio(explained, 1.0 - explained)
