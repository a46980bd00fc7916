"""Autoregressive models of sound: estimation across gaps, interpolation, extrapolation.

A model is its polynomial a = [1, a_1, ..., a_p]; its residual is e[n] = sum_i a_i x[n-i].
"""

from __future__ import annotations

__all__ = [
    "Glide",
    "Level",
    "Model",
    "Prediction",
    "burg",
    "burg_many",
    "calibrated",
    "conditional_mean",
    "confidence",
    "experts",
    "extrapolate",
    "find_glide",
    "fit",
    "innovations",
    "interpolate",
    "one_thread",
    "polynomials",
    "predictions",
    "refined",
    "reflections",
    "rehearse",
    "residual",
    "segments",
    "short_gaps",
    "weighted",
]

from caesura.autoregression.burg import Model, burg, fit, polynomials, reflections
from caesura.autoregression.calibration import calibrated
from caesura.autoregression.clicks import short_gaps
from caesura.autoregression.context import segments
from caesura.autoregression.glide import Glide, find_glide
from caesura.autoregression.innovations import Level, innovations
from caesura.autoregression.interpolation import conditional_mean, extrapolate, interpolate, residual
from caesura.autoregression.many import burg_many
from caesura.autoregression.mixture import confidence, experts, rehearse, weighted
from caesura.autoregression.refinement import refined
from caesura.autoregression.side import Prediction, predictions
from caesura.autoregression.threads import one_thread
