"""SPAIN: fill a gap so that its windowed spectra need as few coefficients as possible.

    analysis (A-SPAIN):   min |z|_0  such that  |E x - z| <= tolerance,  x = y where reliable
    synthesis (S-SPAIN):  min |z|_0  such that  |x - E* z| <= tolerance,  x = y where reliable

E is a tight Gabor frame. ADMM takes turns at keeping the k largest coefficients of every frame and at putting the
reliable samples back, while k grows until the two agree. The problem is solved window by window, as published first, or
for all windows that meet the gap at once (A-SPAIN-MOD). With `learned`, E is U E with a unitary U that makes the
context's spectra sparser (A-SPAIN-L).

The published method adds one coefficient per iteration. Here their number grows by a share of itself as well, which
takes a tenth of the iterations and was measured not to be worse.

References:
    O. Mokry, P. Zaviska, P. Rajmic, V. Vesely, "Introducing SPAIN (SParse Audio INpainter)", EUSIPCO 2019.
    G. Taubock, S. Rajbamshi, P. Balazs, "Dictionary learning for sparse audio inpainting", IEEE Journal of Selected
        Topics in Signal Processing 15, 2021.
"""

from __future__ import annotations

__all__ = ["Spain"]

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.gabor import Gabor, overlap_add
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods._dictionary import Rotated, context_spectra, learn
from caesura.methods._level import levelled
from caesura.methods._sparse import (
    Codec,
    Neighbourhood,
    Schedule,
    Solver,
    analysis,
    centred_frame,
    neighbourhood,
    synthesis,
)
from caesura.problem import Problem, Region

SHORTEST_WINDOW = 0.0929  # seconds: 4096 samples at 44.1 kHz
LONGEST_WINDOW = 0.7431  # seconds: 32768 samples at 44.1 kHz
WINDOW_PER_GAP = 8.0  # a window must hold several times more context than gap, or its spectrum says little

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "A-SPAIN": {"scope": "window", "window": 2800 / 44100, "redundancy": 4, "growth": 0.0, "tolerance": 0.1},
    "S-SPAIN": {
        "formulation": "synthesis",
        "scope": "window",
        "window": 2800 / 44100,
        "redundancy": 4,
        "growth": 0.0,
        "tolerance": 0.1,
    },
    "A-SPAIN-MOD": {"window": 4096 / 44100, "redundancy": 2, "growth": 0.0, "tolerance": 0.001},
    "A-SPAIN-L": {"learned": True, "window": 4096 / 44100, "overlap": 2, "growth": 0.0, "tolerance": 0.001},
}
"""Settings of the publications, for `Spain(**PUBLISHED[name])`; slower than the defaults."""


_BEST_SCOPE = {"analysis": "neighbourhood", "synthesis": "window"}  # measured


