"""What the text-to-sound methods share: ways of conditioning by name, and the way from a recording to latents and back.

    z ~ p(z | z_known, text),   x_hat = x_mean + l(t) decode(z) / g

The known latents are those of rows that look at nothing missing; g is the level at which the model hears the recording,
l(t) brings the fill to the level of what surrounds it.
"""

from __future__ import annotations

__all__ = [
    "PRESETS",
    "Clip",
    "Draw",
    "Walk",
    "best_of",
    "estimates",
    "heard",
    "latents_of",
    "told",
]

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs import reliable
from caesura.codecs.mel import Level
from caesura.codecs.vae import Sees
from caesura.diffusion import Denoiser, Guided, Masked, sample
from caesura.diffusion.noise import from_rng
from caesura.inpainter import Listener, Note, Progress
from caesura.joints import joined
from caesura.methods._levelling import matched
from caesura.methods._walks import PRESETS, Walk
from caesura.networks.clap import DEFAULT, Clap, open_clap
from caesura.networks.latent_models import TextModel, Told
from caesura.networks.weights import MissingWeights
from caesura.problem import Problem, Region
from caesura.seam import seam_score

if TYPE_CHECKING:
    from caesura.methods._text_method import TextMethod

Array = NDArray[np.float64]

RANKING = DEFAULT  # weights that candidates are ranked by where there is a text


@dataclass(frozen=True, eq=False)
class Draw:
    """How a method fills clips."""

    model: TextModel
    walk: Walk
    sigmas: Tensor
    settings: TextMethod


@dataclass(frozen=True, eq=False)
class Clip:
    """A problem as the model hears it."""

    problem: Problem
    level: Level
    heard: Array
    """(samples,) at the model's level, zero where something is missing."""
    latents: Tensor
    """What is known, (1, channels, rows, columns)."""
    kept: Tensor
    """bool (rows, columns), True where it is."""
    guide: Tensor | None
    """What is varied, as the latents."""

    @property
    def targets(self) -> tuple[Region, ...]:
        """What is to be filled."""
        return (*self.problem.gaps, *self.problem.boxes)

    @property
    def sure(self) -> NDArray[np.bool_]:
        """Samples (samples,) of which nothing is missing: none within a box either."""
        sure: NDArray[np.bool_] = self.problem.mask[0].copy()
        for region in (*self.targets, *self.problem.unknown):
            sure[region.start : region.stop] = False
        return sure

    def pasted(self, fill: Array) -> Array:
        """A fill (samples,) between what is known."""
        whole: Array = np.where(self.problem.mask[0], self.heard, fill)
        return whole


def estimates(
    draw: Draw,
    problems: Sequence[Problem],
    rngs: Sequence[np.random.Generator],
    progress: Progress,
    notes: Sequence[Listener],
) -> list[Array]:
    """Estimates (1, samples) of equally long problems with one channel at 16 kHz, drawn together.

    Args:
        draw: model, walk and settings.
        problems: of at most as many samples as the model hears at once.
        rngs: where the noise of each comes from.
        progress: called with the fraction done.
        notes: called with what was done in each region.
    """
    clips = [heard(draw, problem) for problem in problems]
    alike: dict[tuple[str, bool], list[int]] = {}
    for k, clip in enumerate(clips):
        alike.setdefault((clip.problem.text, clip.guide is None), []).append(k)
    done: dict[int, Array] = {}
    for number, (key, own) in enumerate(alike.items()):

        def part(fraction: float, number: int = number) -> None:
            progress((number + fraction) / len(alike))

        group = [clips[k] for k in own]
        z, evaluations = _sampled(draw, group, [rngs[k] for k in own], key[0], part)
        fills, ranked = _best(draw, group, z, key[0])
        for k, fill in zip(own, fills, strict=True):
            done[k] = clips[k].level.undo(fill)[None]
            facts = {"conditioning": draw.settings.conditioning, "evaluations": evaluations, **ranked}
            for region in clips[k].targets:
                _report(region, facts, draw.model.codec.mel.sample_rate, notes[k])
    return [done[k] for k in range(len(clips))]


def heard(draw: Draw, problem: Problem) -> Clip:
    """A problem as the model hears it.

    Raises:
        ValueError: oracle latents are asked for and there is no complete recording.
    """
    codec, settings, mask = draw.model.codec, draw.settings, problem.mask[0]
    level = Level.of(problem.y[0], mask=mask)
    samples = _clip(problem.samples, settings.duration, draw.model.shortest, codec.mel.sample_rate)
    signal = level.apply(problem.y[0], mask)
    sees: Sees = "tile" if settings.oracle_latents else settings.known
    regions = (*problem.gaps, *problem.boxes, *problem.unknown)
    kept = torch.from_numpy(reliable(codec.cells(samples, sees), regions))
    latents, guide = latents_of(draw.model, signal, samples), None
    if problem.guide is not None:
        guide = latents_of(draw.model, level.apply(problem.guide[0]), samples)
        latents = guide if settings.oracle_latents else latents
    elif settings.oracle_latents:
        raise ValueError("oracle_latents=True takes the known latents from the complete recording: pass it as guide")
    return Clip(problem, level, signal, latents, kept, guide)


