"""What the routes share: the studio itself, and who is asking."""

from __future__ import annotations

__all__ = ["COOKIE", "HEADER", "Here", "MaybeWho", "SoundId", "Studio", "Who"]

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from fastapi import Depends, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.security import APIKeyCookie, APIKeyHeader

from caesura.studio import schemas
from caesura.studio.catalogue import Catalogue
from caesura.studio.convert import job_out
from caesura.studio.folder import Folder
from caesura.studio.jobs import Deliver, Job, Jobs
from caesura.studio.sessions import Full, Session, Sessions
from caesura.studio.settings import Settings
from caesura.studio.tasks import Task

COOKIE, HEADER = "caesura_session", "X-Caesura-Session"
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description="Set by POST /api/session.")
_header = APIKeyHeader(name=HEADER, auto_error=False, description="The id that POST /api/session returned.")


@dataclass(eq=False)
class Studio:
    """Everything that lives as long as the application."""

    settings: Settings
    sessions: Sessions
    jobs: Jobs
    catalogue: Catalogue
    folder: Folder
    closing: bool = field(default=False)

    def words(self, session: Session, message: str) -> str:
        """A message with the client's names in place of paths."""
        for entry in session.shelf.all():
            message = message.replace(str(entry.path), entry.name)
        return message.replace(str(session.shelf.folder), "the session")

    def submit(
        self, session: Session, kind: str, task: Task, deliver: Deliver, folder: Path, sound: str | None = None
    ) -> schemas.Job:
        """Queue a task.

        Raises:
            Full: too many wait already.
        """
        job = Job(
            secrets.token_urlsafe(12), kind, session, task, deliver, folder, sound,
            says=lambda message: self.words(session, message),
        )  # fmt: skip
        return job_out(self.jobs.add(job), self.jobs)

    def room(self, session: Session, wanted: int) -> None:
        """Refuse what would not fit.

        Raises:
            Full: the session's files would take more than they may.
        """
        most = self.settings.most_bytes
        if session.shelf.used + wanted > most:
            raise Full(
                f"this would take {wanted / 1e6:.0f} MB more, {session.shelf.used / 1e6:.0f} of {most / 1e6:.0f} MB "
                "are used: remove sounds you no longer need, or ask for fewer candidates"
            )


def studio(request: Request) -> Studio:
    """The studio that a request came to."""
    found: Studio = request.app.state.studio
    return found


def session(
    request: Request,
    cookie: Annotated[str | None, Depends(_cookie)] = None,
    header: Annotated[str | None, Depends(_header)] = None,
) -> Session:
    """The session of a request."""
    found = studio(request).sessions.get(header or cookie or "")
    if found is None:
        raise HTTPException(401, "there is no such session, or it has ended: POST /api/session begins one")
    return found


Here = Annotated[Studio, Depends(studio)]
Who = Annotated[Session, Depends(session)]


def maybe_session(
    request: Request,
    cookie: Annotated[str | None, Depends(_cookie)] = None,
    header: Annotated[str | None, Depends(_header)] = None,
) -> Session | None:
    """The session of a request, if it has one."""
    return studio(request).sessions.get(header or cookie or "")


MaybeWho = Annotated[Session | None, Depends(maybe_session)]
SoundId = Annotated[str, PathParameter(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
