"""The application: routes behind a guard, workers beside it, and the built client in front.

app = create_app(Settings(folder=Path("takes")))
"""

from __future__ import annotations

__all__ = ["create_app"]

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

import caesura
from caesura.studio import schemas
from caesura.studio.catalogue import Catalogue
from caesura.studio.folder import Folder
from caesura.studio.guards import Guard
from caesura.studio.jobs import Jobs
from caesura.studio.routes import ROUTERS
from caesura.studio.sessions import Full, Sessions
from caesura.studio.settings import Settings
from caesura.studio.shelf import Missing
from caesura.studio.state import Studio

STATIC = Path(__file__).with_name("static")
SWEEP = 60.0  # seconds between two looks for sessions that nobody uses
REFUSALS = {
    400: "It cannot be done with this sound or these values.",
    401: "There is no session, or the token is missing.",
    404: "There is nothing of that id.",
    413: "It is larger than it may be.",
    422: "The request is not of the form it should have.",
    429: "Too much is going on: try again later.",
}
UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>caesura studio</title>
<h1>The server runs; its page is not built</h1>
<p>Wheels of caesura contain the page. In a checkout it is built with Node.js 22 or newer:</p>
<pre>cd web
npm ci
npm run build</pre>
<p>Then load this page again. Until then the interface is <a href="/api/openapi.json">/api/openapi.json</a>.</p></html>
"""


def create_app(settings: Settings) -> FastAPI:
    """The studio as an ASGI application; its workers start and end with the application's lifespan.

    Raises:
        ValueError: something in the settings does not exist.
    """
    app = FastAPI(
        title="caesura studio",
        version=caesura.__version__,
        description="See the sound, select, and repaint it.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
        generate_unique_id_function=lambda route: route.name,
        responses={status: {"model": schemas.Failure, "description": text} for status, text in REFUSALS.items()},
    )
    app.state.settings = settings
    app.state.catalogue = Catalogue(settings.weights)
    for router in ROUTERS:
        app.include_router(router)
    _say_errors_in_words(app)
    _serve_page(app)
    app.add_middleware(Guard, settings=settings)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    studio = Studio(settings, Sessions(settings), Jobs(settings), app.state.catalogue, Folder(settings.folder))
    app.state.studio = studio
    studio.jobs.start()
    sweeper = asyncio.create_task(_sweep(studio))
    try:
        yield
    finally:
        studio.closing = True
        sweeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sweeper
        await asyncio.to_thread(studio.jobs.stop)
        await asyncio.to_thread(studio.sessions.close)


async def _sweep(studio: Studio) -> None:
    """Remove sessions that nobody uses, except while they wait for something."""
    while True:
        await asyncio.sleep(SWEEP)
        for session in studio.sessions.idle():
            if all(job.ended for job in studio.jobs.of(session)):
                studio.jobs.drop(session)
                await asyncio.to_thread(studio.sessions.end, session)


def _say_errors_in_words(app: FastAPI) -> None:
    async def invalid(_request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return _refusal(422, f"{where}: {first['msg']}")

    async def http(_request: Request, error: HTTPException) -> Response:
        return _refusal(error.status_code, str(error.detail), dict(error.headers or {}))

    async def value(request: Request, error: ValueError) -> Response:
        return _refusal(400, _words(request, error))

    async def missing(_request: Request, error: Missing) -> Response:
        return _refusal(404, str(error.args[0]))

    async def full(_request: Request, error: Full) -> Response:
        return _refusal(429, str(error), {"Retry-After": "30"})

    async def system(request: Request, error: OSError) -> Response:
        status = 507 if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else 503
        return _refusal(status, _words(request, error))

    handlers = {
        RequestValidationError: invalid, HTTPException: http, ValueError: value, Missing: missing, Full: full,
        OSError: system,
    }  # fmt: skip
    for kind, handler in handlers.items():
        app.add_exception_handler(kind, handler)  # type: ignore[arg-type]


def _words(request: Request, error: Exception) -> str:
    """A message without places on this machine."""
    studio: Studio = request.app.state.studio
    message = str(error)
    for session in studio.sessions.all():
        message = studio.words(session, message)
    return message


def _refusal(status: int, detail: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": detail}, status, headers)


def _serve_page(app: FastAPI) -> None:
    if (STATIC / "index.html").is_file():
        app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
        return

    @app.get("/", include_in_schema=False)
    def unbuilt() -> Response:
        """What to do when the client is not built."""
        return HTMLResponse(UNBUILT, 503)
