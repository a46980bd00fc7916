"""What every message is made of, and what a refused request answers."""

from __future__ import annotations

__all__ = [
    "MOST_CELLS",
    "MOST_MARKS",
    "Count",
    "Failure",
    "Hertz",
    "Id",
    "Mark",
    "Sample",
    "Seed",
    "Settings",
    "Step",
    "Text",
    "Value",
    "Wire",
]

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_MARKS, MOST_CELLS, MOST_CANDIDATES = 10_000, 4096, 8

Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Value = bool | int | float | str | list[int] | list[float] | None
Settings = Annotated[dict[Annotated[str, Field(max_length=64)], Value], Field(max_length=64)]
Seed = Annotated[int, Field(ge=0, lt=2**53)]
Text = Annotated[str, Field(max_length=2000)]
Count = Annotated[int, Field(ge=1, le=MOST_CANDIDATES)]
Sample = Annotated[int, Field(ge=0, lt=2**53)]
Hertz = Annotated[float, Field(ge=0, lt=1e7, allow_inf_nan=False)]


class Wire(BaseModel):
    """A message; what it does not know it refuses."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), use_attribute_docstrings=True)


class Failure(Wire):
    """Why a request was refused, in words that name the fix."""

    detail: str


class Mark(Wire):
    """A region: samples `start` to `stop`; a band (`low`, `high`) makes it a box; brushes and lassos are many boxes."""

    start: Sample
    stop: Sample
    low: Hertz | None = None
    high: Hertz | None = None
    """None: no upper limit."""
    channel: Annotated[int, Field(ge=0, lt=64)] | None = None
    """None: every channel."""
    kind: Literal["gap", "silence", "held", "dropout", "click", "clipping", "nan", "loss", "box"] | None = None
    """None: gap or box, as the band says. Regions of kind clipping are shown and never repaired."""
    confidence: Annotated[float, Field(ge=0, le=1)] | None = None
    text: Annotated[str, Field(max_length=500)] = ""


class Step(Wire):
    """How a sound was made from its parent; a project file holds the same."""

    method: str
    settings: dict[str, Value]
    regions: list[Mark]
    seed: int
    fade_ms: float
    text: str
    guide: str | None = None
    """Name of the guide."""
