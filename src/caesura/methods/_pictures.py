"""From a recording to pictures of it, and from a drawn picture to a fill that fits its surroundings.

    S_hat[f, t] <- S[f, t] where known,   g(t) S_hat[f, t] elsewhere

S are the mel bands of the recording, S_hat those of the picture; the gain g makes them agree before and after a region
and moves evenly in between, in decibels. The sound is then made with the phases of what is known. Where a guide is held
for good, its bands are known as well.
"""

from __future__ import annotations

__all__ = ["Shown", "filled", "shown"]

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from caesura.codecs import reliable
from caesura.codecs.image import LOUDEST, SpectrogramImage
from caesura.codecs.image_latents import Colours, ImageLatents
from caesura.codecs.vae import Sees
from caesura.diffusion import Masked, Weighted
from caesura.joints import joined
from caesura.problem import Hold, Problem, Region

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

MULTIPLE = 64  # columns of a picture: the U-Net halves its latents three times
REACH = 0.25  # seconds on either side of a region that its level is taken from
LIMIT = 10.0  # largest change of level: what is further off is not the same sound


@dataclass(frozen=True, eq=False)
class Shown:
    """A problem as pictures."""

    problem: Problem
    mel: Array
    """(channels, bands, columns) of what is known, zero past the end."""
    loudest: float
    """Band value of black."""
    colours: Colours
    latents: Tensor
    """(items, 4, rows, columns)."""
    kept: Tensor
    """bool, broadcast over the latents; True where nothing missing is looked at."""
    guide: Tensor | None
    """What is varied, as the latents."""
    held: Tensor | None
    """How firmly the guide is held, 0 to 1 (rows, columns)."""

    @property
    def observed(self) -> Masked | Weighted:
        """What is known of the latents."""
        if self.held is None or self.guide is None:
            return Masked(self.latents, self.kept)
        values = torch.where(self.kept, self.latents, self.guide)
        return Weighted(values, torch.where(self.kept, 1.0, self.held))


def shown(
    problem: Problem, codec: ImageLatents, *, least: int, sees: Sees, colours: Colours, place: torch.device
) -> Shown:
    """Pictures of a problem.

    Args:
        problem: at the rate of the codec.
        codec: what draws them.
        least: columns that a picture has at least; those past the end are unknown.
        sees: what a latent is said to look at.
        colours: how channels are shown.
        place: where the latents go.
    """
    image = codec.image
    columns = MULTIPLE * math.ceil(max(image.frames(problem.samples), least) / MULTIPLE)
    mel = _padded(problem.y, image, columns)
    guided = None if problem.guide is None else _padded(problem.guide, image, columns)
    heard = mel * _frames(problem, image, columns)[:, None]
    loudest = max(float(heard.max()), 0.0 if guided is None else float(guided.max())) or LOUDEST
    latents = codec.encode(codec.pictures(mel, loudest, colours).to(place))
    guide = None if guided is None else codec.encode(codec.pictures(guided, loudest, colours).to(place))
    regions = [_of_channel(problem, c) for c in range(problem.channels)]
    past = Region(problem.samples, max(columns * image.hop_length + image.win_length, problem.samples + 1))
    cells = codec.cells(columns, sees)
    kept = np.stack([reliable(cells, (*own, past)).T for own in regions])
    if colours == "colour":
        kept = np.asarray(kept.all(axis=0, keepdims=True))
    held = None
    if problem.hold is not None and guide is not None:
        shape = int(latents.shape[-2]), int(latents.shape[-1])
        held = torch.from_numpy(_held(problem.hold, codec.image, columns, shape)).float().to(place)
    return Shown(problem, mel, loudest, colours, latents, torch.from_numpy(kept)[:, None].to(place), guide, held)


