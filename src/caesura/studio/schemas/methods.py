"""Methods and ways to make sound: what forms are generated from."""

from __future__ import annotations

__all__ = ["Method", "Notes", "Setting", "Way"]

from typing import Literal

from caesura.studio.schemas.base import Value, Wire


class Setting(Wire):
    """A field of a method: what its form is generated from."""

    name: str
    type: Literal["integer", "number", "boolean", "text", "choice", "integers", "numbers"]
    optional: bool
    """Whether it may be null."""
    default: Value
    choices: list[str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    doc: str


class Method(Wire):
    """A method, what it accepts and whether it can work here."""

    name: str
    summary: str
    references: str
    settings: list[Setting]
    gaps: bool
    """Fills the full band."""
    boxes: bool
    """Fills part of the spectrum."""
    text: bool
    """Needs a text."""
    takes_text: bool
    """Listens to a text."""
    guide: bool
    """Needs a guide."""
    generates: bool
    """Makes sound where nothing is known."""
    varies: bool
    """Plays a guide again, its setting `strength` saying how far it may go from it."""
    adds: bool
    """Adds a stem to a guide, which stays audible."""
    sample_rate: int | None
    channels: int | None
    window: float | None
    """Seconds it hears at once."""
    available: bool
    reason: str = ""
    """Why it cannot work here, and what to do."""


class Way(Wire):
    """A way to make sound, and the methods for it that can work here."""

    kind: Literal["generate", "continue", "vary", "morph", "add"]
    methods: list[str]
    available: bool
    reason: str = ""


class Notes(Wire):
    """What notes can be asked for."""

    families: list[str]
    lowest: int
    highest: int
    available: bool
    reason: str = ""
