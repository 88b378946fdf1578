"""The app: the page, the REST interface, Live and Teach, behind the guard and the limits."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from happysad import __version__
from happysad.folder_walk import ENDINGS, FILMS, LIVE_PHOTOS, NAMES
from happysad.web.api import live, rest
from happysad.web.api.in_use import ServerState, load
from happysad.web.drawn_examples import EXAMPLES, drawn_example
from happysad.web.http import server
from happysad.web.http.counters import Counters
from happysad.web.http.protection import protect
from happysad.web.http.request_log import log_to_stderr
from happysad.web.http.settings import Settings
from happysad.web.teach import routes
from happysad.web.teach.choice import recall
from happysad.web.teach.jobs import COMMAND, Jobs

__all__ = ["create_app", "left_out_module", "serve"]

_STATIC = Path(str(files("happysad.web") / "static"))


def serve(settings: Settings, *, browser: bool, say: Callable[[str], None], view: str = "") -> None:
    """Serve the page and the REST interface until the process is stopped.

    Args:
        settings: the server's settings.
        browser: whether to open the page in the browser.
        say: called with each line for the user, such as the address.
        view: the view that the page opens with, such as "#live"; "" for the first.

    Raises:
        UsageError: the server cannot listen on the address.
        ClassifierError: there is no classifier at `settings.model`.
    """
    with log_to_stderr():
        app = create_app(settings)
        name = app.state.server.in_use.name
        server.run(app, settings, name=name, browser=browser, say=say, view=view)


def create_app(settings: Settings, *, lesson: tuple[str, ...] = COMMAND) -> FastAPI:
    """Return an app with its classifier loaded.

    Args:
        settings: the server's settings.
        lesson: the program that Teach checks and trains with; see `teach.jobs.Jobs`.

    Raises:
        ClassifierError: there is no classifier at `settings.model`.
    """
    app = FastAPI(
        title="happysad",
        version=__version__,
        summary="Tell happy from sad in pictures of people.",
        # FastAPI's own pages would load scripts from other servers.
        docs_url=None,
        redoc_url=None,
        # Its own route would write the description again for each request.
        openapi_url=None,
        redirect_slashes=False,
    )
    counters, jobs = Counters(), Jobs(settings.folder, command=lesson)
    own = load(settings.model, settings.answers)
    app.state.server = ServerState(
        settings=settings,
        own=own,
        in_use=recall(jobs) or own,
        counters=counters,
        threads=CapacityLimiter(settings.workers),
    )
    app.state.jobs = jobs
    app.include_router(rest.router)
    app.include_router(live.router)
    app.include_router(routes.router)
    app.add_api_route("/", page, include_in_schema=False)
    app.add_api_route("/openapi.json", description, include_in_schema=False)
    app.add_api_route("/static/left_out.js", left_out, include_in_schema=False)
    app.add_api_route("/static/examples/drawn-{number:int}.jpg", drawn, include_in_schema=False)
    app.mount("/static", _Static(directory=_STATIC))
    protect(app, settings, counters)
    return app


async def page(request: Request) -> FileResponse:
    """Return the page."""
    return FileResponse(_STATIC / "index.html", media_type="text/html")


async def description(request: Request) -> Response:
    """Return the description of all routes in OpenAPI."""
    state = request.app.state
    if not hasattr(state, "description"):
        state.description = json.dumps(request.app.openapi()).encode()
    return Response(state.description, media_type="application/json")


def left_out_module() -> str:
    """Return what `folder_walk` leaves out, as a module for the page."""
    values = {"NAMES": sorted(NAMES), "ENDINGS": ENDINGS, "FILMS": FILMS}
    values |= {"LIVE_PHOTOS": LIVE_PHOTOS}
    return "".join(f"export const {name} = {json.dumps(v)};\n" for name, v in values.items())


async def left_out() -> Response:
    """Return this module."""
    headers = {"Cache-Control": "no-cache"}
    return Response(left_out_module(), media_type="text/javascript", headers=headers)


def drawn(number: int) -> Response:
    """Return an example of Try."""
    if not 1 <= number <= EXAMPLES:
        raise HTTPException(404, "Not Found")
    headers = {"Cache-Control": "no-cache"}
    return Response(drawn_example(number), media_type="image/jpeg", headers=headers)


class _Static(StaticFiles):
    """Serves the page's files; browsers check each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
