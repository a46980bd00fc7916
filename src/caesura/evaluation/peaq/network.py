"""The network of PEAQ's basic version: eleven variables in, one grade out.

    DI  = b_y + sum_j w_j sig(b_j + sum_i w_ij (v_i - min_i) / (max_i - min_i)),   sig(x) = 1 / (1 + exp(-x))
    ODG = -3.98 + (0.22 + 3.98) sig(DI)

The numbers are those of the recommendation.

References:
    ITU-R BS.1387-1, annex 2, section 6, tables 18 to 20.
"""

from __future__ import annotations

__all__ = ["distortion_index", "grade", "grade_of_index"]

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Per variable: smallest and largest value of the scaling, weights to the three hidden units.
INPUTS = np.array(
    [
        [393.916656, 921.0, -0.502657, 0.436333, 1.219602],  # BandwidthRefB
        [361.965332, 881.131226, 4.307481, 3.246017, 1.123743],  # BandwidthTestB
        [-24.045116, 16.212030, 4.984241, -2.211189, -0.192096],  # Total NMRB
        [1.110661, 107.137772, 0.051056, -1.762424, 4.331315],  # WinModDiff1B
        [-0.206623, 2.886017, 2.321580, 1.789971, -0.754560],  # ADBB
        [0.074318, 13.933351, -5.303901, -3.452257, -10.814982],  # EHSB
        [1.113683, 63.257874, 2.730991, -6.111805, 1.519223],  # AvgModDiff1B
        [0.950345, 1145.018555, 0.624950, -1.331523, -5.955151],  # AvgModDiff2B
        [0.029985, 14.819740, 3.102889, 0.871260, -5.922878],  # RmsNoiseLoudB
        [0.000101, 1.0, -1.051468, -0.939882, -0.142913],  # MFPDB
        [0.0, 1.0, -1.804679, -0.503610, -0.620456],  # RelDistFramesB
    ]
)
HIDDEN_BIAS = np.array([-2.518254, 0.654841, -2.207228])
HIDDEN_WEIGHTS = np.array([-3.817048, 4.107138, 4.629582])
OUTPUT_BIAS = -0.307594
WORST, BEST = -3.98, 0.22  # grades at the two ends of the output scaling


def grade(values: Sequence[float]) -> float:
    """Objective difference grade of the eleven variables, in the order of `INPUTS`."""
    return grade_of_index(distortion_index(values))


def distortion_index(values: Sequence[float]) -> float:
    """The network's output before it is scaled to a grade."""
    low, high = INPUTS[:, 0], INPUTS[:, 1]
    hidden = _sigmoid(HIDDEN_BIAS + (np.asarray(values) - low) / (high - low) @ INPUTS[:, 2:])
    return float(OUTPUT_BIAS + HIDDEN_WEIGHTS @ hidden)


def grade_of_index(index: float) -> float:
    """Objective difference grade of a distortion index."""
    return float(WORST + (BEST - WORST) * _sigmoid(np.array(index)))


def _sigmoid(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))  # the same function, without overflow
