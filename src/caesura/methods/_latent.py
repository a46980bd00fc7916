"""What the text-to-sound methods share: ways of conditioning by name, and the way from a recording to latents and back.

    z ~ p(z | z_known, text),   x_hat = x_mean + l(t) decode(z) / g

The known latents are those of rows that look at nothing missing; g is the level at which the model hears the recording,
l(t) brings the fill to the level of what surrounds it.
"""

from __future__ import annotations

__all__ = ["PRESETS", "Conditioning", "Draw", "Settings", "Walk", "estimate", "matched"]

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs import reliable
from caesura.codecs.mel import Level
from caesura.codecs.vae import Sees
from caesura.diffusion import (
    Ancestral,
    Conditioner,
    Guided,
    Masked,
    NullSpace,
    ReconstructionGuidance,
    Renoise,
    Replacement,
    Step,
    ddpm,
    revisit,
    sample,
    travel,
)
from caesura.diffusion.noise import from_rng
from caesura.inpainter import Listener, Note, Progress
from caesura.networks.latent_models import TextModel
from caesura.problem import Problem, Region
from caesura.seam import seam_score

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

Conditioning = Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"]
Preset = Literal["fast", "published"]

LONGEST = 10.24  # seconds that the models hear at once
REACH = 4000  # samples on either side of a region that its level is taken from, a quarter of a second
LIMIT = 10.0  # largest change of level: what is further off is not the same sound


@dataclass(frozen=True)
class Walk:
    """A way of conditioning, and the levels it walks."""

    conditioner: Conditioner
    step: Step
    levels: int
    """Levels that are gone through, unless the user asks for another number."""
    jump: int = 0
    """Levels that RePaint's walk goes back up, or from above which DDNM's reaches every level; 0 never goes up."""
    passes: int = 0
    """How often RePaint's walk passes every stretch; 0 is DDNM's walk."""

    def sigmas(self, alphas_cumprod: Tensor, steps: int = 0, *, offset: int = 0) -> Tensor:
        """The list of levels that is walked.

        Args:
            alphas_cumprod: of the model, (levels,).
            steps: levels to go through; 0: as many as belong to the walk.
            offset: index of the lowest of them, where not all are gone through.
        """
        count = steps or self.levels
        down = ddpm(alphas_cumprod, count, offset=offset if count < len(alphas_cumprod) else 0)
        if not self.jump:
            return down
        return travel(down, self.jump, self.passes) if self.passes else revisit(down, self.jump)


# The published numbers are those of Tango with RePaint and DDNM, 1000 levels each; with guidance there are none. The
# fast ones take 50 to 200 evaluations, and for DDNM its own step, which is less biased than that of the paper.
PRESETS: dict[str, dict[str, Walk]] = {
    "published": {
        "plain": Walk(Replacement(), Ancestral(), 1000),
        "repaint": Walk(Replacement(), Ancestral(), 1000, jump=1, passes=10),
        "repaint+": Walk(Replacement(), Ancestral(), 1000, jump=10, passes=10),
        "ddnm": Walk(NullSpace(keep=False), Ancestral(), 1000),
        "ddnm+": Walk(NullSpace(keep=False), Ancestral(), 1000, jump=10),
        "guidance": Walk(ReconstructionGuidance(), Ancestral(), 1000),
    },
    "fast": {
        "plain": Walk(Replacement(), Ancestral(), 100),
        "repaint": Walk(Replacement(), Ancestral(), 20, jump=1, passes=10),
        "repaint+": Walk(Replacement(), Ancestral(), 40, jump=5, passes=5),
        "ddnm": Walk(NullSpace(), Renoise(), 100),
        "ddnm+": Walk(NullSpace(), Renoise(), 30, jump=3),
        "guidance": Walk(ReconstructionGuidance(), Ancestral(), 50),
    },
}


@dataclass(frozen=True)
class Settings:
    """Fields that both methods have; their own files say what they mean."""

    weights: str
    conditioning: Conditioning
    preset: Preset
    steps: int
    scale: float
    negative: str
    duration: float
    known: Sees
    oracle_latents: bool
    strength: float
    candidates: int

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("scale", 0.0), ("candidates", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name}={getattr(self, name)} is below {least:g}")
        if self.steps == 1:
            raise ValueError("steps=1 is no walk: 2 or more, or 0 to leave it to the preset")
        for name, most in (("duration", LONGEST), ("strength", 1.0)):
            if not 0.0 < getattr(self, name) <= most:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and at most {most:g}")


@dataclass(frozen=True, eq=False)
class Draw:
    """How a method fills one clip."""

    model: TextModel
    walk: Walk
    sigmas: Tensor
    settings: Settings


