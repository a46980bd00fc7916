"""The process that owns the models of a device: tasks come in through a pipe, progress and results go back.

    server -> ("task", task) | ("cancel",) | ("stop",)
    worker -> ("ready",) | ("progress", fraction) | ("done", result) | ("failed", words) | ("cancelled",)

It is started afresh (`spawn`), so that it shares no locks or threads with the server, and ends when the pipe does.
"""

from __future__ import annotations

__all__ = ["Cancelled", "serve"]

import os
import signal
import time
import traceback
from multiprocessing.connection import Connection
from typing import Any

APART = 0.05  # seconds between two messages on progress


class Cancelled(Exception):
    """The server no longer wants the result."""


def serve(pipe: Connection, device: str) -> None:
    """Do tasks until the pipe ends.

    Args:
        pipe: to the server.
        device: cpu or cuda:0 and so on; the only one that is seen.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the server, which ends this
    os.environ["CUDA_VISIBLE_DEVICES"] = device.partition(":")[2] if device.startswith("cuda") else ""
    from caesura.studio.tasks import run

    pipe.send(("ready",))
    while True:
        try:
            message = pipe.recv()
        except (EOFError, OSError):
            return
        if message[0] == "stop":
            return
        if message[0] == "task":
            try:
                pipe.send(_answer(run, message[1], pipe))
            except (BrokenPipeError, OSError):
                return


def _answer(run: Any, task: Any, pipe: Connection) -> tuple[Any, ...]:
    try:
        return "done", run(task, _Reporter(pipe))
    except Cancelled:
        return ("cancelled",)
    except (ValueError, OSError, MemoryError) as error:
        return "failed", str(error) or type(error).__name__
    except Exception as error:  # a fault of ours: the job ends, the worker does not
        traceback.print_exc()
        return "failed", f"this is a fault of caesura, please report it: {type(error).__name__}: {error}"


class _Reporter:
    """Sends progress, not too often, and stops the task when the server says so."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._last = 0.0

    def __call__(self, fraction: float) -> None:
        try:
            if self._pipe.poll() and self._pipe.recv()[0] in ("cancel", "stop"):
                raise Cancelled
            now = time.monotonic()
            if now - self._last >= APART:
                self._last = now
                self._pipe.send(("progress", float(fraction)))
        except (EOFError, BrokenPipeError, OSError):
            raise Cancelled from None
