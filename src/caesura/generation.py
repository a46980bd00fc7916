"""Sounds where nothing is known, past the end of a recording, or after the model of another.

    generate: all is unknown,   continued: a gap past the end,   varied: a gap with a guide

A gap longer than what a method hears at once is filled in pieces from left to right, and each piece hears the end of
the one before it. Edges neither click nor jump; see `caesura.joints`.
"""

from __future__ import annotations

__all__ = [
    "can_generate",
    "can_hold",
    "can_vary",
    "continued",
    "generate",
    "own_rate",
    "piece_seed",
    "pieces",
    "varied",
    "without_limit",
]

import dataclasses
import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Inpainter, Progress, Unsupported, name_of, silent
from caesura.joints import joined
from caesura.methods import names
from caesura.methods._describe import Description, describe
from caesura.problem import Hold, Problem, Region
from caesura.restoration import Fill, Restored, restore
from caesura.seam import seam_score

Array = NDArray[np.float64]

FULL = 0.891  # -1 dB full scale
OVERLAP = 0.25  # of what a method hears at once: at least so much of the piece before, and of what comes after


def can_generate() -> tuple[str, ...]:
    """Names of the methods that make a sound where nothing is known."""
    return tuple(name for name in names() if _from_nothing(describe(name)))


def can_vary() -> tuple[str, ...]:
    """Names of the methods that vary a guide."""
    return tuple(name for name in names() if describe(name).accepts.get("varies"))


def can_hold() -> tuple[str, ...]:
    """Names of the methods that leave of a guide what they are told to."""
    return tuple(name for name in names() if describe(name).accepts.get("holds"))


def own_rate(inpainter: Inpainter) -> int:
    """Hertz at which a method makes sounds.

    Raises:
        Unsupported: it cannot; the message names what can.
    """
    rate = inpainter.accepts.generates
    if rate is None or inpainter.accepts.guide:
        raise Unsupported(
            f"{name_of(inpainter)} cannot make a sound where nothing is known: choose from {', '.join(can_generate())}"
        )
    return rate