def estimate(draw: Draw, problem: Problem, rng: np.random.Generator, progress: Progress, note: Listener) -> Array:
    """The estimate (1, samples) of a problem with one channel at 16 kHz.

    Args:
        draw: model, walk and settings.
        problem: of at most as many samples as the model hears at once.
        rng: where the noise comes from.
        progress: called with the fraction done.
        note: called with what was done in each region.
    """
    codec, settings = draw.model.codec, draw.settings
    mask = problem.mask[0]
    level = Level.of(problem.y[0], mask=mask)
    clip = _clip(problem.samples, settings.duration, draw.model.shortest, codec.mel.sample_rate)
    heard = level.apply(problem.y[0], mask)
    targets = (*problem.gaps, *problem.boxes)
    sees: Sees = "tile" if settings.oracle_latents else settings.known
    kept = reliable(codec.cells(clip, sees), (*targets, *problem.unknown))
    latents = _latents(draw, heard, clip)
    guide = None
    if problem.guide is not None:
        guide = _latents(draw, level.apply(problem.guide[0]), clip)
        latents = guide if settings.oracle_latents else latents
    elif settings.oracle_latents:
        raise ValueError("oracle_latents=True takes the known latents from the complete recording: pass it as guide")
    z, evaluations = _sampled(draw, latents, torch.from_numpy(kept), guide, problem.text, rng, progress)
    sure = _sure(mask, (*targets, *problem.unknown))
    waves = draw.model.decode(z, problem.samples, [(heard, sure)] * settings.candidates)
    fills = [matched(wave, heard, mask, targets) for wave in waves]
    best = min(fills, key=lambda fill: _conspicuous(np.where(mask, heard, fill), mask, targets))
    for region in targets:
        _report(region, evaluations, settings, codec.mel.sample_rate, note)
    return level.undo(best)[None]


def _sure(mask: Flags, regions: Sequence[Region]) -> Flags:
    """Samples of which nothing is missing: none within a box either."""
    sure = mask.copy()
    for region in regions:
        sure[region.start : region.stop] = False
    return sure


def _report(region: Region, evaluations: int, settings: Settings, sample_rate: int, note: Listener) -> None:
    if region.low >= sample_rate / 2:
        why = f"the box lies above the {sample_rate / 2000:g} kHz that the model knows"
        note(Note(region, why=why, refused=True))
    else:
        note(Note(region, parameters={"conditioning": settings.conditioning, "evaluations": evaluations}))


def _clip(samples: int, duration: float, shortest: int, sample_rate: int) -> int:
    """Samples of the clip that holds the recording; what is missing is silence, as it was in training."""
    return shortest * math.ceil(max(samples, round(duration * sample_rate), 1) / shortest)


def _latents(draw: Draw, heard: Array, clip: int) -> Tensor:
    """Latents (1, ...) of a signal at the model's level, with silence after it."""
    padded = np.pad(heard, (0, clip - heard.size))
    return draw.model.codec.encode(torch.from_numpy(padded)[None].float().to(draw.model.place))


def _sampled(
    draw: Draw,
    latents: Tensor,
    kept: Tensor,
    guide: Tensor | None,
    text: str,
    rng: np.random.Generator,
    progress: Progress,
) -> tuple[Tensor, int]:
    """Latents of every candidate, and how often the prior was asked."""
    model, settings = draw.model, draw.settings
    noise = from_rng([rng] * settings.candidates)
    y = latents.expand(settings.candidates, *latents.shape[1:])
    prior = model.prior
    if text != settings.negative:
        prior = Guided(prior, settings.scale, model.tell(settings.negative))
    sigmas, start = draw.sigmas, torch.zeros_like(y)
    spread = math.hypot(1.0, float(sigmas[0]))  # the network's input begins with unit variance
    if guide is not None and not settings.oracle_latents:
        sigmas = sigmas[_entry(sigmas, settings.strength) :]
        start, spread = guide.expand_as(y), float(sigmas[0])
    z = sample(
        prior,
        draw.walk.conditioner,
        Masked(y, kept.to(y.device)),
        sigmas,
        draw.walk.step,
        start=start + spread * noise(y),
        noise=noise,
        progress=progress,
        **model.tell(text),
    )
    return z, sum(b <= a for a, b in itertools.pairwise(sigmas.tolist()))


def _entry(sigmas: Tensor, strength: float) -> int:
    """Where a walk that varies a guide begins: the first time that it comes to this share of its distinct levels."""
    levels = sorted(set(sigmas.tolist()))
    wanted = levels[max(round(strength * (len(levels) - 1)), 1)]
    return sigmas.tolist().index(wanted)


def matched(fill: Array, y: Array, mask: Flags, regions: Sequence[Region]) -> Array:
    """A decoded clip, in each region at the level of what surrounds it.

    The gain before a region and the one after it are those that bring the clip's own version of the context to the
    context; between them it changes evenly in decibels.

    Args:
        fill: (samples,).
        y: what was recorded (samples,), without its mean.
        mask: True where it is reliable.
        regions: what is filled.
    """
    levelled = fill.copy()
    for region in regions:
        before = _gain(fill, y, mask, max(region.start - REACH, 0), region.start)
        after = _gain(fill, y, mask, region.stop, min(region.stop + REACH, y.size))
        first = next((gain for gain in (before, after) if gain is not None), 1.0)
        last = next((gain for gain in (after, before) if gain is not None), 1.0)
        levelled[region.start : region.stop] = fill[region.start : region.stop] * np.geomspace(
            first, last, region.length
        )
    return levelled


def _gain(fill: Array, y: Array, mask: Flags, start: int, stop: int) -> float | None:
    """From the clip to the recording, by what is reliable between two samples; None where nothing is."""
    known = mask[start:stop]
    theirs, own = (float(np.sum(x[start:stop][known] ** 2)) for x in (y, fill))
    if not own:
        return None
    return float(np.clip(math.sqrt(theirs / own), 1.0 / LIMIT, LIMIT))


def _conspicuous(filled: Array, mask: Flags, regions: Sequence[Region]) -> float:
    """How unusual the edges of a fill are, all regions together."""
    scores = (seam_score(filled[None], region, mask[None]) for region in regions)
    return sum(score for score in scores if score is not None)
