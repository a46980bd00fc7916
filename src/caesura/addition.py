"""A new stem over a backing track: a gap that is the whole recording, with the recording as its guide.

    mix = x + g s,   g(t) = min(1, room(t) / |s(t)|), smoothed

The method returns guide + s; what it left of the guide does not matter, because x is put back sample for sample. Where
x + s would exceed full scale the stem is turned down for some milliseconds, the recording never is.
"""

from __future__ import annotations

__all__ = ["Added", "added", "can_add", "check_adds"]

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from caesura.generation import piece_seed, pieces
from caesura.inpainter import Inpainter, Progress, Unsupported, name_of, silent
from caesura.joints import joined
from caesura.methods import names
from caesura.methods._describe import describe
from caesura.problem import Problem, Region
from caesura.restoration import restore

Array = NDArray[np.float64]

DUCK = 0.005  # seconds over which the stem is turned down, and up again
ROUNDING = 1e-12  # of full scale: what the sum of two samples may be off by
NEARLY = 1e-9  # short of 1: a gain that is 1
QUIET = 1e-9  # amplitude of a stem that is as good as silent


@dataclass(frozen=True, eq=False)
class Added:
    """A recording with something added to it."""

    mix: Array
    """(channels, samples): the recording + the stem."""
    stem: Array
    """(channels, samples)."""
    turned_down: float = 0.0
    """Decibels by which the stem was turned down at most, so that the mix stays within full scale."""
    share: float = 0.0
    """Share of the time at which it was."""


def can_add() -> tuple[str, ...]:
    """Names of the methods that add a stem."""
    return tuple(name for name in names() if describe(name).accepts.get("adds"))


def check_adds(inpainter: Inpainter) -> None:
    """Raise `Unsupported` if a method cannot add to a recording; the message names what can."""
    if not inpainter.accepts.adds:
        others = f"choose from {', '.join(can_add())}" if can_add() else "no method here can"
        raise Unsupported(f"{name_of(inpainter)} cannot add to a recording: {others}")


def added(
    x: Array,
    sample_rate: int,
    inpainter: Inpainter,
    *,
    text: str = "",
    seed: int = 0,
    full: float = 1.0,
    progress: Progress = silent,
) -> Added:
    """A recording and what a text says over it.

    Args:
        x: the recording (channels, samples).
        sample_rate: hertz.
        inpainter: a method that can, see `can_add`; what it hears at once may be shorter than the recording.
        text: what to add.
        seed: the same seed gives the same stem.
        full: what the mix may not exceed, unless the recording itself does.
        progress: called with the fraction done; raising from it cancels.

    Raises:
        Unsupported: the method cannot, or refuses; the message says why.
        ValueError: the recording is empty or not finite.
    """
    from caesura.audio import resample

    check_adds(inpainter)
    if not x.size or not np.isfinite(x).all():
        raise ValueError("the recording is empty or has samples that are no numbers: restore it first")
    # At the method's own rate its guide is what it was given; at another one the guide's high band would be missing.
    rate = inpainter.accepts.sample_rate or sample_rate
    stem = resample(_stem(resample(x, sample_rate, rate), rate, inpainter, text, seed, progress), rate, sample_rate)
    stem = np.pad(stem, ((0, 0), (0, max(x.shape[1] - stem.shape[1], 0))))[:, : x.shape[1]]
    gain = _room(x, stem, full, sample_rate)
    stem = gain * stem
    low = float(gain.min())
    turned_down = -20.0 * math.log10(low) if low > 0.0 else math.inf
    return Added(x + stem, stem, abs(turned_down), float(np.mean(gain < 1.0)))


def _stem(guide: Array, rate: int, inpainter: Inpainter, text: str, seed: int, progress: Progress) -> Array:
    """What the method adds to a guide, at the rate of both; pieces hear the end of the mix before them."""
    samples, window = guide.shape[1], inpainter.accepts.window
    limit = None if window is None else math.floor(window * rate)
    steps = pieces(Region(0, samples), samples, limit)
    stem = np.zeros_like(guide)
    for k, (region, span) in enumerate(steps):

        def part(fraction: float, k: int = k) -> None:
            progress((k + fraction) / len(steps))

        later = tuple(rest for rest, _ in steps[k + 1 :])
        problem = Problem(guide + stem, (region,), rate, guide=guide, text=text, unknown=later).crop(*span)
        done = restore(problem, inpainter, seed=piece_seed(seed, k), progress=part)
        if not done.fills[0].filled:
            raise Unsupported(f"{name_of(inpainter)} refused: {done.fills[0].why or 'it does not say why'}")
        here, heard = region.shifted(-span[0]), slice(*span)
        new = joined(done.samples - guide[:, heard], here, problem.mask, rate, level=False)
        stem[:, region.start : region.stop] = new[:, here.start : here.stop]
    return stem


def _room(x: Array, stem: Array, full: float, sample_rate: int) -> Array:
    """Gains (samples,) under which a recording and a stem stay within full scale."""
    limit = full * (1.0 - ROUNDING)
    room = np.maximum(np.where(stem > 0.0, limit - x, limit + x), 0.0)
    most = np.min(
        np.minimum(1.0, room / np.maximum(np.abs(stem), QUIET)), axis=0, where=np.abs(stem) > QUIET, initial=1
    )
    if most.min() >= 1.0:
        return np.ones_like(most)
    half = max(round(DUCK * sample_rate / 2), 1)
    gain = ndimage.minimum_filter1d(most, 4 * half + 1, mode="nearest")
    for _ in range(2):
        gain = ndimage.uniform_filter1d(gain, 2 * half + 1, mode="nearest")
    gain = np.where(gain > 1.0 - NEARLY, 1.0, gain)  # a running mean of ones is not quite one
    return np.asarray(np.clip(gain, 0.0, most))
