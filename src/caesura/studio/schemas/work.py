"""Jobs, their results, and the state of a session and of the studio."""

from __future__ import annotations

__all__ = ["Candidate", "Grid", "Health", "Job", "Layer", "Session", "Worker"]

from typing import Any, Literal

from caesura.studio.schemas.base import Id, Mark, Wire
from caesura.studio.schemas.sounds import Sound


class Layer(Wire):
    """A map of codes (rows, columns), the lowest row first, and where its cells lie."""

    codes: list[list[int]]
    starts: list[int]
    """First sample of each column, and one past the last of the last one."""
    edges: list[float]
    """Edges of the rows in hertz, one more than rows."""


class Grid(Wire):
    """NOTONO's grid: the coarse map and the fine one."""

    top: Layer
    bottom: Layer


class Candidate(Wire):
    """A result."""

    sound: Sound
    seed: int
    report: dict[str, Any]
    """What was done to each region; see the command line's --report. Empty for what was made from nothing."""


class Job(Wire):
    """Work for the model process."""

    id: Id
    kind: Literal["detection", "restoration", "creation", "note", "codes", "edit"]
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: int
    """Jobs before this one; 0 when it runs or has ended."""
    progress: float
    """0 to 1."""
    error: str = ""
    """What went wrong and what to do, when it failed."""
    sound: Id | None = None
    """The sound it works on."""
    created: float
    started: float | None = None
    finished: float | None = None
    regions: list[Mark] | None = None
    """What a detection found."""
    candidates: list[Candidate] | None = None
    """What was made."""
    grid: Grid | None = None
    """The codes of a note."""


class Session(Wire):
    """What a client has; the id goes into the cookie or the header X-Caesura-Session."""

    id: str
    sounds: list[Sound]
    jobs: list[Job]
    bytes: int
    """On disk."""
    most_bytes: int
    most_seconds: float
    """Of a recording."""
    idle_seconds: float
    """After which everything of the session is removed."""


class Worker(Wire):
    """A process that owns the models of a device."""

    device: str
    state: Literal["starting", "idle", "busy", "stopped"]
    restarts: int


class Health(Wire):
    """Whether the studio can work."""

    status: Literal["ok", "degraded"]
    version: str
    workers: list[Worker]
    queued: int
    most_queued: int
    sessions: int
