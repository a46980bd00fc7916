"""Who may speak to the studio, and what browsers are told: hosts, origins, the token, sizes, security headers."""

from __future__ import annotations

__all__ = ["POLICY", "Guard"]

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from caesura.studio.settings import Settings, is_loopback

TOKEN = "caesura_token"
LARGEST_BODY = 8 << 20  # bytes of a request that is no upload; 10,000 regions take about 2 MB
UPLOADS = "/api/sounds"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; font-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), midi=(self)",
}


class Guard:
    """Stands before the application and turns away what does not belong here.

    A page of another site may make a browser send requests to this machine. Such a request names the site in `Origin`,
    or, after the site's name was pointed here, in `Host`; both are refused.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope, Headers(scope=scope))
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        await self._app(scope, self._measured(scope, receive), _with_headers(send))

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._settings.token and not is_loopback(_hostname(host)):
            return _answer(421, f"the host '{host[:100]}' is not this machine: open http://127.0.0.1 instead")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return _answer(403, f"requests from '{origin[:100]}' are not taken: open the studio's own page")
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"].startswith("/api"):
            return _answer(403, "requests from other sites are not taken: open the studio's own page")
        size = headers.get("content-length", "0")
        if not _is_upload(scope) and size.isdecimal() and int(size) > LARGEST_BODY:
            return _answer(413, f"the request of {size} bytes is larger than {LARGEST_BODY >> 20} MiB")
        return self._unknown(scope, headers)

    def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a client without the token; one that brings it in the address gets a cookie."""
        token = self._settings.token
        if not token:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and _same(given, token):
            answer = RedirectResponse("/", status_code=303)
            answer.set_cookie(TOKEN, token, httponly=True, samesite="strict")
            return answer
        kind, _, bearer = headers.get("authorization", "").partition(" ")
        if (kind.lower() == "bearer" and _same(bearer, token)) or _same(_cookie(headers), token):
            return None
        return _answer(401, "this studio asks for a token: open the address that `caesura studio` printed")

    def _measured(self, scope: Scope, receive: Receive) -> Receive:
        if _is_upload(scope):
            return receive
        taken = 0

        async def measured() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > LARGEST_BODY:
                raise HTTPException(413, f"the request is larger than {LARGEST_BODY >> 20} MiB")
            return message

        return measured


def _is_upload(scope: Scope) -> bool:
    return bool(scope["method"] == "POST" and scope["path"] == UPLOADS)


def _hostname(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _same(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(), wanted.encode())


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(TOKEN)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


def _answer(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status_code=status)


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sent
