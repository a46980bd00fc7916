"""Riff-P2P: adds what a text says to a backing track, by a model that is shown a picture of it.

    D(z, sigma | text, image) = D_0 + w_i (D_i - D_0) + w_t (D_ti - D_i),   x_hat = x + stem

The model is Riffusion's, trained further on pairs of pictures: a backing, and the same with a part added ("add a female
vocal pop melody"). It draws the picture of the mix, 512 mel bands up to 10 kHz in windows of 5.11 s that overlap and
share one state at every level. The backing is kept as it is, sample for sample: what the drawn mix holds besides it is
isolated, and its sound is added.

References:
    Z. Shah and co-authors, Riff-P2P (zachary-shah/riff-pix2pix), 2023.
    T. Brooks, A. Holynski, A. A. Efros, "InstructPix2Pix: learning to follow image editing instructions", CVPR 2023.
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    O. Bar-Tal, L. Yariv, Y. Lipman, T. Dekel, "MultiDiffusion: fusing diffusion paths for controlled image generation",
        ICML 2023.
"""

from __future__ import annotations

__all__ = ["RiffP2P"]

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.problem import Problem

try:
    import torch
except ImportError:
    raise ValueError("riff_p2p needs PyTorch: pip install 'caesura[diffusion]'") from None

from caesura.diffusion import Instructed, Unconstrained, dpm_solver_2m, euler
from caesura.diffusion.noise import Shared
from caesura.diffusion.windowed import Windowed
from caesura.methods._backing import backing, drawn, with_stem
from caesura.methods._picture_method import HOP, WINDOW, PictureMethod
from caesura.methods._walks import Walk
from caesura.networks.riff_p2p import open_riff_p2p
from caesura.networks.riffusion import CHANNELS

# Published are 100 steps of DDIM; a second order method needs fewer levels.
WALKS = {"fast": Walk(Unconstrained(), dpm_solver_2m, 30), "published": Walk(Unconstrained(), euler, 100)}


@dataclass(frozen=True)
class RiffP2P(PictureMethod):
    """Diffusion model of pictures of music that adds a part to a backing track as a text says: "add a sad violin"."""

    weights: str = "zachary-shah/riff-pix2pix-v1"
    """The repository of the authors once it was downloaded, a folder in diffusers' layout, or "tiny" (untrained)."""
    preset: Literal["fast", "published"] = "fast"
    """30 levels of a second order method, or the published 100 of DDIM; each asks the network three times."""
    scale: float = 15.0
    """How strongly the text is followed; 10 to 15 are published."""
    image_scale: float = 1.5
    """How strongly the backing is kept to; 1.5 to 5 were tried, 1.5 is published."""
    headroom: float = 0.0
    """Decibels that the mix may be louder than the backing in one band; the published weights know 0."""

    accepts: ClassVar[Accepts] = Accepts(sample_rate=44_100, context=2.5, guide=True, adds=True)
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2, "duration": 0.63, "iterations": 2, "bands": 64}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(("image_scale", 0.0, math.inf), ("headroom", 0.0, 24.0))

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`; what it returns is the backing and the stem."""
        model = open_riff_p2p(self.weights)
        codec = model.codec(self.image)
        known = backing(problem, self.image, least=self.least, headroom=self.headroom)
        shown = codec.encode(known.picture(codec).to(model.place)) / model.scale
        blocks = max(map(model.blocks, (problem.text, self.negative)))
        unseen = {"image": torch.zeros(1, CHANNELS, 1, 1, device=model.place)}
        guided = Instructed(model.prior, self.scale, self.image_scale, model.tell(self.negative, blocks), unseen)
        walk = self.stepping(WALKS[self.preset])
        z = drawn(
            Windowed(guided, WINDOW, HOP, along={"image": 1}),
            self.sigmas(walk, model.alphas_cumprod),
            walk.step,
            Shared(len(shown), rng, self.width),
            shown,
            lambda fraction: progress(0.9 * fraction),
            {"image": shown, **model.tell(problem.text, blocks)},
        )
        made = with_stem(known, codec, z, rng, self.iterations)
        progress(1.0)
        for region in problem.gaps:
            note(Note(region, parameters={"scale": self.scale, "image_scale": self.image_scale}))
        return made
