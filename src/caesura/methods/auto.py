"""Choose for each gap how it is filled, and leave alone what no method can repair.

    up to 3 ms     clicks: one model of the nearest 1024 samples, for all clicks of a window at once
    up to 25 ms    models of 1536 and 4096 samples on either side, which is what fits into 0.05 s
    longer         models of 1024, 2048, 4096, 8192 and 16384 samples

Boxes go to `janssen_tf`, from 0.25 s on to `nmf`, which keeps the energy up where prediction fades.

Where only some channels have the gap, the others are asked what they know of it; of clicks only with quality "best".

With quality "best" the far contexts are used for every gap but clicks, with two models each, from 15 ms on up to 32768
samples. Residuals count the less the louder innovations are around them, a pitch that glides is straightened first, and
the models are weighted by a rehearsal beside the gap and estimated once more with a sparse fill in it. What is longer
than `max_gap` is flagged. Gaps over 0.1 s that are to be filled all the same go to `spain` with a learned dictionary:
prediction has faded there, and its spectra are nearer to the truth.

References:
    A. J. E. M. Janssen, R. N. J. Veldhuis, L. B. Vries, "Adaptive interpolation of discrete-time signals that can be
    modeled as autoregressive processes", IEEE Trans. ASSP 34, 1986.
"""

from __future__ import annotations

__all__ = ["Auto"]

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods.janssen_tf import JanssenTf
from caesura.methods.lsar import Lsar
from caesura.methods.nmf import Nmf
from caesura.methods.spain import Spain
from caesura.problem import Problem, Region

CLICK = 0.003  # seconds
TINY = 0.0075  # seconds; a sparse fill of so short a gap misleads the models
BRIEF = 0.015  # seconds; longer gaps gain from still further away
SHORT = 0.025  # seconds
LONG = 0.1  # seconds; from here on a sparse fill is nearer to the spectrum (docs/benchmarks/classical.md)
LEVEL = 0.6  # of what a sparse fill lost, band by band (docs/cards/cqtdiff.md)
LONG_BOX = 0.25  # seconds
NEAR = (1536, 4096)
FAR = (1024, 2048, 4096, 8192, 16384)
FURTHEST = (*FAR, 32768)
FILTERS = (33, 129, 513, 1025)
CLICKS = Lsar(contexts=(1024,), order=384, taps=())

Ready = dict[tuple[int, int], tuple[NDArray[np.float64], Note]]
"""Fills by channel and first sample."""


@dataclass(frozen=True)
class Auto:
    """Choose by the length of the gap; flag what is too long."""

    quality: Literal["default", "best"] = "default"
    """How much time to spend: up to 0.05 s for a gap of 20 ms, or up to forty times as much."""
    max_gap: float = 0.1
    """Longest gap in seconds that is filled."""
    policy: Literal["flag", "fill"] = "flag"
    """What to do with longer gaps: leave and report them, or fill them all the same."""

    accepts: ClassVar[Accepts] = Accepts(context=1.5, bands=True)

    def __post_init__(self) -> None:
        if not self.max_gap > 0.0:
            raise ValueError(f"max_gap={self.max_gap} is not a positive number of seconds")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        gaps = problem.gaps
        ready = self._clicks(problem)
        long: list[Region] = []
        refused: list[Region] = []
        parts = _Parts(progress, sum(map(len, (gaps, problem.boxes))))
        for gap in gaps:
            seconds = gap.length / problem.sample_rate
            if seconds > self.max_gap and self.policy == "flag":
                refused.append(gap)
                note(Note(gap, why=_too_long(seconds, self.max_gap), refused=True))
            elif seconds > LONG:
                long.append(gap)  # all at once, below
                continue
            else:
                self._fill(problem, gap, *self._choose(seconds), estimate, note, ready)
            parts.take(1)(1.0)
        if long:
            known = dataclasses.replace(problem, y=estimate, regions=tuple(long), observed=True)
            known = dataclasses.replace(known, unknown=(*problem.unknown, *refused))
            _fill_long(known, estimate, rng, parts.take(len(long)), note)
        if problem.boxes:
            _fill_boxes(problem, estimate, rng, parts.take(len(problem.boxes)), note)
        return estimate

    def _choose(self, seconds: float) -> tuple[Lsar, str]:
        length = f"{1000.0 * seconds:.3g} ms"
        best = self.quality == "best"
        if seconds <= CLICK:
            near = dataclasses.replace(CLICKS, taps=FILTERS if best else ())
            return near, f"{length}: a click needs the nearest samples only"
        if seconds <= SHORT and not best:
            return Lsar(contexts=NEAR, order=1536), f"{length}: near contexts"
        if not best:
            return Lsar(contexts=FAR), f"{length}: near and far contexts"
        contexts, order = (FAR, 3072) if seconds <= BRIEF else (FURTHEST, 4096)
        refined = 0 if seconds <= TINY else 8192 if seconds <= SHORT else 16384
        why = f"{length}: near and far contexts, pitch glides straightened, models rehearsed beside the gap"
        why += " and refined with a sparse fill" if refined else ""
        far = Lsar(
            contexts,
            order,
            halved=True,
            rehearse=4096,
            glide=True,
            refine=refined,
            heteroscedastic=True,
            taps=FILTERS,
        )
        return far, why

    def _clicks(self, problem: Problem) -> Ready:
        """The clicks, all at once; those that cannot be filled together are left out."""
        longest = CLICK * problem.sample_rate
        short = [gap for gap in problem.gaps if gap.length <= longest]
        if self.quality == "best":
            short = [gap for gap in short if gap.channel is None]  # the others may gain from another channel
        return CLICKS.clicks(problem, short)

    def _fill(
        self,
        problem: Problem,
        gap: Region,
        chosen: Lsar,
        why: str,
        estimate: NDArray[np.float64],
        note: Listener,
        ready: Ready,
    ) -> None:
        channels = range(problem.channels) if gap.channel is None else [gap.channel]
        for c in channels:
            fill, said = ready.get((c, gap.start)) or chosen.fill(problem, c, gap.start, gap.stop)
            estimate[c, gap.start : gap.stop] = fill
            note(dataclasses.replace(said, method="lsar", why=f"{why}; {said.why}" if said.why else why))


