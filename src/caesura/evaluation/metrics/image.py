"""Distances between pictures, used on spectrograms: PSNR and SSIM.

    PSNR = 10 log10 L^2 / mean (x - y)^2
    SSIM = mean of (2 mx my + c1)(2 sxy + c2) / ((mx^2 + my^2 + c1)(sx^2 + sy^2 + c2))

with means, variances and covariance over square windows of 7 x 7 (sample statistics, 49/48), c1 = (0.01 L)^2,
c2 = (0.03 L)^2 and L the range of the data. Windows that stick out of the picture are left out.

References:
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment", IEEE TIP 2004.
"""

from __future__ import annotations

__all__ = ["psnr", "ssim"]

import math

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.metrics.waveform import check_pair

Array = NDArray[np.float64]

SIDE = 7  # cells of a window
K1, K2 = 0.01, 0.03


def psnr(reference: Array, estimate: Array, data_range: float) -> float:
    """Peak signal-to-noise ratio in decibels; infinity for equal pictures."""
    reference, estimate = check_pair(reference, estimate)
    error = float(np.mean((reference - estimate) ** 2))
    return 10.0 * math.log10(data_range**2 / error) if error > 0.0 else math.inf


def ssim(reference: Array, estimate: Array, data_range: float) -> float:
    """Structural similarity of two pictures (rows, columns), 1 for equal ones.

    Raises:
        ValueError: a picture is smaller than the window.
    """
    x, y = check_pair(reference, estimate)
    if x.ndim != 2 or min(x.shape) < SIDE:
        raise ValueError(f"pictures have at least {SIDE} rows and {SIDE} columns, got shape {x.shape}")
    mx, my = _means(x), _means(y)
    unbiased = SIDE**2 / (SIDE**2 - 1)
    vx, vy = unbiased * (_means(x * x) - mx * mx), unbiased * (_means(y * y) - my * my)
    covariance = unbiased * (_means(x * y) - mx * my)
    c1, c2 = (K1 * data_range) ** 2, (K2 * data_range) ** 2
    similarity = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return float(similarity.mean())


def _means(x: Array) -> Array:
    """Means over all windows that fit, (rows - 6, columns - 6)."""
    windows = np.lib.stride_tricks.sliding_window_view(x, (SIDE, SIDE))
    return np.asarray(windows.mean(axis=(2, 3)))
