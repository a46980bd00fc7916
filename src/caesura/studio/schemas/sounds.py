"""Sounds: what they are, how they look, and what of them can be heard."""

from __future__ import annotations

__all__ = ["Audition", "Entry", "Peaks", "Rename", "Sound", "Tiles"]

from typing import Annotated, Literal

from pydantic import Field

from caesura.studio.schemas.base import MOST_MARKS, Id, Mark, Step, Wire


class Sound(Wire):
    """A sound of this session."""

    id: Id
    name: str
    origin: Literal["upload", "recording", "folder", "note", "clip", "restoration", "edit"]
    parent: Id | None = None
    """The sound it was made from."""
    step: Step | None = None
    """How it was made from its parent."""
    sample_rate: int
    channels: int
    frames: int
    seconds: float
    container: str
    """WAV, FLAC, ..."""
    subtype: str
    """PCM_24, ..."""
    lossy: bool
    bytes: int
    note: str = ""
    """What one should know about the file."""
    created: float
    pitch: int | None = None
    """MIDI number of a note, for playing it at its true root."""


class Rename(Wire):
    """A new name of a sound."""

    name: Annotated[str, Field(min_length=1, max_length=200)]


class Entry(Wire):
    """A recording in the folder that the studio was started with."""

    id: Id
    name: str
    """With its subfolders."""
    bytes: int
    modified: float


class Peaks(Wire):
    """Extremes of the waveform, one pair per pixel and channel."""

    start: int
    stop: int
    pixels: int
    low: list[list[float]]
    """(channels, pixels), full scale is 1."""
    high: list[list[float]]
    exact: bool
    """False: sampled, because the whole recording has not been read yet; ask again."""


class Tiles(Wire):
    """Geometry of the spectrogram's tiles: tile k of level l starts at column k * width of 2^l * hop samples each."""

    width: int
    """Columns of a tile."""
    heights: list[int]
    """Rows that can be asked for."""
    hop: int
    """Samples per column at level 0."""
    levels: int
    """Levels from 0; the highest shows the whole sound in a tile."""
    scales: list[Literal["linear", "log", "mel"]]
    palettes: list[Literal["magma", "grey", "ink"]]
    windows: list[int]
    """Window lengths in samples that can be asked for."""
    lowest: float
    """Lower edge of the log scale in hertz."""
    highest: float
    """Half the sample rate."""


class Audition(Wire):
    """What to listen to: what lies inside the regions, or all but that."""

    regions: Annotated[list[Mark], Field(min_length=1, max_length=MOST_MARKS)]
    part: Literal["inside", "outside"] = "inside"
    around_ms: Annotated[float, Field(ge=0, le=5000)] = 0.0
    """Context before and after."""
