"""Short-time autoregressive residuals, forwards and backwards, of many frames at once.

Every frame of N samples gets one model a = [1, a_1, ..., a_p] (autocorrelation method, Levinson recursion over all
frames together). With X the spectrum of the frame and A that of the model,

    e_f = F^-1(X A)       forward error:  disturbed from the first sample of a click to p samples after the last
    e_b = F^-1(X A*)      backward error: disturbed from p samples before the first to the last sample of a click

so min(|e_f|, |e_b|) is large on the click itself and nowhere else. Only the inner half of a frame is kept, where
nothing wraps around.

References:
    S. Vaseghi and P. Rayner, "Detection and suppression of impulsive noise in speech communication systems",
    IEE Proceedings I, 1990.
    S. Godsill and P. Rayner, "Digital Audio Restoration", Springer, 1998, chapter 5.
"""

from __future__ import annotations

__all__ = ["Residuals", "Shape", "frame_shape", "levinson", "residuals"]

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FRAME_SECONDS = 0.046  # 2048 samples at 44.1 kHz: a note is stationary over it, and 32 coefficients are well determined
SMALLEST_FRAME = 256
ORDER = 32  # below 20 the residual of tones stays coloured; above 50 voices are modelled pulse by pulse
WHITE = 1e-7  # of the power: the stop band of a lossy codec must not be predicted, it is not part of the sound
FRAMES_AT_ONCE = 64  # 1 MiB of samples at 44.1 kHz: stays in the cache


@dataclass(frozen=True)
class Shape:
    """How a signal is cut into frames."""

    frame: int
    """Samples of a frame."""
    order: int
    """Coefficients of a model."""

    @property
    def hop(self) -> int:
        """Samples from a frame to the next, and samples of it that count."""
        return self.frame // 2

    @property
    def lead(self) -> int:
        """Samples before the part that counts."""
        return self.frame // 4


@dataclass(frozen=True, eq=False)
class Residuals:
    """What the models cannot predict; sample 0 is sample `shape.lead` of the signal."""

    forward: Array
    """(frames * hop,)"""
    backward: Array
    """(frames * hop,)"""
    models: Array
    """(frames, order + 1), each starting with 1."""
    shape: Shape
    """The frames."""


def frame_shape(sample_rate: int) -> Shape:
    """Frames for a sample rate in hertz."""
    frame = max(2 ** round(np.log2(FRAME_SECONDS * sample_rate)), SMALLEST_FRAME)
    return Shape(int(frame), ORDER)


def residuals(x: Array, shape: Shape, *, floor: float = 0.0) -> Residuals:
    """The forward and backward prediction errors of a signal.

    Args:
        x: samples (samples,), finite; a whole number of hops.
        shape: the frames.
        floor: variance of white noise that is taken to be part of the signal.

    Returns:
        the errors of all frames, joined.
    """
    from scipy.fft import irfft, rfft

    frames = np.lib.stride_tricks.sliding_window_view(x, shape.frame)[:: shape.hop]
    forward, backward = np.empty((2, frames.shape[0], shape.hop))
    models = np.empty((frames.shape[0], shape.order + 1))
    window = np.hanning(shape.frame + 2)[1:-1]
    inner = slice(shape.lead, shape.lead + shape.hop)
    for first in range(0, frames.shape[0], FRAMES_AT_ONCE):
        some = slice(first, first + FRAMES_AT_ONCE)
        models[some] = _models(frames[some] * window, shape.order, floor * float(window @ window))
        spectrum = rfft(frames[some])
        filters = rfft(models[some], shape.frame)
        forward[some] = irfft(spectrum * filters)[:, inner]
        backward[some] = irfft(spectrum * filters.conj())[:, inner]
    return Residuals(forward.ravel(), backward.ravel(), models, shape)


def levinson(r: Array) -> Array:
    """Prediction polynomials of many autocorrelations.

    Args:
        r: (frames, order + 1), lag 0 first and positive.

    Returns:
        (frames, order + 1), each starting with 1.
    """
    frames, lags = r.shape
    a = np.zeros((frames, lags))
    a[:, 0] = 1.0
    error = r[:, 0].copy()
    for m in range(1, lags):
        k = -np.einsum("fi,fi->f", a[:, :m], r[:, m:0:-1]) / error
        a[:, 1 : m + 1] += k[:, None] * a[:, m - 1 :: -1]
        error *= 1.0 - k**2
    return a


def _models(windowed: Array, order: int, floor: float) -> Array:
    from scipy.fft import irfft, rfft

    power = np.abs(rfft(windowed)) ** 2
    r = irfft(power)[:, : order + 1]
    r[:, 0] += WHITE * r[:, 0] + floor + np.finfo(float).tiny
    return levinson(r)