@dataclass(frozen=True)
class Spain:
    """Fill a gap with the sparsest spectra that fit its surroundings."""

    formulation: Literal["analysis", "synthesis"] = "analysis"
    """Whether the signal's coefficients are sparse, or it is made of few of them."""
    scope: Literal["neighbourhood", "window"] | None = None
    """Whether the windows around a gap are solved together or each for itself; None: together for the analysis."""
    learned: bool = False
    """Whether to learn from the context how to combine neighbouring bins (analysis of the neighbourhood only)."""
    window: float | None = None
    """Length of the windows in seconds; None: eight times the gap, from 0.09 to 0.74."""
    overlap: int = 4
    """Windows that cover each sample."""
    redundancy: int = 2
    """Length of the Fourier transform in windows."""
    growth: float = 0.15
    """Share by which the number of coefficients grows per iteration, one at least; 0: one."""
    tolerance: float = 0.01
    """Residual at which to stop, relative to the neighbourhood's peak."""
    level: float = 0.0
    """Share of the difference in level from the surroundings that is taken away, band by band, 0 to 1: the sparsest
    spectrum grows too quiet in long gaps. 0.6 was measured to be the best, see the card of cqtdiff's weights."""

    accepts: ClassVar[Accepts] = Accepts(channels=1, context=2.0 * LONGEST_WINDOW)

    def __post_init__(self) -> None:
        if self.window is not None and not 0.001 <= self.window <= 10.0:
            raise ValueError(f"window={self.window:g} must lie between 0.001 and 10 seconds")
        if self.overlap < 2 or self.redundancy < 1:
            raise ValueError(f"overlap={self.overlap} must be at least 2, redundancy={self.redundancy} at least 1")
        if not (0.0 <= self.growth <= 1.0 and self.tolerance > 0.0):
            raise ValueError(f"growth={self.growth:g} must lie in 0 to 1, tolerance={self.tolerance:g} above 0")
        if not 0.0 <= self.level <= 1.0:
            raise ValueError(f"level={self.level:g} must lie in 0 to 1")
        if self.learned and (self.formulation == "synthesis" or self.scope == "window"):
            raise ValueError("learned=True needs formulation=analysis and scope=neighbourhood")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        for row, (y, reliable) in enumerate(zip(problem.y, problem.mask, strict=True)):
            gaps = [gap for gap in problem.gaps if gap.channel in (None, row)]
            for done, gap in enumerate(gaps):
                frame = self._frame(gap, problem.sample_rate)
                estimate[row, gap.start : gap.stop] = self._fill(y, reliable, gap, frame, problem.sample_rate)
                note(Note(gap, parameters={"window": round(frame.win_length / problem.sample_rate, 4)}))
                progress((row + (done + 1) / len(gaps)) / problem.channels)
        return estimate

    def fill(
        self, y: NDArray[np.float64], reliable: NDArray[np.bool_], gap: Region, sample_rate: int
    ) -> NDArray[np.float64]:
        """Fill one gap of a channel.

        Args:
            y: (samples,).
            reliable: (samples,), True where `y` is known.
            gap: what to fill.
            sample_rate: hertz.

        Returns:
            (gap.length,).
        """
        return self._fill(y, reliable, gap, self._frame(gap, sample_rate), sample_rate)

    def _frame(self, gap: Region, sample_rate: int) -> Gabor:
        window = self.window or min(max(WINDOW_PER_GAP * gap.length / sample_rate, SHORTEST_WINDOW), LONGEST_WINDOW)
        return centred_frame(gap, sample_rate, window, overlap=self.overlap, redundancy=self.redundancy, phase="frame")

    def _fill(
        self, y: NDArray[np.float64], reliable: NDArray[np.bool_], gap: Region, frame: Gabor, sample_rate: int
    ) -> NDArray[np.float64]:
        hood = neighbourhood(y, reliable, gap, frame)
        if hood.peak == 0.0:
            return np.zeros(gap.length)
        schedule = Schedule(self.growth, self.tolerance)
        solve = analysis if self.formulation == "analysis" else synthesis
        if (self.scope or _BEST_SCOPE[self.formulation]) == "window":
            filled = self._by_window(hood, solve, schedule)
        else:
            codec: Codec = hood.frame
            if self.learned:
                codec = Rotated(hood.frame, learn(context_spectra(y, reliable, gap, hood)))
            filled = solve(codec, hood.known[None], hood.mask[None], schedule)[0]
        inside = slice(gap.start - hood.start, gap.stop - hood.start)
        sparse = filled[inside].astype(np.float64) * hood.peak
        return self._levelled(sparse, y, reliable, gap, sample_rate) if self.level else sparse

    def _levelled(
        self, fill: NDArray[np.float64], y: NDArray[np.float64], reliable: NDArray[np.bool_], gap: Region, rate: int
    ) -> NDArray[np.float64]:
        first, last = max(gap.start - rate, 0), gap.stop + rate  # a second of either side is more than is looked at
        inside = slice(gap.start - first, gap.stop - first)
        part = y[first:last].copy()
        part[inside] = fill
        return levelled(part, reliable[first:last], rate, self.level)[inside]

    def _by_window(self, hood: Neighbourhood, solve: Solver, schedule: Schedule) -> NDArray[np.floating[Any]]:
        """Each window a signal of its own, with one spectrum; overlap-added in the end."""
        frame = hood.frame
        taper = frame.tight_window.astype(np.float32)
        whole = replace(frame, hop_length=frame.win_length, window="boxcar")
        filled = solve(whole, frame.frames(hood.known) * taper, frame.frames(hood.mask), schedule)
        return overlap_add(filled * taper, frame.hop_length)
