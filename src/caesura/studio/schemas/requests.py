"""What a client asks the models for."""

from __future__ import annotations

__all__ = [
    "Cell",
    "CodesRequest",
    "Condition",
    "Creation",
    "Detection",
    "LabelFile",
    "NewNote",
    "NoteEdit",
    "Prompt",
    "Restoration",
]

from typing import Annotated, Literal

from pydantic import Field

from caesura.studio.schemas.base import MOST_CELLS, MOST_MARKS, Count, Id, Mark, Seed, Settings, Text, Wire


class Detection(Wire):
    """Look for damage."""

    sound: Id
    kinds: list[Literal["silence", "held", "dropout", "click", "clipping", "nan"]] | None = None
    """None: all of them."""
    sensitivity: Annotated[float, Field(gt=0, le=10)] = 1.0


class Restoration(Wire):
    """Fill regions of a sound."""

    sound: Id
    regions: Annotated[list[Mark], Field(min_length=1, max_length=MOST_MARKS)]
    method: Annotated[str, Field(max_length=64)] = "auto"
    settings: Settings = Field(default_factory=dict)
    text: Text = ""
    guide: Id | None = None
    """Another sound of this session."""
    seed: Seed = 0
    candidates: Count = 1
    """Candidate k is drawn with seed + k."""
    fade_ms: Annotated[float, Field(ge=0, le=1000)] = 0.0


class Prompt(Wire):
    """An end of a morph."""

    text: Text = ""
    seed: Seed = 0


class Creation(Wire):
    """Make sound: from nothing, past the end of a sound, as its variation, or on the way between two prompts."""

    kind: Literal["generate", "continue", "vary", "morph", "add"]
    method: Annotated[str, Field(max_length=64)]
    settings: Settings = Field(default_factory=dict)
    text: Text = ""
    seed: Seed = 0
    candidates: Count = 1
    seconds: Annotated[float, Field(gt=0, le=120)] = 5.0
    """Length of what is made; `vary` keeps the length of its sound."""
    sample_rate: Annotated[int, Field(ge=8000, le=192_000)] = 44_100
    """Of what is made from nothing."""
    sound: Id | None = None
    """The sound to continue or vary."""
    end: Prompt | None = None
    """The other end of a morph."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Where between the two ends: 0 is `text` and `seed`, 1 is `end`."""


class Condition(Wire):
    """What a note is asked to be."""

    pitch: Annotated[int, Field(ge=24, le=84)] | None = None
    """MIDI number; None: any."""
    family: Annotated[str, Field(max_length=32)] | None = None
    velocity: Annotated[int, Field(ge=1, le=127)] | None = None


class NewNote(Condition):
    """Make a note."""

    seconds: Annotated[float, Field(ge=0.5, le=20)] = 4.0
    seed: Seed = 0
    candidates: Count = 1
    settings: Settings = Field(default_factory=dict)
    """Of the method notono, as temperature."""


class CodesRequest(Wire):
    """Read the two maps of codes of a sound."""

    sound: Id
    settings: Settings = Field(default_factory=dict)
    """Of the method notono; its weights decide the codes."""


class Cell(Condition):
    """A cell to draw again, and what it is asked to be."""

    layer: Literal["top", "bottom"]
    row: Annotated[int, Field(ge=0, lt=1024)]
    column: Annotated[int, Field(ge=0, lt=100_000)]


class NoteEdit(Wire):
    """Draw cells again. Cells of one condition are drawn together, in the order in which the conditions appear."""

    sound: Id
    cells: Annotated[list[Cell], Field(min_length=1, max_length=MOST_CELLS)]
    seed: Seed = 0
    candidates: Count = 1
    settings: Settings = Field(default_factory=dict)
    """Of the method notono, without pitch, family, velocity and layer."""


class LabelFile(Wire):
    """Regions as a file."""

    sound: Id
    regions: Annotated[list[Mark], Field(max_length=MOST_MARKS)]
    format: Literal["txt", "csv", "json"] = "txt"
    """txt is what Audacity reads."""
