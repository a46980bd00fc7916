"""Between the library's types and the wire's."""

from __future__ import annotations

__all__ = ["job_out", "labels_in", "mark_out", "session_out", "sound_out", "step_out"]

import math
from collections.abc import Iterable

from caesura.labels import Label
from caesura.labels.label import Timeline, default_kind
from caesura.project import Step
from caesura.studio import schemas
from caesura.studio.jobs import Job, Jobs
from caesura.studio.sessions import Session
from caesura.studio.settings import Settings
from caesura.studio.shelf import Entry


def labels_in(marks: Iterable[schemas.Mark], entry: Entry) -> tuple[Label, ...]:
    """The labels that marks of a sound stand for.

    Raises:
        ValueError: one lies outside the sound.
    """
    info = entry.info
    timeline = Timeline(info.sample_rate, info.frames)
    labels = []
    for number, mark in enumerate(marks, start=1):
        try:
            if mark.channel is not None and mark.channel >= info.channels:
                raise ValueError(f"channel {mark.channel} does not exist: the sound has {info.channels}, from 0")
            if mark.start >= mark.stop:
                raise ValueError(f"it is empty: start {mark.start} must come before stop {mark.stop}")
            region = timeline.region(mark.start, mark.stop, mark.low, mark.high, mark.channel)
        except ValueError as error:
            raise ValueError(f"region {number}: {error}") from None
        labels.append(Label(region, mark.kind or default_kind(region), mark.confidence, mark.text))
    return tuple(sorted(labels, key=lambda label: label.region.order()))


def mark_out(label: Label) -> schemas.Mark:
    """A label on the wire."""
    region = label.region
    return schemas.Mark(
        start=region.start,
        stop=region.stop,
        low=None if region.is_gap else region.low,
        high=None if math.isinf(region.high) else region.high,
        channel=region.channel,
        kind=label.kind,  # type: ignore[arg-type]
        confidence=label.confidence,
        text=label.text,
    )


def step_out(step: Step) -> schemas.Step:
    """A step on the wire."""
    return schemas.Step(
        method=step.method,
        settings=dict(step.settings),
        regions=[mark_out(label) for label in step.labels],
        seed=step.seed,
        fade_ms=step.fade_ms,
        text=step.text,
        guide=None if step.guide is None else step.guide.name,
    )


def sound_out(entry: Entry) -> schemas.Sound:
    """A sound on the wire."""
    info = entry.info
    return schemas.Sound(
        id=entry.id,
        name=entry.name,
        origin=entry.origin,  # type: ignore[arg-type]
        parent=entry.parent,
        step=None if entry.step is None else step_out(entry.step),
        sample_rate=info.sample_rate,
        channels=info.channels,
        frames=info.frames,
        seconds=info.duration,
        container=info.container,
        subtype=info.subtype,
        lossy=info.lossy,
        bytes=entry.bytes,
        note=info.note,
        created=entry.created,
        pitch=entry.pitch,
    )


def job_out(job: Job, jobs: Jobs) -> schemas.Job:
    """A job on the wire."""
    return schemas.Job(
        id=job.id,
        kind=job.kind,  # type: ignore[arg-type]
        state=job.state,  # type: ignore[arg-type]
        position=jobs.position(job),
        progress=job.progress,
        error=job.error,
        sound=job.sound,
        created=job.created,
        started=job.started,
        finished=job.finished,
        **(job.result if job.state == "done" else {}),
    )


def session_out(session: Session, jobs: Jobs, settings: Settings) -> schemas.Session:
    """A session on the wire."""
    return schemas.Session(
        id=session.id,
        sounds=[sound_out(entry) for entry in session.shelf.all()],
        jobs=[job_out(job, jobs) for job in jobs.of(session)],
        bytes=session.shelf.used,
        most_bytes=settings.most_bytes,
        most_seconds=settings.most_seconds,
        idle_seconds=settings.idle_seconds,
    )
