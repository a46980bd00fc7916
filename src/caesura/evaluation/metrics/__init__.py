"""Distances between an original and its repair.

Conventions: the reference comes first, the estimate second; both have shape (channels, samples); `mask` has the same
shape and is True where the recording was reliable, so the *missing* samples are those where it is False. Decibels
unless a docstring says otherwise. A larger SNR, SDR, PSNR or SSIM is better, a smaller distance is better.

SNR favours silence: an uncorrelated fill of the right power scores 3 dB below leaving zeros. Read it beside a spectral
distance, and always beside the row of the method `silence`.
"""

from __future__ import annotations

__all__ = [
    "energy_loss",
    "envelope_distance",
    "frechet_distance",
    "gap_snr",
    "inception_score",
    "label_divergence",
    "log_mel_distance",
    "log_mel_frames",
    "lsd",
    "mel_spectrogram",
    "multi_resolution_lsd",
    "multi_resolution_stft",
    "multi_scale_spectral",
    "psnr",
    "sdr",
    "si_sdr",
    "snr",
    "ssim",
]

from caesura.evaluation.metrics.distribution import (
    frechet_distance,
    inception_score,
    label_divergence,
    log_mel_frames,
)
from caesura.evaluation.metrics.image import psnr, ssim
from caesura.evaluation.metrics.preservation import envelope_distance, multi_scale_spectral
from caesura.evaluation.metrics.spectra import mel_spectrogram
from caesura.evaluation.metrics.spectral import log_mel_distance, lsd, multi_resolution_lsd, multi_resolution_stft
from caesura.evaluation.metrics.waveform import energy_loss, gap_snr, sdr, si_sdr, snr
