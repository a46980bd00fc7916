"""The protocol every method follows: problem -> estimate.

A method is a frozen dataclass in a file of its own, `methods/NAME.py`. Its fields are its hyperparameters, its command
line flags and its saved form; `accepts` says what it can be given; calling it returns an estimate.
"""

from __future__ import annotations

__all__ = ["Accepts", "Inpainter", "Listener", "Note", "Progress", "Unsupported", "ignore", "name_of", "silent"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from caesura.problem import Problem, Region


class Unsupported(ValueError):
    """The method cannot do this; the message names what would."""


@dataclass(frozen=True)
class Accepts:
    """What a method can be given; None means anything."""

    sample_rate: int | None = None
    """Hertz it works at."""
    channels: int | None = None
    """Channels it takes at once; 1 has `restore` call it per channel."""
    window: float | None = None
    """Seconds it can hear at once."""
    context: float | None = 1.0
    """Seconds on either side of a region that can make a difference; None: the whole recording."""
    gaps: bool = True
    """Whether it can fill the full band."""
    bands: bool = False
    """Whether it can fill part of the spectrum."""
    text: bool = False
    """Whether it needs `Problem.text`."""
    guide: bool = False
    """Whether it needs `Problem.guide`."""
    generates: int | None = None
    """Hertz at which it makes sounds of its own where nothing is known; None: it needs something to go by."""
    varies: bool = False
    """Whether it plays `Problem.guide` again, its setting `strength` (0 to 1) saying how far it may go from it."""
    holds: bool = False
    """Whether it heeds `Problem.hold`, which says what of the guide stays."""
    adds: bool = False
    """Whether it adds to `Problem.guide` what the text says, and leaves the guide audible: what it returns is the guide
    and a stem, so that the stem is what it returns less the guide."""


@dataclass(frozen=True)
class Note:
    """What a method says of one region it was given."""

    region: Region
    """The region, in the samples of the problem the method was called with."""
    method: str | None = None
    """The method that filled it, where one delegates to another."""
    why: str = ""
    """One sentence for the report."""
    confidence: float | None = None
    """0 (a guess) to 1 (as good as the original)."""
    refused: bool = False
    """True where the region was left as it was."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What was chosen for this region."""


Progress = Callable[[float], None]
"""Called with the fraction done. Raising from it cancels the run."""

Listener = Callable[[Note], None]
"""Called with what a method has to say of a region."""


def silent(_fraction: float) -> None:
    """A progress callback that does nothing."""


def ignore(_note: Note) -> None:
    """A listener that does nothing."""


class Inpainter(Protocol):
    """A frozen dataclass that turns a problem into an estimate.

    It may also offer `many(problems, *, rngs, progress, notes)`, with one generator and one listener per problem, which
    takes equally long problems and returns a list of their estimates; `restore` then hands it batches.
    """

    accepts: ClassVar[Accepts]

    def __call__(
        self, problem: Problem, *, rng: np.random.Generator, progress: Progress = silent, note: Listener = ignore
    ) -> NDArray[np.float64]:
        """Return an estimate (channels, samples); only what lies in the regions is used."""


def name_of(inpainter: Inpainter) -> str:
    """The method's name: that of the file it is defined in."""
    return type(inpainter).__module__.rpartition(".")[2]
