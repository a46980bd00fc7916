"""One worker process, seen from the server: started, spoken to, ended, and started again when it dies."""

from __future__ import annotations

__all__ = ["Crashed", "Process"]

import multiprocessing
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Literal

from caesura.studio.tasks import Task
from caesura.studio.worker import Cancelled, serve

LISTEN = 0.05  # seconds between two looks at whether a job was cancelled
START = 120.0  # seconds that a process may take to start on a busy machine
ATTEMPTS = 3  # to start one that ends before it listens


class Crashed(RuntimeError):
    """The worker ended in the middle of a task."""


class Process:
    """A worker process; used by one thread."""

    def __init__(self, device: str, grace: float) -> None:
        self.device = device
        self.state: Literal["starting", "idle", "busy", "stopped"] = "starting"
        self.restarts = 0
        self.unwanted = threading.Event()
        """Set by whoever ends the studio, so that it need not wait for a process that still starts."""
        self._grace = grace
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the process and wait until it listens.

        Raises:
            Crashed: it ended before that, and so did those that were started in its place.
        """
        self.state = "starting"
        for _ in range(ATTEMPTS):
            self._spawn()
            try:
                self._await()
            except (EOFError, OSError):
                how = _ended(self._end())
                self.restarts += 1
            else:
                self.state = "idle"
                return
        raise Crashed(f"the worker on {self.device} does not start ({how}): see what the studio printed")

    def _spawn(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.device), name="caesura-worker", daemon=True)
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours

    def _await(self) -> None:
        """Wait for the first message."""
        assert self._pipe is not None
        until = time.monotonic() + START
        while not self._pipe.poll(LISTEN) and time.monotonic() < until and not self.unwanted.is_set():
            pass
        if self._pipe.poll():
            self._hear()

    def do(self, task: Task, heard: Callable[[float], None], cancelled: threading.Event) -> Any:
        """Do a task.

        Args:
            task: what to do.
            heard: called with the fraction done.
            cancelled: set by whoever no longer wants it.

        Returns:
            what the task returns.

        Raises:
            Cancelled: it was.
            Crashed: the process died; it has been started again, or does not start.
            ValueError: it cannot be done; the message says why.
        """
        if self._pipe is None:
            self.start()
        assert self._pipe is not None
        try:
            self._pipe.send(("task", task))
            return self._followed(self._pipe, heard, cancelled)
        except (EOFError, BrokenPipeError, ConnectionError) as error:
            how = self._again()
            raise Crashed(
                f"the worker on {self.device} ended in the middle of this ({how}); it has been started again: "
                "try once more, with a shorter region or fewer candidates if it was short of memory"
            ) from error

    def stop(self) -> None:
        """End the process."""
        self.state = "stopped"
        self._end()

    def _followed(self, pipe: Connection, heard: Callable[[float], None], cancelled: threading.Event) -> Any:
        deadline = None
        while True:
            if pipe.poll(LISTEN):
                kind, *content = self._hear()
                if kind == "progress":
                    heard(content[0])
                elif kind == "done":
                    return content[0]
                elif kind == "failed":
                    raise ValueError(content[0])
                elif kind == "cancelled":
                    raise Cancelled
            if cancelled.is_set() and deadline is None:
                deadline = time.monotonic() + self._grace
                pipe.send(("cancel",))
            if deadline is not None and time.monotonic() > deadline:
                self._again()
                raise Cancelled

    def _hear(self) -> tuple[Any, ...]:
        assert self._pipe is not None
        message: tuple[Any, ...] = self._pipe.recv()
        return message

    def _again(self) -> str:
        """End what is left of the process, start another, and say how the old one ended."""
        how = _ended(self._end())
        self.restarts += 1
        self.start()
        return how

    def _end(self) -> int | None:
        process, pipe = self._process, self._pipe
        if process is None or pipe is None:
            return None
        process.join(0.2)  # one that died by itself has an exit code of its own
        if process.is_alive():
            process.terminate()
            process.join(self._grace)
        if process.is_alive():
            process.kill()
            process.join()
        pipe.close()
        self._process = self._pipe = None
        return process.exitcode


def _ended(code: int | None) -> str:
    return f"signal {signal.Signals(-code).name}" if code is not None and code < 0 else f"exit code {code}"
