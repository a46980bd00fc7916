"""From one sound to another: as one sound that changes on the way, or as a sequence of sounds with steps in between.

    alpha_k = shaped(k / (n - 1)),   text and noise of step k lie at share alpha_k between those of the two ends

All steps of a sequence begin with noises on one arc and may vary the same guide, which gives them one rhythm.

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
"""

from __future__ import annotations

__all__ = ["Morph", "between", "can_morph", "moved", "sequence"]

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Inpainter, Progress, Unsupported, name_of, silent
from caesura.methods import names
from caesura.methods._describe import describe
from caesura.problem import Problem, Region
from caesura.progression import way
from caesura.restoration import restore

Array = NDArray[np.float64]

FULL = 0.891  # -1 dB full scale
SETTINGS = ("towards", "towards_seed", "share", "power")  # of a method that can morph


@dataclass(frozen=True, eq=False)
class Morph:
    """What lies at both ends, and the sound that is made."""

    texts: tuple[str, str]
    """What should be heard at either end."""
    seeds: tuple[int, int]
    """Of the noise at either end; equal ones stay."""
    samples: int
    """Length of a sound."""
    sample_rate: int
    """Hertz."""
    channels: int = 1
    """Of a sound."""
    guide: Array | None = None
    """What every sound is a variation of (channels, samples), repeated as often as it takes; None: nothing."""
    power: float = 1.0
    """1 moves evenly, above 1 it stays longer in the middle, below 1 at the ends."""


def can_morph() -> tuple[str, ...]:
    """Names of the methods that can lie between two texts and two seeds."""
    return tuple(name for name in names() if {field.name for field in describe(name).fields} >= set(SETTINGS))


def moved(morph: Morph, inpainter: Inpainter, *, progress: Progress = silent) -> Array:
    """One sound (channels, samples) that begins at one end and stops at the other.

    Raises:
        Unsupported: the method cannot morph.
    """
    return _level(_made(morph, _settled(morph, inpainter, None), progress))


def between(morph: Morph, inpainter: Inpainter, share: float, *, progress: Progress = silent) -> Array:
    """One sound (channels, samples) that stays at a share of the way, 0 to 1.

    Raises:
        Unsupported: the method cannot morph.
    """
    return _level(_made(morph, _settled(morph, inpainter, share), progress))


def sequence(morph: Morph, inpainter: Inpainter, steps: int, *, progress: Progress = silent) -> Iterator[Array]:
    """One sound after the other (channels, samples), from one end to the other.

    Args:
        morph: the ends.
        inpainter: a method that can, see `can_morph`.
        steps: how many sounds.
        progress: called with the fraction done; raising from it cancels.

    Raises:
        Unsupported: the method cannot morph.
    """
    for k, share in enumerate(way(steps, morph.power)):

        def part(fraction: float, k: int = k) -> None:
            progress((k + fraction) / steps)

        yield between(morph, inpainter, share, progress=part)


def _settled(morph: Morph, inpainter: Inpainter, share: float | None) -> Inpainter:
    """The method with what it is to move to; `share` None: on the way."""
    if not all(hasattr(inpainter, name) for name in SETTINGS):
        raise Unsupported(f"{name_of(inpainter)} cannot morph: choose from {', '.join(can_morph())}")
    # A seed that stays is given as well, so that every window and every step begins with the same noise.
    values = {"towards": morph.texts[1], "towards_seed": morph.seeds[1], "power": morph.power, "share": share}
    return dataclasses.replace(inpainter, **values)  # type: ignore[type-var]


def _made(morph: Morph, inpainter: Inpainter, progress: Progress) -> Array:
    guide = morph.guide
    if guide is not None:
        guide = np.tile(guide, math.ceil(morph.samples / guide.shape[1]))[:, : morph.samples]
    nothing = np.zeros((morph.channels, morph.samples))
    whole = (Region(0, morph.samples),)
    problem = Problem(nothing, whole, morph.sample_rate, guide=guide, text=morph.texts[0])
    return restore(problem, inpainter, seed=morph.seeds[0], progress=progress).samples


def _level(x: Array) -> Array:
    peak = float(np.abs(x).max())
    return x if peak <= 1.0 else x * (FULL / peak)
