"""Jobs: how far they are, as it happens, and how to stop them."""

from __future__ import annotations

__all__ = ["router"]

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, HTTPException, Response
from starlette.responses import StreamingResponse

from caesura.studio import schemas
from caesura.studio.convert import job_out
from caesura.studio.jobs import Job
from caesura.studio.sessions import Session
from caesura.studio.state import Here, SoundId, Studio, Who

router = APIRouter(prefix="/api/jobs", tags=["jobs"])

LOOK = 0.1  # seconds between two looks at a job; its state is a few numbers, so looking costs nothing
ALIVE = 15.0  # seconds after which a silent stream says that it is there
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Events named `job`, whose data is a Job; the stream ends with the job.",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


@router.get("")
def list_jobs(studio: Here, who: Who) -> list[schemas.Job]:
    """Every job of the session, the oldest first."""
    return [job_out(job, studio.jobs) for job in studio.jobs.of(who)]


@router.get("/{job}")
def read_job(studio: Here, who: Who, job: SoundId) -> schemas.Job:
    """A job as it is now."""
    return job_out(_found(studio, who, job), studio.jobs)


@router.delete("/{job}")
def cancel_job(studio: Here, who: Who, job: SoundId) -> schemas.Job:
    """Stop a job; one that has ended stays as it is."""
    found = _found(studio, who, job)
    studio.jobs.cancel(found)
    return job_out(found, studio.jobs)


@router.get("/{job}/events", response_class=Response, responses=EVENTS)
async def follow_job(studio: Here, who: Who, job: SoundId) -> Response:
    """The job as it goes, as server-sent events: its place in the queue, its progress, its end."""
    found = _found(studio, who, job)
    return StreamingResponse(_events(studio, found), media_type="text/event-stream")


def _found(studio: Studio, who: Session, key: str) -> Job:
    job = studio.jobs.get(who, key)
    if job is None:
        raise HTTPException(404, f"there is no job '{key}' in this session: GET /api/jobs lists what there is")
    return job


async def _events(studio: Studio, job: Job) -> AsyncIterator[str]:
    last, spoken = "", time.monotonic()
    while not studio.closing:
        ended = job.ended  # before the snapshot, so that the last one shows the end
        now = job_out(job, studio.jobs).model_dump_json()
        if now != last:
            last, spoken = now, time.monotonic()
            yield f"event: job\ndata: {now}\n\n"
        elif time.monotonic() - spoken > ALIVE:
            spoken = time.monotonic()
            yield ": still here\n\n"
        if ended:
            return
        await asyncio.sleep(LOOK)
