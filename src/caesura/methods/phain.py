"""PHAIN: fill a gap so that its phase-corrected spectrogram changes as little as possible from frame to frame.

    min |D R E x|_1  such that  x = y where reliable

E is a tight Gabor frame with phases that refer to the time origin, so that a steady sinusoid turns with its distance
from the bin. R turns every cell back by the phase its instantaneous frequency has gathered so far, and D takes
differences between neighbouring frames: what keeps its pitch and level costs nothing. The primal-dual iteration is

    x' = P(x - tau E* R* D* u),    v = u + D R E (2 x' - x),    u = v min(1, 1 / |v|),    x = x'

with P, which puts the reliable samples back. B-PHAIN takes the instantaneous frequency from the observation, U-PHAIN
updates it from its own solution. The phase between two frames follows the average of their instantaneous frequencies,
weighted with their power, because the frame nearer to the middle of the gap knows less. Updates keep both variables,
which needs less than half the iterations of the published restarts.

References:
    T. Tanaka, K. Yatabe, Y. Oikawa, "PHAIN: Audio inpainting via phase-aware optimization with instantaneous
        frequency", IEEE/ACM Transactions on Audio, Speech, and Language Processing 32, 2024.
    A. Chambolle, T. Pock, "A first-order primal-dual algorithm for convex problems with applications to imaging",
        Journal of Mathematical Imaging and Vision 40, 2011.
"""

from __future__ import annotations

__all__ = ["Phain"]

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.codecs.gabor import Gabor
from caesura.inpainter import Accepts, Listener, Note, Progress, ignore, silent
from caesura.methods._sparse import Grid, Neighbourhood, Real, centred_frame, neighbourhood
from caesura.problem import Problem

SHORTEST_WINDOW = 0.05  # seconds, of a gap of no length
WINDOW_PER_GAP = 2.0  # seconds per second: frames in the middle of the gap must still hear both sides
LONGEST_WINDOW = 0.3715  # seconds: 16384 samples at 44.1 kHz
TAU = 0.25  # 1 / |D|^2, the longest step that converges with a dual step of 1

PUBLISHED: Mapping[str, Mapping[str, Any]] = {
    "B-PHAIN": {"variant": "B", "window": 2800 / 44100, "iterations": 100},
    "U-PHAIN": {"variant": "U", "window": 2800 / 44100, "iterations": 100, "restart": True},
}
"""Settings of the publication, for `Phain(**PUBLISHED[name])`; slower than the defaults and not better."""


@dataclass(frozen=True)
class Phain:
    """Fill a gap by continuing the phases of its surroundings (phase-aware total variation)."""

    variant: Literal["U", "B"] = "U"
    """Whether the instantaneous frequency is updated (U) or taken from the observation (B)."""
    window: float | None = None
    """Length of the windows in seconds; None: 0.05 and twice the gap, at most 0.37."""
    overlap: int = 4
    """Windows that cover each sample."""
    updates: int = 10
    """Times the instantaneous frequency is estimated; B runs as many iterations without it."""
    iterations: int = 40
    """Iterations between two updates."""
    restart: bool = False
    """Whether every update starts again from the observation."""

    accepts: ClassVar[Accepts] = Accepts(channels=1, context=1.5 * LONGEST_WINDOW)

    def __post_init__(self) -> None:
        if self.window is not None and not 0.001 <= self.window <= 10.0:
            raise ValueError(f"window={self.window:g} must lie between 0.001 and 10 seconds")
        for name, least in (("overlap", 2), ("updates", 1), ("iterations", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}={getattr(self, name)} must be at least {least}")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        estimate = np.array(problem.y)
        rate = problem.sample_rate
        for row, (y, reliable) in enumerate(zip(problem.y, problem.mask, strict=True)):
            gaps = [gap for gap in problem.gaps if gap.channel in (None, row)]
            for done, gap in enumerate(gaps):
                window = self.window or min(SHORTEST_WINDOW + WINDOW_PER_GAP * gap.length / rate, LONGEST_WINDOW)
                frame = centred_frame(gap, rate, window, overlap=self.overlap, phase="absolute")
                hood = neighbourhood(y, reliable, gap, frame, extra=1)  # what the first and last frames differ from
                inside = slice(gap.start - hood.start, gap.stop - hood.start)
                estimate[row, gap.start : gap.stop] = self._fill(hood)[inside].astype(np.float64) * hood.peak
                note(Note(gap, parameters={"window": round(frame.win_length / rate, 4)}))
                progress((row + (done + 1) / len(gaps)) / problem.channels)
        return estimate

    def _fill(self, hood: Neighbourhood) -> Real:
        if hood.peak == 0.0:
            return hood.known
        updates, iterations = self.updates, self.iterations
        if self.variant == "B":
            updates, iterations = 1, updates * iterations
        start = (hood.known, np.zeros((len(hood.frame.starts(hood.known.size)) - 1, hood.frame.bins), np.complex64))
        x, u = start
        for _ in range(updates):
            correction = phase_correction(hood.frame, x)
            if self.restart:
                x, u = start
            x, u = _descend(hood, correction, x, u, iterations)
        return x


def phase_correction(frame: Gabor, x: Real) -> Grid:
    """Factors R (frames, bins) that stop the turning of steady sinusoids.

    Args:
        frame: with absolute phase.
        x: (samples,).
    """
    z = frame.encode(x)
    power = z.real**2 + z.imag**2
    off_bin = (frame.instantaneous_frequency(x) - frame.frequencies) * power
    both = power[1:] + power[:-1]
    hertz = (off_bin[1:] + off_bin[:-1]) / np.where(both > 0.0, both, 1.0)
    phase = np.cumsum(hertz, axis=0) * (-2.0 * np.pi * frame.hop_length / frame.sample_rate)
    return np.concatenate([np.ones((1, frame.bins)), np.exp(1j * phase)]).astype(z.dtype)


def _descend(hood: Neighbourhood, correction: Grid, x: Real, u: Grid, iterations: int) -> tuple[Real, Grid]:
    """Primal-dual iterations from the signal x and the dual variable u (frames - 1, bins)."""
    frame, known, mask = hood.frame, hood.known, hood.mask
    back = np.conj(correction)
    turned = np.empty_like(correction)
    for _ in range(iterations):
        turned[0], turned[1:-1], turned[-1] = -u[0], u[:-1] - u[1:], u[-1]
        turned *= back
        new = np.where(mask, known, x - np.float32(TAU) * frame.decode(turned, known.size))
        spectrum = frame.encode(2 * new - x)
        spectrum *= correction
        u = u + (spectrum[1:] - spectrum[:-1])
        u *= 1 / np.sqrt(np.maximum(u.real**2 + u.imag**2, 1))
        x = new
    return x, u
