"""Listens at an address and serves the studio there until it is interrupted."""

from __future__ import annotations

__all__ = ["address", "serve"]

import contextlib
import dataclasses
import errno
import socket
import threading
import webbrowser
from collections.abc import Callable

import uvicorn

from caesura.studio.app import create_app
from caesura.studio.settings import Settings

FAREWELL = 3  # seconds that open connections get when the studio ends
BACKLOG = 2048  # connections that may wait, as uvicorn has it
SOON = 1.0  # seconds after which the page is opened


def serve(settings: Settings, *, browser: bool, say: Callable[[str], None]) -> None:
    """Serve until interrupted.

    Args:
        settings: where and what.
        browser: whether to open the page.
        say: tells the person at the terminal.

    Raises:
        ValueError: the address is taken, or not one of this machine.
    """
    app = create_app(settings)
    with _listening(settings) as listener:
        actual = dataclasses.replace(settings, port=listener.getsockname()[1])
        say(f"caesura studio: open {address(actual)} (Ctrl-C ends it)")
        if browser:
            timer = threading.Timer(SOON, webbrowser.open, [address(actual)])
            timer.daemon = True
            timer.start()
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=FAREWELL,
            limit_concurrency=512,
        )  # fmt: skip
        with contextlib.suppress(KeyboardInterrupt):  # the way to end it
            uvicorn.Server(config).run(sockets=[listener])


def address(settings: Settings) -> str:
    """What to open in a browser."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "localhost") else settings.host
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{settings.port}/" + (f"?token={settings.token}" if settings.token else "")


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)  # before the address is told, so that nobody is turned away
    except OSError as error:
        listener.close()
        taken = error.errno == errno.EADDRINUSE
        why = "is taken: choose another --port" if taken else f"cannot be used: {error.strerror}"
        raise ValueError(f"{settings.host}:{settings.port} {why}") from None
    return listener
