"""The page on which people decide on labels that are probably wrong or missing, by one key each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    Unlabelled,
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
    """Photos to decide on, and the decisions, which are written at once."""

    def __init__(
        self,
        data: Path,
        folder: Path,
        photos: Sequence[Suspect] | Sequence[Unlabelled],
        classes: Sequence[str],
    ) -> None:
        """Review some photos.

        Args:
            data: the data folder; nothing in it is changed.
            folder: the folder of the check, to which the decisions are written.
            photos: the photos, in their order.
            classes: the classes that may be chosen.

        Raises:
            DatasetError: the decisions cannot be read.
        """
        self.data = data
        self.file = folder / DECISIONS
        self.photos = {one.pixels: one for one in photos}
        self.classes = list(classes)
        self.decisions = read_decisions(self.file)

    @classmethod
    def of_suspects(cls, data: Path, folder: Path) -> Review:
        """Review the suspects of a check.

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
        suspects = read_suspects(folder / SUSPECTS)
        classes = sorted({name for one in suspects for name in (one.label, one.suggested)})
        return cls(data, folder, suspects, classes)

    def photo(self, pixels: str) -> Suspect | Unlabelled:
        """Return a photo.

        Raises:
            HTTPException: there is none with these pixels.
        """
        if pixels not in self.photos:
            raise HTTPException(404, "no such photo")
        return self.photos[pixels]

    def decide(self, pixels: str, label: str | None) -> None:
        """Keep a decision; None takes it back."""
        one = self.photo(pixels)
        if label is None:
            self.decisions.pop(pixels, None)
        elif label not in ("", *self.classes):
            raise HTTPException(422, f"label must be empty or one of {', '.join(self.classes)}")
        else:
            self.decisions[pixels] = Decision(pixels, one.path, one.label, label)
        write_decisions(self.file, self.decisions)


def serve_review(
    review: Review, settings: Settings, *, browser: bool, say: Callable[[str], None]
) -> None:
    """Serve the page until the process is stopped.

    Args:
        review: the photos to decide on.
        settings: the server's settings.
        browser: whether to open the page in the browser.
        say: called with each line for the user, such as the address.

    Raises:
        UsageError: the server cannot listen on the address.
    """
    with log_to_stderr():
        name = f"{counted(len(review.photos), 'photo')} to review"
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
    async def photos() -> dict[str, Any]:
        rows = [
            {
                **asdict(one),
                "label": one.label,
                "decided": getattr(review.decisions.get(one.pixels), "label", None),
            }
            for one in review.photos.values()
        ]
        return {"classes": review.classes, "photos": rows, "file": str(review.file)}

    @app.get("/v1/review/{pixels}")
    def photo(pixels: str) -> Response:
        """Return the photo as a JPEG that happysad writes, whatever the file contains."""
        picture = read(review.data / review.photo(pixels).path)
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
