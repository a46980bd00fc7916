"""From a backing track to a picture of it, and from the picture of a mix that was drawn over it to the mix.

    x_hat = x + decode(stem(S_hat, S))

S are the mel bands of the backing x, S_hat those that were drawn. The backing itself is never made anew: what is added
is the sound of what the drawn picture holds besides.
"""

from __future__ import annotations

__all__ = ["Backing", "backing", "drawn", "with_stem"]

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs.image import LOUDEST, SpectrogramImage
from caesura.codecs.image_latents import ImageLatents
from caesura.diffusion import Denoiser, Step, Unconstrained, sample
from caesura.diffusion.noise import Noise
from caesura.inpainter import Progress
from caesura.methods._pictures import MULTIPLE
from caesura.methods._stems import isolated_bands
from caesura.problem import Problem

Array = NDArray[np.float64]

FULL = 0.891  # -1 dB full scale: what a stem is turned down to that exceeds full scale by itself


@dataclass(frozen=True, eq=False)
class Backing:
    """What a stem is added to, as pictures."""

    x: Array
    """(channels, samples)."""
    mel: Array
    """(channels, bands, columns), zero past the end."""
    loudest: float
    """Band value of black."""

    def picture(self, codec: ImageLatents) -> Tensor:
        """Grey levels (channels, 3, bands, columns) from -1 to 1."""
        return codec.pictures(self.mel, self.loudest, "grey")


def backing(problem: Problem, image: SpectrogramImage, *, least: int, headroom: float = 0.0) -> Backing:
    """The guide of a problem, a channel for each of the recording's; without one it is what is known of the recording.

    Args:
        problem: at the rate of the pictures.
        image: how they are made.
        least: columns that they have at least.
        headroom: decibels that the mix may be louder than the backing in its loudest band.
    """
    heard = problem.y if problem.guide is None else problem.guide
    x = heard[np.minimum(np.arange(problem.channels), len(heard) - 1)]
    columns = MULTIPLE * math.ceil(max(image.frames(problem.samples), least) / MULTIPLE)
    mel = image.mel(x)
    mel = np.pad(mel, ((0, 0), (0, 0), (0, columns - mel.shape[-1])))
    return Backing(x, mel, 10.0 ** (headroom / 20.0) * float(mel.max()) or LOUDEST)


def drawn(
    prior: Denoiser, sigmas: Tensor, step: Step, noise: Noise, like: Tensor, progress: Progress,
    told: Mapping[str, Tensor],
) -> Tensor:  # fmt: skip
    """Latents of a mix, from noise, by a prior that is told the backing.

    Args:
        prior: see `caesura.diffusion.Denoiser`.
        sigmas: the levels.
        step: from one to the next.
        noise: what the walk begins with.
        like: a tensor of the latents' shape.
        progress: called with the fraction done.
        told: what the prior is told.
    """
    start = math.hypot(1.0, float(sigmas[0])) * noise(like)
    return sample(
        prior, Unconstrained(), None, sigmas, step, start=start, noise=noise, progress=progress, **told
    )  # fmt: skip


def with_stem(known: Backing, codec: ImageLatents, latents: Tensor, rng: np.random.Generator, iterations: int) -> Array:
    """The backing (channels, samples) and what a drawn mix holds besides it, at full scale at most.

    Args:
        known: the backing.
        codec: what reads the picture.
        latents: of the mix, an item per channel.
        rng: where phases come from.
        iterations: of the Griffin-Lim algorithm.
    """
    image, samples = codec.image, known.x.shape[1]
    frames = image.frames(samples)
    with torch.no_grad():
        mel = codec.bands(codec.decode(latents), known.loudest, "grey")[..., :frames]
    stem = image.decode(isolated_bands(mel, known.mel[..., :frames]), samples, rng, iterations=iterations)
    peak = float(np.abs(stem).max(initial=0.0))
    return known.x + (stem if peak <= 1.0 else stem * (FULL / peak))
