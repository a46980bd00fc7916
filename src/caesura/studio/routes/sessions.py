"""The session of a client, the state of the studio, and what there is to choose from."""

from __future__ import annotations

__all__ = ["router"]

from fastapi import APIRouter, Response

import caesura
from caesura.studio import schemas
from caesura.studio.convert import session_out
from caesura.studio.state import COOKIE, Here, MaybeWho, Who

router = APIRouter(prefix="/api", tags=["session"])


@router.post("/session")
def begin_session(studio: Here, who: MaybeWho, response: Response) -> schemas.Session:
    """Begin a session, or go on with the one the client has; its id is set as a cookie."""
    session = who or studio.sessions.create()
    response.set_cookie(COOKIE, session.id, httponly=True, samesite="strict")
    return session_out(session, studio.jobs, studio.settings)


@router.get("/session")
def read_session(studio: Here, who: Who) -> schemas.Session:
    """Everything the client has."""
    return session_out(who, studio.jobs, studio.settings)


@router.delete("/session", status_code=204)
def end_session(studio: Here, who: Who, response: Response) -> None:
    """Remove the session and all of its files."""
    studio.jobs.drop(who)
    studio.sessions.end(who)
    response.delete_cookie(COOKIE)


@router.get("/health")
def read_health(studio: Here) -> schemas.Health:
    """Whether the studio can work; needs no session."""
    workers = [
        schemas.Worker(device=each.device, state=each.state, restarts=each.restarts) for each in studio.jobs.processes
    ]
    return schemas.Health(
        status="degraded" if all(each.state == "stopped" for each in workers) else "ok",
        version=caesura.__version__,
        workers=workers,
        queued=studio.jobs.queued,
        most_queued=studio.settings.most_queued,
        sessions=len(studio.sessions),
    )


@router.get("/methods", tags=["methods"])
def list_methods(studio: Here) -> list[schemas.Method]:
    """Every method with the form of its settings, what it accepts, and why it cannot work where it cannot."""
    return studio.catalogue.methods


@router.get("/ways", tags=["methods"])
def list_ways(studio: Here) -> list[schemas.Way]:
    """How sound can be made: from nothing, past an end, as a variation, between two prompts."""
    return studio.catalogue.ways()


@router.get("/notes", tags=["methods"])
def describe_notes(studio: Here) -> schemas.Notes:
    """What notes can be asked for."""
    return studio.catalogue.notes()
