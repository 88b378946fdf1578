"""Log and count each answer, without any data of a picture and without tokens."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happysad.web.http.counters import Counters
from happysad.web.http.error_responses import error_response

__all__ = ["RequestLog", "log_to_stderr"]

_LOG = logging.getLogger("happysad.web")
# All other methods and unknown paths count as "other", so that clients cannot create counters.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# The status that is logged and counted if a client disconnects before its answer, as in nginx.
_GONE = 499


class RequestLog:
    """Logs and counts each answer, and turns unexpected errors into status 500 or close code 1011.

    The log has the path without its query. A successful GET is logged at level DEBUG.
    """

    def __init__(self, app: ASGIApp, counters: Counters) -> None:
        """Wrap an app."""
        self._app = app
        self._counters = counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and log its answer."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
        elif scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        try:
            await self._app(scope, receive, send)
        except Exception:
            _LOG.exception("%s failed", quote(scope["path"]))
            with contextlib.suppress(Exception):  # the socket may be closed already
                await send({"type": "websocket.close", "code": 1011})
        finally:
            seconds = time.perf_counter() - began
            _LOG.info("%s %s ended after %.0f s", _client(scope), quote(scope["path"]), seconds)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            status = _GONE
        except Exception:
            _LOG.exception("%s %s failed", scope["method"], quote(scope["path"]))
            if status:
                raise  # the answer has begun, so the connection can only be closed
            response = error_response(500, "internal error; see the server's log")
            await response(scope, receive, sending)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "other")
        self._counters.requests.labels(method, route, status).inc()
        self._counters.seconds.labels(route).observe(seconds)
        level = logging.DEBUG if method == "GET" and status < 400 else logging.INFO
        _LOG.log(
            level,
            "%s %s %s %d %.0f ms",
            _client(scope),
            method,
            quote(scope["path"]),
            status,
            seconds * 1000,
        )


@contextlib.contextmanager
def log_to_stderr() -> Iterator[None]:
    """Write the server's log and uvicorn's warnings to standard error while the context is open."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    loggers = (_LOG, logging.INFO), (logging.getLogger("uvicorn"), logging.WARNING)
    before = [(logger, logger.handlers[:], logger.level, logger.propagate) for logger, _ in loggers]
    for logger, level in loggers:
        logger.handlers[:] = [handler]
        logger.setLevel(level)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:] = handlers
            logger.setLevel(level)
            logger.propagate = propagate


def _client(scope: Scope) -> str:
    return str((scope.get("client") or ("-",))[0])
