"""Objective difference grade of ITU-R BS.1387 (PEAQ), basic version.

    original, repair -> ear (Fourier) -> excitation patterns -> 11 model output variables -> network -> ODG

The grade runs from -4 (very annoying) to about 0.2 (no difference; 0.13 to 0.22, depending on the bandwidth). It was
made for codecs, whose errors last: a gap of 50 ms moves it little, so it should not decide between repairs. What the
recommendation leaves open follows Kabal's interpretation. This is not a certified implementation: the recordings of
the conformance test are not distributed with the recommendation, so the tests check constants, limits and monotony.

References:
    ITU-R Recommendation BS.1387-1, "Method for objective measurements of perceived audio quality", 2001.
    P. Kabal, "An examination and interpretation of ITU-R BS.1387: perceptual evaluation of audio quality",
    McGill University, 2002.
"""

from __future__ import annotations

__all__ = ["SAMPLE_RATE", "odg", "variables"]

from caesura.evaluation.peaq.ear import SAMPLE_RATE
from caesura.evaluation.peaq.grade import odg, variables
