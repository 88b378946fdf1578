"""Error answers: JSON with one line, the same for every route."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from happysad.errors import BusyError, HappysadError, ImageError, UsageError

__all__ = ["error_response", "handle_errors", "refuse"]

_LOG = logging.getLogger("happysad.web")


def error_response(
    status: int, error: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return an error answer, ``{"error": "one line"}``."""
    line = " ".join(error.split())
    return JSONResponse({"error": line}, status, headers=dict(headers or {}))


async def refuse(response: JSONResponse, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request, or a WebSocket that is not accepted, with an error."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope["extensions"]:
        await send({"type": "websocket.close", "code": 1008})
    else:
        await response(scope, receive, send)


def handle_errors(app: FastAPI) -> None:
    """Turn every error of an app's routes into an error answer."""
    app.add_exception_handler(HTTPException, _of_http)
    app.add_exception_handler(RequestValidationError, _of_validation)
    app.add_exception_handler(HappysadError, _of_happysad)


async def _of_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return error_response(error.status_code, error.detail, error.headers)


async def _of_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = " ".join(str(part) for part in first["loc"])
    return error_response(422, f"{place}: {first['msg'].lower()}")


async def _of_happysad(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, ImageError | UsageError):
        return error_response(422, str(error))
    if isinstance(error, BusyError):
        return error_response(409, str(error))
    _LOG.error("%s: %s", type(error).__name__, error)
    return error_response(500, str(error))
