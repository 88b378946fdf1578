"""Limits of requests: the size of a body, the time, and the number of concurrent requests."""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happysad.web.http.counters import Counters
from happysad.web.http.error_responses import error_response
from happysad.web.http.settings import Settings

__all__ = ["Limits", "WholeRequests"]

# Seconds for which the server keeps reading from a refused client that is still sending, so that
# the client receives the answer instead of a broken connection.
_LISTEN = 1.0
_TOO_MANY, _LATER = "too many requests at once; try again", {"Retry-After": "1"}


class Limits:
    """Refuses requests that are too large, too slow or too many at once, except GET and HEAD.

    A body that is too large is refused by its Content-Length before it is read, or as soon as too
    much of it has arrived. At most `max_body` bytes of it are in memory at any time.
    """

    def __init__(self, app: ASGIApp, settings: Settings, counters: Counters) -> None:
        """Wrap an app."""
        self._app = app
        self._settings = settings
        self._counters = counters
        self._now = self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        elif _length(scope) > self._settings.max_body:
            await error_response(413, self._size_allowed())(scope, receive, send)
        elif self._now >= self._settings.max_requests:
            await error_response(429, _TOO_MANY, _LATER)(scope, receive, send)
        else:
            self._now += 1
            self._counters.busy.set(self._now)
            try:
                await self._limited(scope, receive, send)
            finally:
                self._now -= 1
                self._counters.busy.set(self._now)

    async def _limited(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0
        whole = started = False

        async def receiving() -> Message:
            nonlocal size, whole
            if whole:
                return await receive()
            try:
                with anyio.fail_after(self._settings.idle_seconds):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, "the request arrived too slowly") from None
            size += len(message.get("body", b""))
            self._hold(len(message.get("body", b"")))
            if refusal := self._refusal(size):
                self._hold(-size)  # at once, not only when the client has read the answer
                size = 0
                raise refusal
            whole = not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            with anyio.move_on_after(self._settings.request_seconds) as timer:
                await self._app(scope, receiving, sending)
        finally:
            self._hold(-size)
        if timer.cancelled_caught and not started:
            if whole:
                response = error_response(503, "the answer took too long", _LATER)
            else:
                response = error_response(408, "the request arrived too slowly")
            await response(scope, receive, send)

    def _refusal(self, size: int) -> HTTPException | None:
        if size > self._settings.max_body:
            return HTTPException(413, self._size_allowed())
        if self._held > self._settings.max_held:
            return HTTPException(429, _TOO_MANY, _LATER)
        return None

    def _hold(self, size: int) -> None:
        self._held += size
        self._counters.held.set(self._held)

    def _size_allowed(self) -> str:
        return f"the body is too large (at most {self._settings.max_body:,} bytes)"


class WholeRequests:
    """Closes the connection after an answer that is sent before the whole request has arrived.

    Otherwise the server would read the rest, however long, to reuse the connection. A request with
    two lengths (RFC 9112 section 6.1) is refused: a proxy in front could see two requests in it.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        app = self._app
        if "content-length" in headers and "transfer-encoding" in headers:
            app = error_response(
                400, "a request may have Content-Length or Transfer-Encoding, not both"
            )
        whole = False

        async def receiving() -> Message:
            nonlocal whole
            message = await receive()
            whole = not message.get("more_body", False)
            return message

        async def sending(message: Message) -> None:
            if whole:
                await send(message)
            elif message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)
            elif message.get("more_body", False):
                await send(message)
            else:
                await send({**message, "more_body": True})
                with anyio.move_on_after(_LISTEN):
                    while not whole:
                        await receiving()
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await app(scope, receiving, sending)


def _has_body(scope: Scope) -> bool:
    return _length(scope) > 0 or "transfer-encoding" in Headers(scope=scope)


def _length(scope: Scope) -> int:
    """Return the Content-Length; the server has checked that the body is no longer than that."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0
