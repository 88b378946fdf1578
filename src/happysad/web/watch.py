"""A line in the log and a count for each answer; neither holds a picture or a token."""

from __future__ import annotations

import contextlib
import logging
import time
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from happysad.web.answers import failure
from happysad.web.metrics import Metrics

__all__ = ["Watch"]

_LOG = logging.getLogger("happysad.web")
# Any other method or path counts as "other": a client cannot make up counters.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# What is logged and counted of a client that went away before its answer, as nginx says it.
_GONE = 499


class Watch:
    """Logs and counts; where something went wrong that nobody foresaw, answers 500, or 1011.

    The log says the path without what follows its question mark. What was only looked at, and
    was there, is logged at level DEBUG.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        """Wrap an app."""
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
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
            with contextlib.suppress(Exception):  # it may be closed already
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
                raise  # too late for an answer: the connection ends
            await failure(500, "an internal error; the server's log says more")(
                scope, receive, sending
            )
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "other")
        self._metrics.requests.labels(method, route, status).inc()
        self._metrics.seconds.labels(route).observe(seconds)
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


def _client(scope: Scope) -> str:
    return str((scope.get("client") or ("-",))[0])
