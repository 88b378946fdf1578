"""The app: the page, the REST server, Live and Teach, behind the guard and the limits."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from happysad import __version__
from happysad.web import live, rest, teach
from happysad.web.answers import handle_errors
from happysad.web.choice import recall
from happysad.web.jobs import Jobs
from happysad.web.limits import Limits, WholeRequests
from happysad.web.metrics import Metrics
from happysad.web.security import Guard, SafeHeaders
from happysad.web.serving import Serving, load
from happysad.web.settings import Settings
from happysad.web.watch import Watch

__all__ = ["create_app"]

_STATIC = Path(str(files("happysad.web") / "static"))


def create_app(settings: Settings) -> FastAPI:
    """Make an app with its classifier loaded.

    Raises:
        ClassifierError: there is none at `settings.model`.
    """
    app = FastAPI(
        title="happysad",
        version=__version__,
        summary="Tell happy from sad in pictures of people.",
        # Their pages would load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    metrics, jobs, own = Metrics(), Jobs(settings.folder), load(settings.model)
    app.state.serving = Serving(
        settings=settings,
        own=own,
        in_use=recall(jobs) or own,
        metrics=metrics,
        threads=CapacityLimiter(settings.workers),
    )
    app.state.jobs = jobs
    handle_errors(app)
    app.include_router(rest.router)
    app.include_router(live.router)
    app.include_router(teach.router)
    app.add_api_route("/", page, include_in_schema=False)
    app.mount("/static", _Static(directory=_STATIC))
    # The last one added is the outermost.
    app.add_middleware(Limits, settings=settings, metrics=metrics)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(WholeRequests)
    app.add_middleware(Watch, metrics=metrics)
    app.add_middleware(SafeHeaders)
    return app


async def page(request: Request) -> FileResponse:
    """Give the page."""
    return FileResponse(_STATIC / "index.html", media_type="text/html")


class _Static(StaticFiles):
    """The page's files; browsers ask each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
