"""The page on which people decide on labels that are probably wrong, one key for each decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from happysad.errors import UsageError, counted
from happysad.images import read
from happysad.label_review import (
    DECISIONS,
    SUSPECTS,
    Decision,
    Suspect,
    read_decisions,
    read_suspects,
    write_decisions,
)
from happysad.reports.page import small_jpeg
from happysad.web.http import server
from happysad.web.http.counters import Counters
from happysad.web.http.protection import protect
from happysad.web.http.request_log import log_to_stderr
from happysad.web.http.settings import Settings

__all__ = ["Review", "create_review", "serve_review"]

_STATIC = Path(str(files("happysad.web") / "static"))
# Maximum side of a photo on the page, in pixels.
_SIDE = 960


class Chosen(BaseModel):
    """A decision, as the page sends it."""

    label: str
    """The right class; "" to leave the photo out."""


class Review:
    """The suspects of a check, and the decisions on them, which are written at once."""

    def __init__(self, data: Path, folder: Path) -> None:
        """Read the files of a check.

        Args:
            data: the data folder; nothing in it is changed.
            folder: the folder of the check.

        Raises:
            UsageError: the check did not look for wrong labels.
            DatasetError: a file cannot be read.
        """
        if not (folder / SUSPECTS).is_file():
            raise UsageError(
                f"{folder}: has no {SUSPECTS}; first run happysad check {data} --labels"
            )
        self.data = data
        self.file = folder / DECISIONS
        self.suspects = {one.pixels: one for one in read_suspects(folder / SUSPECTS)}
        self.decisions = read_decisions(self.file)

    @property
    def classes(self) -> list[str]:
        """The classes of the suspects."""
        return sorted(
            {name for one in self.suspects.values() for name in (one.label, one.suggested)}
        )

    def suspect(self, pixels: str) -> Suspect:
        """Return a suspect.

        Raises:
            HTTPException: there is none with these pixels.
        """
        if pixels not in self.suspects:
            raise HTTPException(404, "no such photo")
        return self.suspects[pixels]

    def decide(self, pixels: str, label: str | None) -> None:
        """Keep a decision; None takes it back."""
        one = self.suspect(pixels)
        if label is None:
            self.decisions.pop(pixels, None)
        elif label not in ("", *self.classes):
            raise HTTPException(422, f"label must be empty or one of {', '.join(self.classes)}")
        else:
            self.decisions[pixels] = Decision(pixels, one.path, one.label, label)
        write_decisions(self.file, self.decisions)


def serve_review(
    data: Path, folder: Path, settings: Settings, *, browser: bool, say: Callable[[str], None]
) -> None:
    """Serve the page until the process is stopped.

    Args:
        data: the data folder.
        folder: the folder of the check.
        settings: the server's settings.
        browser: whether to open the page in the browser.
        say: called with each line for the user, such as the address.

    Raises:
        UsageError: as for `Review`; or the server cannot listen on the address.
    """
    review = Review(data, folder)
    with log_to_stderr():
        name = f"{counted(len(review.suspects), 'photo')} to review"
        app = create_review(review, settings)
        server.run(app, settings, name=name, browser=browser, say=say)
    say(f"{counted(len(review.decisions), 'decision')} in {review.file}; train uses them")


def create_review(review: Review, settings: Settings) -> FastAPI:
    """Return the app of the page."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)

    @app.get("/")
    async def page() -> FileResponse:
        return FileResponse(_STATIC / "review.html", media_type="text/html")

    @app.get("/v1/review")
    async def suspects() -> dict[str, Any]:
        rows = [
            {**asdict(one), "decided": getattr(review.decisions.get(one.pixels), "label", None)}
            for one in review.suspects.values()
        ]
        return {"classes": review.classes, "photos": rows, "file": str(review.file)}

    @app.get("/v1/review/{pixels}")
    def photo(pixels: str) -> Response:
        """Return the photo as a JPEG that happysad writes, whatever the file contains."""
        picture = read(review.data / review.suspect(pixels).path)
        return Response(small_jpeg(picture, _SIDE), media_type="image/jpeg")

    @app.put("/v1/review/{pixels}", status_code=204)
    async def decide(pixels: str, chosen: Chosen) -> None:
        review.decide(pixels, chosen.label)

    @app.delete("/v1/review/{pixels}", status_code=204)
    async def undo(pixels: str) -> None:
        review.decide(pixels, None)

    app.mount("/static", StaticFiles(directory=_STATIC))
    protect(app, settings, Counters())
    return app
