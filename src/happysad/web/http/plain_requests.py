"""Requests as the routes know them: GET for HEAD, and the path below which a proxy serves."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["PlainRequests"]


class PlainRequests:
    """Answers HEAD wherever GET has an answer, and below a path as without it.

    To HEAD, the server sends the headers alone.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        """Wrap an app.

        Args:
            app: the app.
            root_path: the path that a proxy puts before every address, removed again or not.
        """
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        if self._root_path and scope["type"] in ("http", "websocket"):
            path, root = scope["path"], self._root_path
            whole = path if f"{path}/".startswith(f"{root}/") else root + path
            scope = {**scope, "root_path": root, "path": whole}
        await self._app(scope, receive, send)