def generate(
    inpainter: Inpainter,
    samples: int,
    *,
    sample_rate: int | None = None,
    channels: int = 1,
    text: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Array:
    """A sound from nothing.

    Args:
        inpainter: a method that can, see `can_generate`.
        samples: length.
        sample_rate: hertz; None: the method's own.
        channels: of the sound; a method that knows one channel gives all of them the same.
        text: what should be heard, for methods that take a text.
        seed: the same seed gives the same sound.
        progress: called with the fraction done; raising from it cancels.

    Returns:
        (channels, samples), turned down as a whole where it would exceed full scale.

    Raises:
        Unsupported: the method cannot make sounds.
    """
    own = own_rate(inpainter)
    if samples < 1:
        raise ValueError(f"samples={samples} is no sound: 1 or more")
    nothing = Problem(np.zeros((channels, samples)), (Region(0, samples),), sample_rate or own, text=text)
    made = without_limit(nothing, inpainter, seed=seed, progress=progress).samples
    peak = float(np.abs(made).max())
    return made if peak <= 1.0 else made * (FULL / peak)


def continued(
    x: Array,
    samples: int,
    sample_rate: int,
    inpainter: Inpainter,
    *,
    text: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Array:
    """A recording and what comes after it.

    Args:
        x: the recording (channels, samples).
        samples: how many to add.
        sample_rate: hertz.
        inpainter: the method; what it hears is the end of the recording, as much as it can make use of.
        text: see `generate`.
        seed: see `generate`.
        progress: see `generate`.

    Returns:
        (channels, more samples); the first ones are those of `x`, bit for bit.

    Raises:
        Unsupported: the method cannot, or refuses; the message says why.
    """
    if samples < 1:
        raise ValueError(f"samples={samples} is no continuation: 1 or more")
    end = x.shape[1]
    longer = Problem(np.pad(x, ((0, 0), (0, samples))), (Region(end, end + samples),), sample_rate, text=text)
    return without_limit(longer, inpainter, seed=seed, progress=progress).samples


def varied(
    x: Array,
    regions: Sequence[Region],
    sample_rate: int,
    inpainter: Inpainter,
    *,
    guide: Array | None = None,
    hold: Hold | None = None,
    text: str = "",
    seed: int = 0,
    progress: Progress = silent,
) -> Restored:
    """A recording with regions played again, more or less as the guide has them.

    Args:
        x: the recording (channels, samples).
        regions: what to play again.
        sample_rate: hertz.
        inpainter: a method that can, see `can_vary`; its setting `strength` says how far it goes.
        guide: (channels, samples), silent past its end; None: the recording itself.
        hold: what of the guide stays, for methods that heed it, see `can_hold`.
        text: see `generate`.
        seed: see `generate`.
        progress: see `generate`.

    Raises:
        Unsupported: the method cannot, or refuses; the message says why.
    """
    if not inpainter.accepts.varies:
        raise Unsupported(f"{name_of(inpainter)} cannot vary a guide: choose from {', '.join(can_vary())}")
    if hold is not None and not inpainter.accepts.holds:
        raise Unsupported(f"{name_of(inpainter)} cannot hold parts of a guide: choose from {', '.join(can_hold())}")
    model = x if guide is None else guide[:, : x.shape[1]]
    model = np.pad(model, ((0, 0), (0, x.shape[1] - model.shape[1])))
    problem = Problem(x, tuple(regions), sample_rate, guide=model, hold=hold, text=text)
    return without_limit(problem, inpainter, seed=seed, progress=progress)


def without_limit(problem: Problem, inpainter: Inpainter, *, seed: int = 0, progress: Progress = silent) -> Restored:
    """`restore`, with gaps longer than what the method hears at once, and with edges that neither click nor jump.

    Args:
        problem: what is known and what is missing.
        inpainter: the method.
        seed: the same seed gives the same fill.
        progress: called with the fraction done; raising from it cancels.

    Raises:
        Unsupported: the method cannot be given this problem, or refuses a region; the message says why.
    """
    window = inpainter.accepts.window
    limit = None if window is None else math.floor(window * problem.sample_rate)
    steps = [step for gap in problem.gaps for step in pieces(gap, problem.samples, limit)]
    total = len(steps) + bool(problem.boxes)
    y, fills = np.array(problem.y), []

    def part(done: int) -> Progress:
        return lambda fraction: progress((done + fraction) / total)

    for k, (gap, span) in enumerate(steps):
        later = (*problem.unknown, *(rest for rest, _ in steps[k + 1 :]))
        known = dataclasses.replace(problem, y=y, regions=(gap,), unknown=later, observed=True).crop(*span)
        done = restore(known, inpainter, seed=piece_seed(seed, k), progress=part(k))
        fills.append(_filled(y, gap, span[0], known, done))
    if problem.boxes:
        rest = dataclasses.replace(problem, y=y, regions=problem.boxes, observed=True)
        boxed = restore(rest, inpainter, seed=seed, progress=part(len(steps)))
        y, fills = boxed.samples, [*fills, *map(_done, boxed.fills)]
    return Restored(y, tuple(fills))


def pieces(gap: Region, samples: int, limit: int | None) -> list[tuple[Region, tuple[int, int]]]:
    """A gap in pieces that a method can hear together with what they continue.

    Args:
        gap: what to fill.
        samples: length of the recording.
        limit: samples that the method hears at once; None: any number.

    Returns:
        pieces of nearly equal length, and the stretch that is heard for each of them, of at most `limit` samples: what
        precedes the piece, and for the last one what follows it as well.
    """
    if limit is None:
        return [(gap, (0, samples))]
    overlap = math.floor(OVERLAP * limit)
    before, after = min(overlap, gap.start), min(overlap, samples - gap.stop)
    whole = before + gap.length + after <= limit
    count = 1 if whole else math.ceil(gap.length / (limit - overlap - after))
    found = []
    for start, stop in itertools.pairwise([gap.start + k * gap.length // count for k in range(count + 1)]):
        last = min((start + stop + limit) // 2, samples) if stop == gap.stop else stop
        span = max(last - limit, 0), max(last, min(limit, samples) if count == 1 else 0)
        found.append((dataclasses.replace(gap, start=start, stop=stop), span))
    return found


def piece_seed(seed: int, piece: int) -> int:
    """The seed of a piece: they draw different noise, and the first one draws what `restore` would."""
    return seed if piece == 0 else int(np.random.SeedSequence([seed, piece]).generate_state(1, np.uint64)[0])


def _from_nothing(found: Description) -> bool:
    return bool(found.accepts.get("generates")) and not found.accepts.get("guide")


def _filled(y: Array, gap: Region, first: int, known: Problem, restored: Restored) -> Fill:
    """Put the fill of a gap into the recording, in place.

    Args:
        y: the recording (channels, samples).
        gap: in samples of it.
        first: sample of it at which the stretch that was heard begins.
        known: that stretch.
        restored: what was made of it.
    """
    here = gap.shifted(-first)
    fill = _done(restored.fills[0])
    x = joined(restored.samples, here, known.mask, known.sample_rate)
    rows = slice(None) if gap.channel is None else slice(gap.channel, gap.channel + 1)
    y[rows, gap.start : gap.stop] = x[rows, here.start : here.stop]
    return dataclasses.replace(fill, region=gap, seam=seam_score(x, here, known.mask))


def _done(fill: Fill) -> Fill:
    if not fill.filled:
        raise Unsupported(f"{fill.method} refused: {fill.why or 'it does not say why'}")
    return fill