class _Parts:
    """Progress of one part of the work after the other, each as long as it has regions."""

    def __init__(self, progress: Progress, regions: int) -> None:
        self.progress, self.regions, self.done = progress, regions, 0

    def take(self, count: int) -> Progress:
        """Progress of the next `count` regions."""
        before, self.done = self.done, self.done + count
        return lambda fraction: self.progress((before + fraction * count) / self.regions)


def _fill_long(
    problem: Problem, estimate: NDArray[np.float64], rng: np.random.Generator, progress: Progress, note: Listener
) -> None:
    """Fill long gaps sparsely, in place; what was put into the others counts as known."""
    for c in range(problem.channels):
        own = problem.channel(c)
        if own.gaps:

            def part(fraction: float, c: int = c) -> None:
                progress((c + fraction) / problem.channels)

            found = Spain(learned=True, level=LEVEL)(own, rng=rng, progress=part)[0]
            for gap in own.gaps:
                estimate[c, gap.start : gap.stop] = found[gap.start : gap.stop]
    for gap in problem.gaps:
        length = f"{gap.length / problem.sample_rate:.3g} s"
        note(Note(gap, method="spain", why=f"{length}: prediction fades, the sparsest spectrum that fits goes on"))


def _fill_boxes(
    problem: Problem, estimate: NDArray[np.float64], rng: np.random.Generator, progress: Progress, note: Listener
) -> None:
    """Fill the boxes of every channel, in place; what was put into the gaps counts as known."""
    seed = int(rng.integers(2**32))
    known = dataclasses.replace(problem, y=estimate, regions=problem.boxes, unknown=(), observed=True)
    for c in range(problem.channels):
        own = known.channel(c)
        for choose, name in ((Nmf(), "nmf"), (JanssenTf(), "janssen_tf")):
            boxes = tuple(b for b in own.boxes if (b.length >= LONG_BOX * problem.sample_rate) == (name == "nmf"))
            if boxes:
                # Every channel draws the same noise, so identical channels stay identical.
                part = dataclasses.replace(own, regions=boxes, observed=True)
                estimate[c] += choose(part, rng=np.random.default_rng(seed))[0] - part.y[0]
            for box in boxes:
                why = f"{box.length / problem.sample_rate:.3g} s by {box.high - box.low:.0f} Hz"
                note(Note(dataclasses.replace(box, channel=c), method=name, why=why))
        progress((c + 1) / problem.channels)


def _too_long(seconds: float, limit: float) -> str:
    return f"{seconds:.3g} s is longer than max_gap = {limit:g} s: pass --max-gap or --policy fill to have it filled"
