"""Riffusion: a diffusion model of pictures of sound that can be told what to play, in any length.

    z = E S,   D(z, sigma | text) = mean over windows of u + w (c - u)
    u, c = z - sigma F(z / sqrt(1 + sigma^2), t, none or text)

S are 512 mel bands up to 10 kHz, at 44.1 kHz; nothing above comes back. The network was trained on pictures of 5.11 s;
longer ones are drawn in windows that overlap and share one state at every level, so nothing is joined. Gaps and boxes
are drawn around what is known, and the sound gets its phases from there. A guide is varied: `strength` says how far,
and a picture laid over it what of it stays.
From `text` one can move to `towards`, and from the noise of the seed to that of another. Words weigh more in (round
brackets) or as (words:1.4), less in [square ones].

References:
    S. Forsgren, H. Martiros, "Riffusion: stable diffusion for real-time music generation", 2022.
    R. Rombach et al., "High-resolution image synthesis with latent diffusion models", CVPR 2022.
    O. Bar-Tal, L. Yariv, Y. Lipman, T. Dekel, "MultiDiffusion: fusing diffusion paths for controlled image generation",
        ICML 2023.
"""

from __future__ import annotations

__all__ = ["Riffusion"]

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.image import Pixels
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.problem import Problem
from caesura.progression import shaped
from caesura.seam import seam_score

try:
    import torch
except ImportError:
    raise ValueError("riffusion needs PyTorch: pip install 'caesura[diffusion]'") from None

from torch import Tensor

from caesura.codecs.image_latents import FOLD, Colours, ImageLatents
from caesura.diffusion import (
    Denoiser,
    Guided,
    Replacement,
    dpm_solver_2m,
    euler,
    sample,
)
from caesura.diffusion.interpolation import slerp
from caesura.diffusion.noise import Seeded, Shared
from caesura.diffusion.windowed import Windowed
from caesura.methods._picture_method import HOP, OFFSET, WINDOW, PictureMethod
from caesura.methods._pictures import Shown, filled, shown
from caesura.methods._walks import PRESETS, Walk
from caesura.networks.riffusion import PictureModel, open_riffusion

# From nothing, a second order method needs fewer levels; published are 50 of DDIM.
PLAIN = {"fast": Walk(Replacement(), dpm_solver_2m, 30), "published": Walk(Replacement(), euler, 50)}


