"""Riff-CNET: adds what a text says to a backing track, by Riffusion and a network that is shown the track's edges.

    D(z, sigma | text, edges) = u + w (c - u),   x_hat = x + stem

u and c are Riffusion's answers without and with the text, both controlled by the edges of the backing's spectrogram
picture, its slopes, or the picture itself. The picture of the mix is drawn, 512 mel bands up to 10 kHz in windows of
5.11 s. They overlap and share one state at every level; or, as published, each is drawn by itself, its first half
controlled by the edges of what the window before has drawn there. The backing is kept as it is, sample for sample: what
the drawn mix holds besides it is isolated, and its sound is added.

References:
    Z. Shah and co-authors, Riff-CNET (zachary-shah/riff-cnet), 2023.
    L. Zhang, A. Rao, M. Agrawala, "Adding conditional control to text-to-image diffusion models", ICCV 2023.
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    O. Bar-Tal, L. Yariv, Y. Lipman, T. Dekel, "MultiDiffusion: fusing diffusion paths for controlled image generation",
        ICML 2023.
"""

from __future__ import annotations

__all__ = ["RiffCNET"]

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.edges import WHITE, control_of
from caesura.codecs.image import Pixels, SpectrogramImage
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.problem import Problem

try:
    import torch
except ImportError:
    raise ValueError("riff_cnet needs PyTorch: pip install 'caesura[diffusion]'") from None

from torch import Tensor
from torch.nn import functional

from caesura.codecs.image_latents import FOLD, ImageLatents
from caesura.diffusion import Denoiser, Guided, Unconstrained, dpm_solver_2m, euler
from caesura.diffusion.noise import Shared
from caesura.diffusion.windowed import Windowed
from caesura.methods._backing import Backing, backing, drawn, with_stem
from caesura.methods._picture_method import HOP, WINDOW, PictureMethod
from caesura.methods._walks import Walk
from caesura.networks.controlnet import ControlledModel, open_controlled
from caesura.networks.riffusion import CHANNELS

# Published are 50 steps of DDIM; a second order method needs fewer levels.
WALKS = {"fast": Walk(Unconstrained(), dpm_solver_2m, 30), "published": Walk(Unconstrained(), euler, 50)}

Draw = Callable[[Tensor, Progress], Tensor]
"""Latents that a control is drawn to."""


