"""Work for the models: a bounded queue, one supervised process per device, progress, cancelling, restarts."""

from __future__ import annotations

__all__ = ["Job", "Jobs"]

import contextlib
import shutil
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from caesura.studio.process import Crashed, Process
from caesura.studio.sessions import Full, Session
from caesura.studio.settings import Settings
from caesura.studio.tasks import Task
from caesura.studio.worker import Cancelled

MOST_KEPT = 100  # jobs of a session that can be looked up after they have ended
ENDED = ("done", "failed", "cancelled")

Deliver = Callable[[Any], dict[str, Any]]
"""Turns what a task returned into what the job shows; called once the task is done."""


@dataclass(eq=False)
class Job:
    """A task of a session and what became of it."""

    id: str
    kind: str
    session: Session
    task: Task
    deliver: Deliver
    folder: Path
    """Where the task writes; removed unless the task succeeds."""
    sound: str | None = None
    says: Callable[[str], str] = str
    """Puts the client's names for files into a message."""
    state: str = "queued"
    progress: float = 0.0
    error: str = ""
    created: float = field(default_factory=time.time)
    started: float | None = None
    finished: float | None = None
    result: dict[str, Any] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED


class Jobs:
    """The queue and its workers; safe for many threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._waiting: list[Job] = []
        self._ready = threading.Condition()
        self._stopped = False
        self.processes = [Process(device, settings.grace_seconds) for device in settings.devices]
        self._threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for each in self.processes]

    def start(self) -> None:
        """Start the workers."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the workers; jobs that are not done are cancelled."""
        with self._ready:
            self._stopped = True
            for job in self._jobs.values():
                job.cancelled.set()
            self._ready.notify_all()
        for process in self.processes:
            process.unwanted.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(self._settings.grace_seconds + 5.0)

    def add(self, job: Job) -> Job:
        """Queue a job.

        Raises:
            Full: too many wait already.
        """
        with self._ready:
            if len(self._waiting) >= self._settings.most_queued:
                raise Full(f"{len(self._waiting)} jobs wait already, which is all there may be: try again in a minute")
            own = sum(other.session is job.session and not other.ended for other in self._jobs.values())
            if own >= self._settings.most_own:
                raise Full(f"{own} jobs of this session wait or run already: let one end, or cancel one")
            self._jobs[job.id] = job
            self._waiting.append(job)
            self._forget(job.session)
            self._ready.notify()
        return job

    def of(self, session: Session) -> list[Job]:
        """The session's jobs, the oldest first."""
        with self._ready:
            return [job for job in self._jobs.values() if job.session is session]

    def get(self, session: Session, key: str) -> Job | None:
        """A job of this session."""
        job = self._jobs.get(key)
        return job if job is not None and job.session is session else None

    def position(self, job: Job) -> int:
        """How many jobs come before this one."""
        with self._ready:
            busy = sum(process.state == "busy" for process in self.processes)
            return self._waiting.index(job) + busy if job in self._waiting else 0

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return len(self._waiting)

    def cancel(self, job: Job) -> None:
        """Stop a job; one that waits ends at once, one that runs as soon as its method listens or its time is up."""
        job.cancelled.set()
        with self._ready:
            if job in self._waiting:
                self._waiting.remove(job)
                self._end(job, "cancelled")

    def drop(self, session: Session) -> None:
        """Cancel and forget everything of a session."""
        for job in self.of(session):
            self.cancel(job)
            with self._ready:
                self._jobs.pop(job.id, None)

    def _work(self, process: Process) -> None:
        with contextlib.suppress(Crashed):  # the next job tries again, and says so
            process.start()
        while True:
            with self._ready:
                while not self._waiting and not self._stopped:
                    self._ready.wait()
                if self._stopped:
                    break
                job = self._waiting.pop(0)
                job.state, job.started = "running", time.time()
                process.state = "busy"
            self._do(job, process)
            process.state = "idle"
        process.stop()

    def _do(self, job: Job, process: Process) -> None:
        def heard(fraction: float) -> None:
            job.progress = min(max(fraction, job.progress), 1.0)

        try:
            answer = process.do(job.task, heard, job.cancelled)
            if job.cancelled.is_set():
                raise Cancelled
            job.result = job.deliver(answer)
        except Cancelled:
            self._end(job, "cancelled")
        except Crashed as error:
            self._end(job, "failed", str(error))
        except (ValueError, OSError, LookupError) as error:
            self._end(job, "failed", job.says(str(error)))
        except Exception as error:  # a fault of ours: the job ends, the thread that does the jobs does not
            traceback.print_exc()
            told = f"this is a fault of caesura, please report it: {type(error).__name__}: {error}"
            self._end(job, "failed", told)
        else:
            job.progress = 1.0
            self._end(job, "done")

    def _end(self, job: Job, state: str, error: str = "") -> None:
        if state != "done":
            shutil.rmtree(job.folder, ignore_errors=True)
        job.error, job.finished, job.state = error, time.time(), state

    def _forget(self, session: Session) -> None:
        """Drop the oldest ended jobs of a session beyond those that are kept."""
        ended = [job for job in self._jobs.values() if job.session is session and job.ended]
        for job in ended[: max(len(ended) - MOST_KEPT, 0)]:
            del self._jobs[job.id]
