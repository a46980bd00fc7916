"""The front door: a problem and a method go in, a restored signal and what was done come out.

`restore` does what no method should repeat: it checks what the method accepts, cuts windows around the regions,
changes the rate and back, calls a mono method once per channel with the same noise, hands equal windows over in
batches, pastes, and measures the seams.
"""

from __future__ import annotations

__all__ = ["Fill", "Restored", "check", "fill_windows", "restore"]

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Inpainter, Listener, Note, Progress, Unsupported, name_of, silent
from caesura.problem import Problem, Region
from caesura.seam import seam_score
from caesura.windows import Window, plan

Array = NDArray[np.float64]

BATCH = 8  # windows handed to a method that takes several at once


@dataclass(frozen=True)
class Fill:
    """What became of one region."""

    region: Region
    """In samples of the recording."""
    method: str
    """Name of the method that filled it."""
    filled: bool
    """False where the region was left as it was."""
    why: str = ""
    """Why this method, or why not at all."""
    confidence: float | None = None
    """0 (a guess) to 1 (as good as the original); None where the method does not say."""
    seam: float | None = None
    """How unusual the edges are against the surroundings, in robust standard deviations; under 3 is inconspicuous."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the method chose for this region."""


@dataclass(frozen=True, eq=False)
class Restored:
    """A restored signal and what was done to it."""

    samples: Array
    """(channels, samples); equal to the observation outside the regions."""
    fills: tuple[Fill, ...]
    """One entry per gap or box, in order of time."""


def restore(
    problem: Problem, inpainter: Inpainter, *, seed: int = 0, fade: int = 0, progress: Progress = silent
) -> Restored:
    """Fill the regions of a problem.

    Args:
        problem: what is known and what is missing.
        inpainter: the method.
        seed: the same seed gives the same fill, whatever else the recording holds.
        fade: context samples given up to a crossfade on either side of a gap; 0 keeps every reliable sample.
        progress: called with the fraction done; raising from it cancels.

    Raises:
        Unsupported: the method cannot be given this problem; the message names what would do.
    """
    targets = (*problem.gaps, *problem.boxes)
    check(targets, problem, inpainter)
    windows = plan(targets, problem.samples, problem.sample_rate, inpainter.accepts, fade=fade)
    crops = (problem.crop(window.start, window.stop, window.targets) for window in windows)
    restored = np.array(problem.y)
    fills: list[Fill] = []
    for window, (pasted, found) in zip(
        windows, fill_windows(windows, crops, inpainter, seed=seed, fade=fade, progress=progress), strict=True
    ):
        for fill in found:
            if fill.filled:
                rows, span = changed(fill.region, window, fade)
                restored[rows, span] = pasted[rows, span.start - window.start : span.stop - window.start]
        fills += found
    return Restored(restored, tuple(fills))


def check(targets: Iterable[Region], problem: Problem, inpainter: Inpainter) -> None:
    """Raise `Unsupported` if the method cannot be given such regions.

    Args:
        targets: the regions to fill.
        problem: any window of the recording; its text, guide and channels are looked at.
        inpainter: the method.
    """
    accepts, name = inpainter.accepts, name_of(inpainter)
    for region in targets:
        if not region.is_gap and not accepts.bands:
            raise Unsupported(
                f"{name} fills the full band only, not {region.low:g}-{region.high:g} Hz: "
                "`caesura methods` lists what fills boxes"
            )
        if region.is_gap and not accepts.gaps:
            raise Unsupported(f"{name} fills boxes only, not full-band gaps: try auto")
    if accepts.text and not problem.text:
        raise Unsupported(f"{name} needs a text that says what should be heard: pass --text, or choose another method")
    if accepts.guide and problem.guide is None:
        raise Unsupported(f"{name} needs a guide recording: pass --guide, or choose another method")
    if accepts.channels not in (None, 1, problem.channels):
        raise Unsupported(f"{name} takes {accepts.channels} channels, the recording has {problem.channels}: try auto")


def changed(region: Region, window: Window, fade: int) -> tuple[slice, slice]:
    """Channels and samples of the recording that filling a region may change."""
    rows = slice(None) if region.channel is None else slice(region.channel, region.channel + 1)
    margin = fade if region.is_gap else 0
    return rows, slice(max(region.start - margin, window.start), min(region.stop + margin, window.stop))


def fill_windows(
    windows: Sequence[Window],
    crops: Iterable[Problem],
    inpainter: Inpainter,
    *,
    seed: int = 0,
    fade: int = 0,
    progress: Progress = silent,
) -> Iterator[tuple[Array, tuple[Fill, ...]]]:
    """Restore window after window, without holding more than a batch of them.

    Args:
        windows: from `plan`.
        crops: the problem inside each window, read as they are needed.
        inpainter: the method.
        seed: see `restore`.
        fade: see `restore`.
        progress: see `restore`.

    Yields:
        for every window its restored samples (channels, window length) and the fill of each target.
    """
    done = 0
    size = BATCH if hasattr(inpainter, "many") else 1
    pairs = zip(windows, crops, strict=True)
    while batch := list(itertools.islice(pairs, size)):
        notes: list[list[Note]] = [[] for _ in batch]
        jobs = [_Job(crop, own.append, (seed, window.start)) for (window, crop), own in zip(batch, notes, strict=True)]

        def part(fraction: float, done: int = done, share: int = len(batch)) -> None:
            progress((done + fraction * share) / len(windows))

        for (window, crop), own, estimate in zip(batch, notes, _estimates(jobs, inpainter, part), strict=True):
            pasted, own = _pasted(crop, estimate, fade, own)
            found = [_fill(t, window, pasted, crop, own, name_of(inpainter)) for t in window.targets]
            yield pasted, tuple(_around_refusals(found))
        done += len(batch)
        progress(done / len(windows))


