"""What the small methods that add an instrument share: from a backing track and a text to the sound of a stem.

    D(z) = mean over windows of D_u + w_g (D_g - D_u) + w_t (D_tg - D_g),   x_hat = guide + a voice(z)

D_u knows neither text nor backing track, D_g the backing track, D_tg both; windows overlap and share one state, so a
song may have any length. The stem is drawn by itself, the same for all channels; nothing is subtracted from anything.
a makes it as loud beside the backing track as was asked for.

References:
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
    O. Bar-Tal, L. Yariv, Y. Lipman, T. Dekel, "MultiDiffusion: fusing diffusion paths for controlled image generation",
        ICML 2023.
"""

from __future__ import annotations

__all__ = ["Adding"]

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs.mel import Level
from caesura.diffusion import Denoiser, Instructed, Unconstrained, sample
from caesura.diffusion.noise import from_rng
from caesura.diffusion.windowed import Windowed
from caesura.inpainter import Listener, Note, Progress, ignore, silent
from caesura.methods._walks import PRESETS
from caesura.networks.mini_model import MiniModel, open_mini
from caesura.problem import Problem

Array = NDArray[np.float64]

WINDOW = 128  # rows of latents that the networks were trained on, 5.12 s
HOP = 64
SILENT = 1e-5  # root mean square of a backing track that says nothing, full scale 1
LOUDEST, QUIETEST = 24.0, -60.0  # dB of the stem beside its backing track


@dataclass(frozen=True)
class Adding:
    """Settings of a small method that adds an instrument to a backing track."""

    weights: str = ""
    """Which; each method says what there is."""
    steps: int = 40
    """Noise levels of the walk."""
    scale: float = 3.0
    """How strongly the text is followed; 1: as the model itself does."""
    guide_scale: float = 1.5
    """How strongly the backing track is kept to; 1: as the model itself does, 0: not at all."""
    negative: str = ""
    """What should not be heard."""
    loudness: float = -6.0
    """dB of the stem beside the backing track, both as root mean square."""

    network: ClassVar[str]
    """File in `caesura.networks` of the network that its weights belong to."""

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(f"steps={self.steps} is no walk: 2 or more")
        for name in ("scale", "guide_scale"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"{name}={getattr(self, name)} is below 0")
        if not QUIETEST <= self.loudness <= LOUDEST:
            raise ValueError(f"loudness={self.loudness} must lie between {QUIETEST:g} and {LOUDEST:g} dB")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> Array:
        """See `caesura.inpainter.Inpainter`; what it returns is the backing track and the stem."""
        return _added(open_mini(self.weights, self.network), problem, self, rng, progress, note)


def _added(
    model: MiniModel, problem: Problem, settings: Adding, rng: np.random.Generator, progress: Progress, note: Listener
) -> Array:
    """The backing track with an instrument added (channels, samples).

    Args:
        model: whose network takes a backing track.
        problem: at the model's rate, of any length; its guide is the backing track.
        settings: of the method.
        rng: where the noise comes from.
        progress: called with the fraction done.
        note: called with what was done in each region.
    """
    guide = problem.y if problem.guide is None else problem.guide
    heard = guide.mean(axis=0)
    audible = bool(np.sqrt(np.mean(heard**2)) > SILENT) if heard.size else False
    x = _drawn(model, heard if audible else np.zeros_like(heard), problem.text, settings, rng, progress)
    if audible:
        wanted = math.sqrt(float(np.mean(guide**2))) * 10.0 ** (settings.loudness / 20.0)
        x *= wanted / max(math.sqrt(float(np.mean(x**2))), SILENT)
    for region in problem.regions:
        note(Note(region, parameters={"heard a backing track": audible}))
    return np.asarray(guide + x)


def _drawn(
    model: MiniModel, heard: Array, text: str, settings: Adding, rng: np.random.Generator, progress: Progress
) -> Array:
    """The stem (samples,) at the level of the model, for a backing track (samples,) at the model's rate."""
    samples = model.shortest * max(math.ceil(heard.size / model.shortest), 1)
    padded = np.pad(Level.of(heard).apply(heard), (0, samples - heard.size))
    beside = torch.zeros(1, 1, 1, 1, device=model.place)
    guide = model.codec.encode(torch.from_numpy(padded)[None].float().to(model.place)).mT
    if not heard.any():
        guide = beside.expand(guide.shape)
    turned = partial(_along_time, model.prior)
    prior = Instructed(
        turned, settings.scale, settings.guide_scale, untold=model.tell(settings.negative), unseen={"guide": beside}
    )
    walk = PRESETS["fast"]["plain"]
    sigmas, noise = walk.sigmas(model.alphas_cumprod, settings.steps, offset=1), from_rng([rng])
    z = sample(
        Windowed(prior, WINDOW, HOP, along={"guide": 1}),
        Unconstrained(),
        None,
        sigmas,
        walk.step,
        start=math.hypot(1.0, float(sigmas[0])) * noise(guide),  # the network's input begins with unit variance
        noise=noise,
        progress=progress,
        guide=guide,
        **model.tell(text),
    )
    nothing = np.zeros(heard.size), np.zeros(heard.size, dtype=bool)
    return np.asarray(model.decode(z.mT, heard.size, [nothing])[0])


def _along_time(prior: Denoiser, x: Tensor, sigma: Tensor | float, *, guide: Tensor, **cond: Any) -> Tensor:
    """The prior, with rows along the last axis, as windows want them."""
    return prior(x.mT, sigma, guide=guide.mT, **cond).mT