@dataclass(frozen=True)
class RiffCNET(PictureMethod):
    """Diffusion model of pictures of music that adds a part over the edges of a backing track, as a text says."""

    control_weights: str = "zachary-shah/riffusion-cnet-v2"
    """The authors' repository once it was downloaded, their file, a folder in diffusers' layout, or "tiny"."""
    control: Literal["canny", "sobel", "sobel_denoised", "spectrogram"] = "canny"
    """What is shown of the backing; the published weights know canny."""
    threshold: Literal[100, 150] = 100
    """Gradient from which Canny's method goes on with an edge: 100 for the published weights, 150 in later programs."""
    control_strength: float = 1.0
    """How strongly the backing is kept to; 0: not at all."""
    guess: bool = False
    """Whether the control is left out where the text is, and its details count less."""
    extension: Literal["shared", "published"] = "shared"
    """How a song goes on past 5.11 s: windows that share one state, or one after the other as published."""
    preset: Literal["fast", "published"] = "fast"
    """30 levels of a second order method, or the published 50 of DDIM; each asks both networks twice."""
    scale: float = 9.0

    accepts: ClassVar[Accepts] = Accepts(sample_rate=44_100, context=2.5, guide=True, adds=True)
    quick: ClassVar[Mapping[str, Any]] = {
        "weights": "tiny", "control_weights": "tiny", "steps": 2, "duration": 0.63, "iterations": 2, "bands": 64,
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(("control_strength", 0.0, 10.0))

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`; what it returns is the backing and the stem."""
        model = open_controlled(self.weights, self.control_weights)
        codec = model.base.codec(self.image)
        known = backing(problem, self.image, least=self.least)
        z = self.drawn(model, codec, known, problem.text, rng, lambda fraction: progress(0.9 * fraction))
        made = with_stem(known, codec, z, rng, self.iterations)
        progress(1.0)
        for region in problem.gaps:
            note(Note(region, parameters={"control": self.control, "control_strength": self.control_strength}))
        return made

    def drawn(
        self, model: ControlledModel, codec: ImageLatents, known: Backing, text: str, rng: np.random.Generator,
        progress: Progress = silent,
    ) -> Tensor:  # fmt: skip
        """Latents (channels, 4, rows, columns) of the mix."""
        shown = torch.stack([self._shown(mel[None], known, codec.image) for mel in known.mel]).to(model.base.place)
        base, walk = model.base, self.stepping(WALKS[self.preset])
        noise = Shared(len(shown), rng, self.width)
        blocks = max(map(base.blocks, (text, self.negative)))
        prior, told = self._guided(model, text, blocks), base.tell(text, blocks)
        sigmas = self.sigmas(walk, base.alphas_cumprod)

        def one(control: Tensor, part: Progress) -> Tensor:
            items, _, rows, columns = control.shape
            like = control.new_zeros(items, CHANNELS, rows // FOLD, columns // FOLD)
            asked = Windowed(prior, WINDOW, HOP, along={"control": FOLD})
            return drawn(asked, sigmas, walk.step, noise, like, part, {"control": control, **told})

        if self.extension == "shared":
            return one(shown, progress)
        return self._extended(one, shown, codec, progress)

    def _shown(self, mel: NDArray[np.float64], known: Backing, image: SpectrogramImage) -> Tensor:
        """The control (3, bands, columns), from 0 to 1, of bands (1, bands, columns); past the end there is nothing."""
        frames = image.frames(known.x.shape[1])
        seen = control_of(image.pixels(mel[..., :frames], known.loudest), self.control, low=self.threshold)
        return _tensor(np.pad(seen, ((0, 0), (0, mel.shape[-1] - frames), (0, 0)), constant_values=self._empty))

    def _guided(self, model: ControlledModel, text: str, blocks: int) -> Denoiser:
        prior = model.prior(self.control_strength, guess=self.guess)
        if text == self.negative and not self.guess:
            return prior
        uncontrolled = {"control": None} if self.guess else {}
        return Guided(prior, self.scale, {**model.base.tell(self.negative, blocks), **uncontrolled})

    def _extended(self, one: Draw, shown: Tensor, codec: ImageLatents, progress: Progress) -> Tensor:
        """Latents drawn window by window; the first half of a window sees what the one before it has drawn."""
        half, total = WINDOW // 2, shown.shape[-1] // FOLD
        count = 1 + math.ceil(max(total - WINDOW, 0) / half)
        shown = functional.pad(shown, (0, FOLD * half), value=self._empty / WHITE)
        z = one(shown[..., : FOLD * min(WINDOW, total)], lambda fraction: progress(fraction / count))
        for k in range(1, count):

            def part(fraction: float, k: int = k) -> None:
                progress((k + fraction) / count)

            first = FOLD * z.shape[-1]
            seen = self._again(codec.decode(z[..., -WINDOW:])[..., -FOLD * half :])
            window = torch.cat([seen.to(shown), shown[..., first : first + FOLD * half]], dim=-1)
            z = torch.cat([z, one(window, part)[..., half:]], dim=-1)
        return z[..., :total]

    def _again(self, levels: Tensor) -> Tensor:
        """The controls of pictures (items, 3, bands, columns) that were drawn."""
        grey = 0.5 * WHITE * (levels.mean(dim=1, keepdim=True).clamp(-1.0, 1.0) + 1.0)
        pictures = grey.expand_as(levels).permute(0, 2, 3, 1).cpu().numpy().astype(np.uint8)
        return torch.stack([_tensor(control_of(each, self.control, low=self.threshold)) for each in pictures])

    @property
    def _empty(self) -> int:
        """What a control shows of silence."""
        return WHITE if self.control == "spectrogram" else 0


def _tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(pixels.astype(np.float32) / WHITE).permute(2, 0, 1)