@dataclass(frozen=True)
class _Job:
    problem: Problem
    note: Listener
    key: tuple[int, int]

    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.key)


def _estimates(jobs: Sequence[_Job], inpainter: Inpainter, progress: Progress) -> list[Array]:
    """Estimates of whole windows, by way of the rate and the channels the method takes."""
    from caesura.audio import resample

    rate = inpainter.accepts.sample_rate
    moved = [job if rate is None else _at(job, rate) for job in jobs]
    parts = [_split(job) if inpainter.accepts.channels == 1 else [(slice(None), job)] for job in moved]
    flat = iter(_call([part for own in parts for _, part in own], inpainter, progress))
    results = []
    for job, low, own in zip(jobs, moved, parts, strict=True):
        estimate = np.array(low.problem.y)
        for rows, _ in own:
            estimate[rows] = next(flat)
        if rate is not None and rate != job.problem.sample_rate:
            estimate = _fit(resample(estimate, rate, job.problem.sample_rate), job.problem.samples)
        results.append(estimate)
    return results


def _at(job: _Job, rate: int) -> _Job:
    ratio = job.problem.sample_rate / rate
    if ratio == 1.0:
        return job

    def back(note: Note) -> None:
        region = note.region
        start, stop = round(region.start * ratio), max(round(region.stop * ratio), round(region.start * ratio) + 1)
        job.note(dataclasses.replace(note, region=dataclasses.replace(region, start=start, stop=stop)))

    return _Job(job.problem.at(rate), back, job.key)


def _split(job: _Job) -> list[tuple[slice, _Job]]:
    """One job per damaged channel; all of them draw the same noise, so identical channels stay identical."""
    parts = []
    for c in range(job.problem.channels):
        own = job.problem.channel(c)
        if own.regions:

            def named(note: Note, c: int = c) -> None:
                job.note(dataclasses.replace(note, region=dataclasses.replace(note.region, channel=c)))

            parts.append((slice(c, c + 1), _Job(own, named, job.key)))
    return parts


def _call(jobs: Sequence[_Job], inpainter: Inpainter, progress: Progress) -> list[Array]:
    many = getattr(inpainter, "many", None)
    if many is not None and len({job.problem.y.shape for job in jobs}) == 1:
        rngs, notes = [job.rng() for job in jobs], [job.note for job in jobs]
        return list(many([job.problem for job in jobs], rngs=rngs, progress=progress, notes=notes))
    results = []
    for k, job in enumerate(jobs):

        def part(fraction: float, k: int = k) -> None:
            progress((k + fraction) / len(jobs))

        results.append(inpainter(job.problem, rng=job.rng(), progress=part, note=job.note))
    return results


def _fit(x: Array, samples: int) -> Array:
    if x.shape[1] >= samples:
        return x[:, :samples]
    return np.pad(x, ((0, 0), (0, samples - x.shape[1])))


def _pasted(crop: Problem, estimate: Array, fade: int, notes: list[Note]) -> tuple[Array, list[Note]]:
    """The estimate in its place; a result that is not finite is refused, so that nothing is lost."""
    if np.isfinite(estimate).all():
        return crop.paste(estimate, fade), notes
    everything = (Region(0, crop.samples, channel=c) for c in range(crop.channels))
    why = "the method's result was not finite"
    return np.array(crop.y), [Note(region, why=why, refused=True) for region in everything]


def _fill(target: Region, window: Window, pasted: Array, crop: Problem, notes: Sequence[Note], name: str) -> Fill:
    here = target.shifted(-window.start)
    own = [n for n in notes if _concerns(n.region, here)]
    refused = any(n.refused for n in own)
    confidences = [n.confidence for n in own if n.confidence is not None]
    last = own[-1] if own else Note(here)
    return Fill(
        region=target,
        method=last.method or name,
        filled=not refused,
        why=last.why,
        confidence=min(confidences) if confidences else None,
        seam=None if refused else seam_score(pasted, here, crop.mask),
        parameters=last.parameters,
    )


def _around_refusals(fills: Sequence[Fill]) -> Iterator[Fill]:
    """A box that holds a refused gap is refused as well: writing it would write the gap."""
    refused = [fill.region for fill in fills if not fill.filled]
    for fill in fills:
        if fill.filled and not fill.region.is_gap and any(_overlap(fill.region, gap) for gap in refused):
            yield dataclasses.replace(fill, filled=False, why="a gap inside the box was refused", seam=None)
        else:
            yield fill


def _overlap(a: Region, b: Region) -> bool:
    return a.start < b.stop and b.start < a.stop and (None in (a.channel, b.channel) or a.channel == b.channel)


def _concerns(noted: Region, target: Region) -> bool:
    shared = min(noted.stop, target.stop) - max(noted.start, target.start)
    return _overlap(noted, target) and 2 * shared > min(noted.length, target.length)
