"""How much of a background is left: distances of spectra on several scales, and of envelopes.

    spectral = sum_n 1/5 ( mean |P_n - Q_n| / 2 + mean |ln P_n - ln Q_n| / 2 ),      n = 128, 256, 512, 1024, 2048
    envelope = sqrt( mean (|x + i H x| - |y + i H y|)^2 )

P_n and Q_n are the power spectra of x and y in periodic Hann windows of n samples every n / 2, centred and mirrored at
the ends, at least 1e-7 under the logarithm; H is the Hilbert transform. Both grow with the level of the recordings, so
they compare estimates of one and the same recording, not recordings.

References:
    Riff-CNET, https://github.com/zachary-shah/riff-cnet, 2023 (the definitions).
    J. Engel, L. Hantrakul, C. Gu, A. Roberts, "DDSP: differentiable digital signal processing", ICLR 2020 (the scales).
"""

from __future__ import annotations

__all__ = ["envelope_distance", "multi_scale_spectral"]

import numpy as np
from numpy.typing import NDArray

from caesura.evaluation.metrics.spectra import spectrogram
from caesura.evaluation.metrics.waveform import check_pair

Array = NDArray[np.float64]

SCALES = (128, 256, 512, 1024, 2048)  # samples of a window
POWER_FLOOR = 1e-7


def multi_scale_spectral(reference: Array, estimate: Array) -> float:
    """Multi-scale spectral distance, mean over channels; 0 where both are the same.

    Args:
        reference: (channels, samples), more than 1024 of them, full scale 1.
        estimate: (channels, samples).
    """
    x, y = check_pair(reference, estimate)
    if x.shape[-1] <= SCALES[-1] // 2:
        raise ValueError(f"{x.shape[-1]} samples are too few: a window is mirrored over {SCALES[-1] // 2}, pass more")
    return float(np.mean([_of_scale(x, y, length) for length in SCALES]))


def envelope_distance(reference: Array, estimate: Array) -> float:
    """Root mean square of the difference of the envelopes, all channels together.

    Args:
        reference: (channels, samples), full scale 1.
        estimate: (channels, samples).
    """
    from scipy.signal import hilbert

    x, y = (np.abs(hilbert(signal, axis=-1)) for signal in check_pair(reference, estimate))
    return float(np.sqrt(np.mean((x - y) ** 2)))


def _of_scale(x: Array, y: Array, length: int) -> float:
    power, other = (np.abs(spectrogram(s, length, length // 2, padding="reflect")) ** 2 for s in (x, y))
    linear = np.mean(np.abs(power - other))
    logs = (np.log(np.maximum(p, POWER_FLOOR)) for p in (power, other))
    return 0.5 * float(linear) + 0.5 * float(np.mean(np.abs(np.subtract(*logs))))
