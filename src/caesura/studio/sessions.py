"""Who has what: sessions by unguessable ids, each with a folder of its own that goes when the session goes."""

from __future__ import annotations

__all__ = ["Full", "Session", "Sessions"]

import secrets
import shutil
import tempfile
import threading
import time
from pathlib import Path

from caesura.studio.settings import Settings
from caesura.studio.shelf import Shelf


class Full(RuntimeError):
    """A limit is reached; the message says which and what to do."""


class Session:
    """What one client has."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700)
        self.id = secrets.token_urlsafe(32)
        self.shelf = Shelf(folder)
        self.used = time.monotonic()

    def close(self) -> None:
        """Remove everything."""
        self.shelf.close()
        shutil.rmtree(self.shelf.folder, ignore_errors=True)


class Sessions:
    """All sessions, in a temporary folder that `close` removes."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._root = Path(tempfile.mkdtemp(prefix="caesura-studio-", dir=settings.work))
        self._open: dict[str, Session] = {}
        self._lock = threading.Lock()
        self._count = 0

    def __len__(self) -> int:
        return len(self._open)

    def create(self) -> Session:
        """A new session.

        Raises:
            Full: there are as many as there may be.
        """
        with self._lock:
            if len(self._open) >= self._settings.most_sessions:
                raise Full(f"{len(self._open)} sessions are open, which is all there may be: close one or try later")
            self._count += 1
            session = Session(self._root / str(self._count))
            self._open[session.id] = session
        return session

    def get(self, key: str) -> Session | None:
        """The session of that id, which counts as used now."""
        with self._lock:
            session = self._open.get(key)
        if session is not None:
            session.used = time.monotonic()
        return session

    def all(self) -> list[Session]:
        """Every session."""
        with self._lock:
            return list(self._open.values())

    def end(self, session: Session) -> None:
        """Remove a session."""
        with self._lock:
            self._open.pop(session.id, None)
        session.close()

    def idle(self) -> list[Session]:
        """Sessions that nobody has used for too long."""
        oldest = time.monotonic() - self._settings.idle_seconds
        with self._lock:
            return [session for session in self._open.values() if session.used < oldest]

    def close(self) -> None:
        """Remove every session and the folder."""
        for session in self.all():
            self.end(session)
        shutil.rmtree(self._root, ignore_errors=True)
