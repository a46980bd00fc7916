"""What the methods that draw clips from a text have in common: their settings, and one draw for many problems.

    estimates = draw(settings)(problems)

A method of this kind adds its weights, what differs in its settings, and how it opens its model.
"""

from __future__ import annotations

__all__ = ["TextMethod"]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from caesura.inpainter import Listener, Progress, ignore, silent
from caesura.methods._latent import estimates
from caesura.problem import Problem

if TYPE_CHECKING:
    from caesura.methods._latent import Draw

LONGEST = 10.24  # seconds that the models hear at once


@dataclass(frozen=True)
class TextMethod(ABC):
    """Settings of a method that draws clips of up to 10.24 s from a text and from what is known."""

    weights: str = ""
    """Which; each method says what there is."""
    conditioning: Literal["plain", "repaint", "repaint+", "ddnm", "ddnm+", "guidance"] = "ddnm"
    """How the context enters: mixed in at every level (plain), with time travel (repaint), in the estimate (ddnm)."""
    preset: Literal["fast", "published"] = "fast"
    """50 to 200 evaluations of the network, or the published number: 1000 to 11,000."""
    steps: int = 0
    """Noise levels of the walk; 0: those of the preset."""
    scale: float = 3.0
    """How strongly the text is followed; 1: as the model itself does."""
    negative: str = ""
    """What should not be heard."""
    duration: float = 10.24
    """Seconds that the model is given at least, with silence after a shorter recording; it was trained on 10.24."""
    known: Literal["encoder", "frames", "tile"] = "encoder"
    """Latents that count as known: those that see nothing missing, whose frames do not, or whose 40 ms do not."""
    oracle_latents: bool = False
    """Take the known latents from the guide, the complete recording, as the published program does: to compare only."""
    strength: float = 0.5
    """How far a guide is varied: 0 hardly, 1 it is forgotten."""
    candidates: int = 1
    """Fills to draw of each clip; the best is taken: by CLAP where there is a text and its weights are on this machine,
    else the one whose edges are least conspicuous."""

    def __post_init__(self) -> None:
        for name, least in (("steps", 0), ("scale", 0.0), ("candidates", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"{name}={getattr(self, name)} is below {least:g}")
        if self.steps == 1:
            raise ValueError("steps=1 is no walk: 2 or more, or 0 to leave it to the preset")
        for name, most in (("duration", LONGEST), ("strength", 1.0)):
            if not 0.0 < getattr(self, name) <= most:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and at most {most:g}")

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """See `caesura.inpainter.Inpainter`."""
        return self.many([problem], rngs=[rng], progress=progress, notes=[note])[0]

    def many(
        self,
        problems: Sequence[Problem],
        *,
        rngs: Sequence[np.random.Generator],
        progress: Progress = silent,
        notes: Sequence[Listener] | None = None,
    ) -> list[NDArray[np.float64]]:
        """See `caesura.inpainter.Inpainter`; the problems are drawn together."""
        return estimates(self.draw(), problems, rngs, progress, notes or [ignore] * len(problems))

    @abstractmethod
    def draw(self) -> Draw:
        """Model, walk and settings of a fill; every method opens its own model."""
