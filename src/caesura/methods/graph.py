"""Fill a long gap with another moment of the same recording that leads from what precedes to what follows.

Every shift d is a path through the graph of similar moments: out of the material before the gap into its copy at
d, and back in. Its cost is how much, in decibels, the surroundings of source and gap differ,

    one source:   rms(before(d), after(d)),
    two sources:  max(rms(before(d1), after(d2)), min_j between(j + d1, j + d2)),

see `caesura.codecs.similarity`; above `threshold` the gap is refused. Sources are moved by less than a frame to where
the waveforms correlate best (`paths`), and joined without touching anything outside the gap (`splice`).

References:
    N. Perraudin, N. Holighaus, P. Majdak, P. Balazs, "Inpainting of long audio segments with similarity graphs",
    IEEE/ACM Trans. Audio, Speech and Language Processing 26, 2018.
"""

from __future__ import annotations

__all__ = ["Graph"]

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.features import Features, features
from caesura.codecs.paths import Path, find_path
from caesura.codecs.similarity import similarity
from caesura.codecs.splice import splice
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.problem import Problem, Region, Span, merge

HALFWAY = 8.0  # dB of difference at which fills are measured to be half as far from the truth as random ones


@dataclass(frozen=True)
class Graph:
    """Copy a similar moment of the recording into a long gap."""

    threshold: float = 10.0
    """Largest difference in decibels at a transition; a gap without a path below it is refused."""
    longest: float = 10.0
    """Longest gap in seconds that is filled."""
    reach: float = 3.0
    """Seconds on either side of the gap that a source is compared with."""
    decay: float = 1.0
    """Seconds over which their weight falls to 1/e."""

    accepts: ClassVar[Accepts] = Accepts(context=120.0)

    def __post_init__(self) -> None:
        for name in ("threshold", "longest", "reach", "decay"):
            if not getattr(self, name) > 0.0:
                raise ValueError(f"{name}={getattr(self, name)} is not a positive number")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        spans = merge((gap.start, gap.stop) for gap in problem.gaps)
        if not spans:
            return estimate
        heard = features(problem.y, problem.mask, problem.sample_rate)
        for done, span in enumerate(spans):
            progress(done / len(spans))
            path, why = self._path(problem, heard, span)
            gains = (1.0, 1.0)
            if path is not None:
                rows, gains = splice(problem, span, path)
                estimate[:, span[0] : span[1]] = rows
            for gap in problem.gaps:
                if gap.start < span[1] and gap.stop > span[0]:
                    note(Note(gap, why=why, refused=True) if path is None else _note(gap, path, gains, problem))
        return estimate

    def _path(self, problem: Problem, heard: Features, span: Span) -> tuple[Path | None, str]:
        """The way through a gap, or why there is none."""
        rate = problem.sample_rate
        seconds = (span[1] - span[0]) / rate
        if seconds > self.longest:
            return None, f"{seconds:.3g} s is longer than longest = {self.longest:g} s"
        near = similarity(heard, *span, reach=self.reach * rate, decay=self.decay * rate)
        path = None if near is None else find_path(problem, heard, near, span)
        if path is None:
            return None, f"no {seconds:.3g} s of the surroundings are known from end to end"
        if path.cost > self.threshold:
            found = f"the nearest moment differs by {path.cost:.1f} dB, above threshold = {self.threshold:g} dB"
            return None, f"nothing is similar enough: {found}"
        return path, ""


def _note(gap: Region, path: Path, gains: tuple[float, float], problem: Problem) -> Note:
    rate = problem.sample_rate
    sources = [(gap.start + path.first, gap.stop + path.first)]
    if path.join is not None:
        sources = [(gap.start + path.first, path.join + path.first), (path.join + path.last, gap.stop + path.last)]
    seconds = [[(problem.start + edge) / rate for edge in source] for source in sources]
    places = " and ".join(f"{start:.3f}-{stop:.3f} s" for start, stop in seconds)
    return Note(
        gap,
        why=f"copied from {places}, where the surroundings differ by {path.cost:.1f} dB",
        confidence=_confidence(path.cost),
        parameters={
            "sources_s": seconds,
            "shift_s": [path.first / rate] if path.join is None else [path.first / rate, path.last / rate],
            "join_s": None if path.join is None else (path.join - gap.start) / rate,
            "difference_db": path.cost,
            "correlation": path.correlation,
            "gain_db": [20.0 * math.log10(g) for g in gains],
        },
    )


def _confidence(difference: float) -> float:
    """How far a fill lies from a random one towards the truth; see docs/benchmarks/graph.md."""
    return 1.0 / (1.0 + (difference / HALFWAY) ** 2)
