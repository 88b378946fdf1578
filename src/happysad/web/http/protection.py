"""The layers around every app: limits, access control, the log and safe headers."""

from __future__ import annotations

from fastapi import FastAPI

from happysad.web.http.counters import Counters
from happysad.web.http.error_responses import handle_errors
from happysad.web.http.limits import Limits, WholeRequests
from happysad.web.http.plain_requests import PlainRequests
from happysad.web.http.request_log import RequestLog
from happysad.web.http.security import Guard, SafeHeaders
from happysad.web.http.settings import Settings

__all__ = ["protect"]


def protect(app: FastAPI, settings: Settings, counters: Counters) -> None:
    """Add the layers to an app, and turn the errors of its routes into error answers."""
    handle_errors(app)
    # The last middleware that is added is the outermost.
    app.add_middleware(Limits, settings=settings, counters=counters)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(WholeRequests)
    app.add_middleware(RequestLog, counters=counters)
    app.add_middleware(SafeHeaders)
    app.add_middleware(PlainRequests, root_path=settings.root_path)