@dataclass(frozen=True)
class Riffusion(PictureMethod):
    """Diffusion model of pictures of music told by text: long fills, sounds from nothing, variations, morphs."""

    conditioning: Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"] = "ddnm"
    """How the context enters: mixed in at every level (plain), with time travel (repaint), in the estimate (ddnm)."""
    preset: Literal["fast", "published"] = "fast"
    """30 to 200 evaluations of the network, or the published number: 50 for plain, 1000 to 11,000 for the others."""
    known: Literal["encoder", "frames", "tile"] = "encoder"
    """Latents that count as known: those that see nothing missing, whose columns do not, or whose 80 ms do not."""
    strength: float = 0.55
    """How far a guide is varied: 0 hardly, 1 it is forgotten."""
    candidates: int = 1
    """Fills to draw; the one whose edges are least conspicuous is taken."""
    towards: str = ""
    """A text that the sound moves to from the first one; empty: it stays."""
    towards_seed: int | None = None
    """A seed whose noise it moves to; none: it stays."""
    share: float | None = None
    """How far it has moved, all the time: 0 to 1; none: from 0 at the beginning to 1 at the end."""
    power: float = 1.0
    """How it moves: 1 evenly, above 1 it stays longer in the middle, below 1 at the ends."""
    stereo: Literal["grey", "colour"] = "grey"
    """Two channels as two grey pictures drawn with the same noise, or as the two colours of one picture."""

    accepts: ClassVar[Accepts] = Accepts(
        sample_rate=44_100, context=2.5, bands=True, generates=44_100, varies=True, holds=True
    )
    quick: ClassVar[Mapping[str, Any]] = {"weights": "tiny", "steps": 2, "duration": 0.63, "iterations": 2, "bands": 64}

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check(("candidates", 1, 99), ("share", 0.0, 1.0))
        for name, most in (("strength", 1.0), ("power", 100.0)):
            if not 0.0 < getattr(self, name) <= most:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and at most {most:g}")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        model, codec, heard = self._heard(problem)
        found = []
        for k in range(self.candidates):

            def part(fraction: float, k: int = k) -> None:
                progress((k + 0.9 * fraction) / self.candidates)

            z, evaluations = self._drawn(model, heard, rng, part)
            found.append(filled(heard, codec, z, rng, self.iterations))
            progress((k + 1) / self.candidates)
        for region in (*problem.gaps, *problem.boxes):
            if region.low >= self.high:
                why = f"the box lies above the {self.high / 1000:g} kHz that the pictures show"
                note(Note(region, why=why, refused=True))
            else:
                note(Note(region, parameters={"conditioning": self._way(heard), "evaluations": evaluations}))
        return min(found, key=lambda fill: _conspicuous(problem, fill))

    def after(
        self, problem: Problem, pixels: Pixels, *, rng: np.random.Generator, progress: Progress = silent
    ) -> NDArray[np.float64]:
        """A sound (channels, samples) that varies a picture, as the published program does with its seed images.

        Args:
            problem: what is asked for; of its guide, which it needs, the level is taken.
            pixels: (bands, columns, 3); wider than the sound it is cut, narrower its last column goes on.
            rng: as in a call.
            progress: as in a call.
        """
        if pixels.shape[0] != self.bands:
            raise ValueError(f"a picture of {pixels.shape[0]} rows is not one of bands={self.bands}")
        if problem.guide is None:
            raise ValueError("a sound after a picture needs a guide: it has its level")
        model, codec, heard = self._heard(problem)
        columns = FOLD * heard.latents.shape[-1]
        wide = np.pad(pixels[:, :columns], ((0, 0), (0, max(columns - pixels.shape[1], 0)), (0, 0)), mode="edge")
        picture = torch.from_numpy(np.moveaxis(wide / 127.5 - 1.0, -1, 0)).float()[None].to(model.place)
        guide = codec.encode(picture).expand_as(heard.latents)
        z, _ = self._drawn(model, dataclasses.replace(heard, guide=guide), rng, progress)
        return filled(heard, codec, z, rng, self.iterations)

    def _heard(self, problem: Problem) -> tuple[PictureModel, ImageLatents, Shown]:
        """The model, its codec, and a problem as it sees it."""
        model = open_riffusion(self.weights)
        codec = model.codec(self.image)
        colours: Colours = "colour" if self.stereo == "colour" and problem.channels == 2 else "grey"
        heard = shown(problem, codec, least=self.least, sees=self.known, colours=colours, place=model.place)
        return model, codec, heard

    def _way(self, heard: Shown) -> str:
        """The conditioning; where nothing is known there is none."""
        known = bool(heard.kept.any()) or (heard.held is not None and bool(heard.held.any()))
        return self.conditioning if known else "plain"

    def _walk(self, heard: Shown) -> Walk:
        way = self._way(heard)
        walk = PLAIN[self.preset] if way == "plain" else PRESETS[self.preset][way]
        return self.stepping(walk)

    def _drawn(
        self, model: PictureModel, heard: Shown, rng: np.random.Generator, progress: Progress
    ) -> tuple[Tensor, int]:
        """Latents, and how often the prior was asked."""
        walk = self._walk(heard)
        sigmas = self.sigmas(walk, model.alphas_cumprod)
        noise = Shared(len(heard.latents), rng, self.width)
        begin = self._noise(heard, noise)
        start, spread = torch.zeros_like(heard.latents), math.hypot(1.0, float(sigmas[0]))
        if heard.guide is not None:
            sigmas = sigmas[first_level(sigmas, self.strength) :]
            start, spread = heard.guide, float(sigmas[0])
        prior, told = self._prior(model, heard)
        conditioner = walk.conditioner
        if heard.held is not None and self.preset == "published" and isinstance(conditioner, Replacement):
            conditioner = Replacement(fixed=begin)
        z = sample(
            prior,
            conditioner,
            heard.observed,
            sigmas,
            walk.step,
            start=start + spread * begin,
            noise=noise,
            progress=progress,
            **told,
        )
        return z, int((sigmas[1:] <= sigmas[:-1]).sum())

    def _prior(self, model: PictureModel, heard: Shown) -> tuple[Denoiser, Mapping[str, Tensor]]:
        """The prior, and what it is told everywhere."""
        texts = [heard.problem.text, self.towards or heard.problem.text]
        blocks = max(map(model.blocks, (*texts, self.negative)))
        first, last = (model.tell(text, blocks) for text in texts)
        prior = model.prior
        if not all(text == self.negative for text in texts):
            prior = Guided(prior, self.scale, model.tell(self.negative, blocks))
        if not self.towards:
            return Windowed(prior, WINDOW, HOP), first

        def told(place: float) -> Mapping[str, Tensor]:
            t = self._share(place)
            return {name: torch.lerp(first[name], last[name], t) for name in first}

        return Windowed(prior, WINDOW, HOP, told), first

    def _share(self, place: float) -> float:
        return shaped(place, self.power) if self.share is None else self.share

    def _noise(self, heard: Shown, noise: Seeded) -> Tensor:
        """What the walk begins with; a morph has the same noise in every window, or moves from one to another."""
        like = heard.latents
        if self.towards_seed is None and not self.towards:
            return noise(like)
        other = Shared(len(like), np.random.default_rng((self.towards_seed or 0, heard.problem.start)), self.width)
        one = like[..., : min(WINDOW, like.shape[-1])]
        a, b = noise(one), other(one)
        count = math.ceil(like.shape[-1] / WINDOW)
        places = [self._share(k / (count - 1) if count > 1 else 0.0) for k in range(count)]
        parts = [a if self.towards_seed is None else slerp(t, a, b) for t in places]
        return torch.cat(parts, dim=-1)[..., : like.shape[-1]]


def first_level(sigmas: Tensor, strength: float) -> int:
    """Where a walk that varies a guide begins: at the noise level that the published strength means.

    Args:
        sigmas: a walk, falling or not, that ends in 0.
        strength: share of its distinct levels; the published program takes one more than that, rounded down.
    """
    levels = sorted(set(sigmas.tolist()))
    wanted = levels[min(math.floor((len(levels) - 1) * strength) + OFFSET, len(levels) - 1)]
    return sigmas.tolist().index(wanted)


def _conspicuous(problem: Problem, fill: NDArray[np.float64]) -> float:
    """How unusual the edges of a fill are, all regions together."""
    x = np.where(problem.mask, problem.y, fill)
    scores = (seam_score(x, region, problem.mask) for region in (*problem.gaps, *problem.boxes))
    return sum(score for score in scores if score is not None)
