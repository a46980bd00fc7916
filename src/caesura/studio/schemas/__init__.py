"""What goes over the wire: the models that OpenAPI, and so the client's types, are made of.

Positions are samples of the sound they belong to, half open; frequencies are hertz; times of day are seconds since
1970.
"""

from __future__ import annotations

__all__ = [
    "Audition",
    "Candidate",
    "Cell",
    "CodesRequest",
    "Condition",
    "Creation",
    "Detection",
    "Entry",
    "Failure",
    "Grid",
    "Health",
    "Job",
    "LabelFile",
    "Layer",
    "Mark",
    "Method",
    "NewNote",
    "NoteEdit",
    "Notes",
    "Peaks",
    "Prompt",
    "Rename",
    "Restoration",
    "Session",
    "Setting",
    "Sound",
    "Step",
    "Tiles",
    "Way",
    "Worker",
]

from caesura.studio.schemas.base import Failure, Mark, Step
from caesura.studio.schemas.methods import Method, Notes, Setting, Way
from caesura.studio.schemas.requests import (
    Cell,
    CodesRequest,
    Condition,
    Creation,
    Detection,
    LabelFile,
    NewNote,
    NoteEdit,
    Prompt,
    Restoration,
)
from caesura.studio.schemas.sounds import Audition, Entry, Peaks, Rename, Sound, Tiles
from caesura.studio.schemas.work import Candidate, Grid, Health, Job, Layer, Session, Worker