def latents_of(model: TextModel, signal: Array, samples: int) -> Tensor:
    """Latents (1, ...) of a signal at the model's level, with silence after it up to `samples`."""
    padded = np.pad(signal, (0, samples - signal.size))
    return model.codec.encode(torch.from_numpy(padded)[None].float().to(model.place))


def told(draw: Draw, text: str) -> tuple[Denoiser, Told]:
    """The prior that follows a text, and what it is told of it."""
    model, settings = draw.model, draw.settings
    if text == settings.negative:
        return model.prior, model.tell(text)
    return Guided(model.prior, settings.scale, model.tell(settings.negative)), model.tell(text)


def best_of(scores: Array, clips: int) -> list[int]:
    """The item with the highest score of each clip; item k belongs to clip k modulo their number."""
    return [int(k) * clips + clip for clip, k in enumerate(scores.reshape(-1, clips).argmax(axis=0))]


def _report(region: Region, facts: Mapping[str, Any], sample_rate: int, note: Listener) -> None:
    if region.low >= sample_rate / 2:
        why = f"the box lies above the {sample_rate / 2000:g} kHz that the model knows"
        note(Note(region, why=why, refused=True))
    else:
        note(Note(region, parameters=facts))


def _clip(samples: int, duration: float, shortest: int, sample_rate: int) -> int:
    """Samples of the clip that holds the recording; what is missing is silence, as it was in training."""
    return shortest * math.ceil(max(samples, round(duration * sample_rate), 1) / shortest)


def _sampled(
    draw: Draw, clips: Sequence[Clip], rngs: Sequence[np.random.Generator], text: str, progress: Progress
) -> tuple[Tensor, int]:
    """Latents of the first candidate of all clips, then of the second; and how often the prior was asked."""
    settings, count = draw.settings, draw.settings.candidates
    noise = from_rng([*rngs] * count)
    y = torch.cat([clip.latents for clip in clips]).repeat(count, 1, 1, 1)
    kept = torch.stack([clip.kept for clip in clips])[:, None].repeat(count, 1, 1, 1)
    sigmas, start = draw.sigmas, torch.zeros_like(y)
    spread = math.hypot(1.0, float(sigmas[0]))  # the network's input begins with unit variance
    guides = [clip.guide for clip in clips if clip.guide is not None]
    if guides and not settings.oracle_latents:
        sigmas = sigmas[_entry(sigmas, settings.strength) :]
        start, spread = torch.cat(guides).repeat(count, 1, 1, 1), float(sigmas[0])
    prior, words = told(draw, text)
    z = sample(
        prior,
        draw.walk.conditioner,
        Masked(y, kept.to(y.device)),
        sigmas,
        draw.walk.step,
        start=start + spread * noise(y),
        noise=noise,
        progress=progress,
        **words,
    )
    return z, sum(b <= a for a, b in itertools.pairwise(sigmas.tolist()))


def _entry(sigmas: Tensor, strength: float) -> int:
    """Where a walk that varies a guide begins: the first time that it comes to this share of its distinct levels."""
    levels = sorted(set(sigmas.tolist()))
    wanted = levels[max(round(strength * (len(levels) - 1)), 1)]
    return sigmas.tolist().index(wanted)


def _best(draw: Draw, clips: Sequence[Clip], z: Tensor, text: str) -> tuple[list[Array], dict[str, str]]:
    """The best candidate of each clip (samples,) at its level, and what it was judged by."""
    codec, samples = draw.model.codec, clips[0].problem.samples
    known = [(clip.heard, clip.sure) for clip in clips] * draw.settings.candidates
    fills = []
    for k, wave in enumerate(draw.model.decode(z, samples, known)):
        clip = clips[k % len(clips)]
        fills.append(_led_in(matched(wave, clip.heard, clip.problem.mask[0], clip.targets), clip))
    if draw.settings.candidates == 1:
        return fills, {}
    whole = [clips[k % len(clips)].pasted(fill) for k, fill in enumerate(fills)]
    clap = _clap() if text else None
    if clap is not None:
        scores, judge = clap.similarity(np.stack(whole), codec.mel.sample_rate, text), "clap"
    else:
        seams = [_conspicuous(each, clips[k % len(clips)]) for k, each in enumerate(whole)]
        scores, judge = -np.array(seams), "seam"
    return [fills[k] for k in best_of(scores, len(clips))], {"ranked by": judge}


def _led_in(fill: Array, clip: Clip) -> Array:
    """A fill (samples,) whose gaps begin and end as what surrounds them goes on."""
    led = fill.copy()
    for gap in clip.problem.gaps:
        whole = joined(clip.pasted(fill)[None], gap, clip.problem.mask, clip.problem.sample_rate)
        led[gap.start : gap.stop] = whole[0, gap.start : gap.stop]
    return led


def _clap() -> Clap | None:
    """CLAP, where its weights are on this machine."""
    try:
        return open_clap(RANKING)
    except MissingWeights:
        return None


def _conspicuous(filled: Array, clip: Clip) -> float:
    """How unusual the edges of a fill are, all regions together."""
    scores = (seam_score(filled[None], region, clip.problem.mask) for region in clip.targets)
    return sum(score for score in scores if score is not None)
