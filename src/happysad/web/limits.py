"""How much a request may take: its body's size, its time, and how many there are at once."""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happysad.web.answers import failure
from happysad.web.metrics import Metrics
from happysad.web.settings import Settings

__all__ = ["Limits", "WholeRequests"]

# A client that was refused while it still sends is listened to for so many seconds, so that it
# reads the answer instead of a broken connection.
_LISTEN = 1.0
_TOO_MANY, _LATER = "too many requests at once; try again", {"Retry-After": "1"}


class Limits:
    """Refuses what is too large, too slow or too much at once; requests without a body pass.

    What is too large is refused by its Content-Length before anything is read, or as soon as more
    has come; no more than `max_body` bytes of it are ever held.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        """Wrap an app."""
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._now = self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it."""
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
        elif _length(scope) > self._settings.max_body:
            await failure(413, self._size_allowed())(scope, receive, send)
        elif self._now >= self._settings.max_requests:
            await failure(429, _TOO_MANY, _LATER)(scope, receive, send)
        else:
            self._now += 1
            self._metrics.busy.set(self._now)
            try:
                await self._limited(scope, receive, send)
            finally:
                self._now -= 1
                self._metrics.busy.set(self._now)

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
                raise HTTPException(408, "the request came too slowly") from None
            size += len(message.get("body", b""))
            self._hold(len(message.get("body", b"")))
            if refusal := self._refusal(size):
                self._hold(-size)  # now, not when the client has been told
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
                response = failure(503, "the answer took too long", _LATER)
            else:
                response = failure(408, "the request came too slowly")
            await response(scope, receive, send)

    def _refusal(self, size: int) -> HTTPException | None:
        if size > self._settings.max_body:
            return HTTPException(413, self._size_allowed())
        if self._held > self._settings.max_held:
            return HTTPException(429, _TOO_MANY, _LATER)
        return None

    def _hold(self, size: int) -> None:
        self._held += size
        self._metrics.held.set(self._held)

    def _size_allowed(self) -> str:
        return f"the body is too large (at most {self._settings.max_body:,} bytes)"


class WholeRequests:
    """Ends the connection where an answer was given before the request had come whole.

    Else what is still sent would be read, without an end, to keep the connection.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an app."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
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

        await self._app(scope, receiving, sending)


def _has_body(scope: Scope) -> bool:
    return _length(scope) > 0 or "transfer-encoding" in Headers(scope=scope)


def _length(scope: Scope) -> int:
    """Give what the request says of its body's size; the server has seen to it that it is true."""
    length = Headers(scope=scope).get("content-length", "0")
    return int(length) if length.isdecimal() else 0