def filled(known: Shown, codec: ImageLatents, latents: Tensor, rng: np.random.Generator, iterations: int) -> Array:
    """The sound (channels, samples) of drawn latents, at the level and with the phases of what is known.

    Args:
        known: what surrounds it.
        codec: what reads the picture.
        latents: as `known.latents`.
        rng: where phases come from that nothing leads to.
        iterations: of the Griffin-Lim algorithm.
    """
    problem, image = known.problem, codec.image
    mel = codec.bands(codec.decode(latents), known.loudest, known.colours)[..., : image.frames(problem.samples)]
    true = known.mel[..., : mel.shape[-1]]
    frames = _frames(problem, image, mel.shape[-1])
    for c in range(problem.channels):
        own = problem.channel(c)
        cells = reliable(image.cells(problem.samples), (*own.gaps, *own.boxes, *own.unknown)).T
        drawn = mel[c].copy()
        for region in (*own.gaps, *own.boxes):
            _level(mel[c], drawn, true[c], frames[c] & ~_meets_box(own, image, mel.shape[-1]), region, image)
        mel[c] = np.where(cells, true[c], mel[c])
    if problem.hold is not None and problem.guide is not None:
        firm = _held(problem.hold, image, mel.shape[-1], mel.shape[1:])[::-1] == 1.0
        mel = np.where(firm, image.mel(problem.guide), mel)
    bare = dataclasses.replace(problem, guide=None, hold=None, observed=True)
    held = bare if problem.mask.any() else None
    x = np.where(problem.mask, problem.y, image.decode(mel, problem.samples, rng, known=held, iterations=iterations))
    for gap in problem.gaps:
        x = joined(x, gap, problem.mask, image.sample_rate)
    return x


def _padded(x: Array, image: SpectrogramImage, columns: int) -> Array:
    """Bands of a signal, silent past its end."""
    mel = image.mel(x)
    return np.pad(mel, ((0, 0), (0, 0), (0, columns - mel.shape[-1])))


def _held(hold: Hold, image: SpectrogramImage, columns: int, shape: tuple[int, int]) -> Array:
    """Weights of a grid (rows, columns) over a picture of so many columns, the highest row first."""
    return hold.over(shape, (image.low, image.high), (0.0, columns * image.hop_length))


def _of_channel(problem: Problem, index: int) -> tuple[Region, ...]:
    own = problem.channel(index)
    return (*own.gaps, *own.boxes, *own.unknown)


def _frames(problem: Problem, image: SpectrogramImage, columns: int) -> Flags:
    """Columns (channels, columns) that look at nothing missing; those past the end are none of them."""
    kept = np.zeros((problem.channels, columns), bool)
    cells = image.cells(problem.samples)
    for row, mask in zip(kept, problem.mask, strict=True):
        missing = np.concatenate(([0], np.cumsum(~mask)))
        row[: cells.start.size] = missing[cells.stop] == missing[cells.start]
    return kept


def _meets_box(problem: Problem, image: SpectrogramImage, columns: int) -> Flags:
    cells = image.cells(problem.samples)
    met = np.zeros(columns, bool)
    for box in problem.boxes:
        met |= ((cells.start < box.stop) & (cells.stop > box.start))[:columns]
    return met


def _level(mel: Array, drawn: Array, true: Array, frames: Flags, region: Region, image: SpectrogramImage) -> None:
    """Bring the columns of a region to the level of those around it, in place.

    Args:
        mel: (bands, columns), what is changed.
        drawn: the picture as it was drawn.
        true: bands of the recording.
        frames: columns whose bands are known.
        region: what is filled.
        image: how the picture was made.
    """
    first, last = (round(edge / image.hop_length) for edge in (region.start, region.stop))
    near = max(round(REACH * image.sample_rate / image.hop_length), 1) + image.win_length // image.hop_length
    rows = (image.edges[:-2] < region.high) & (image.edges[2:] > region.low)
    sides = (slice(max(first - near, 0), first), slice(last, last + near))
    gains = [_gain(drawn[rows, side], true[rows, side], frames[side]) for side in sides]
    known = [gain for gain in gains if gain is not None] or [1.0]
    columns = slice(max(first - 1, 0), last + 1)
    count = mel[:, columns].shape[1]
    mel[rows, columns] = drawn[rows, columns] * np.geomspace(gains[0] or known[0], gains[1] or known[-1], count)


def _gain(drawn: Array, true: Array, known: Flags) -> float | None:
    theirs, own = (float(np.sum(x[:, known] ** 2)) for x in (true, drawn))
    if not own or not theirs:
        return None
    return float(np.clip(math.sqrt(theirs / own), 1.0 / LIMIT, LIMIT))
