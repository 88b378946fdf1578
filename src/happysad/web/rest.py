"""What is asked in single requests: predictions, what decided, the classifier, its card."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Annotated, Any
from urllib.parse import quote

import anyio
from fastapi import APIRouter, Query
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
)

from happysad.classifier import Classifier, LooksAt
from happysad.errors import ImageError, UsageError
from happysad.photos import Photo
from happysad.predictions import Faces, Prediction
from happysad.web.card import CardPicture, card, picture
from happysad.web.rows import ERRORS, PICTURE, PICTURES, Alive, EachRow, ModelRow, PhotoRow
from happysad.web.serving import InUse, Serving, serving

__all__ = ["model_row", "name_of", "photos_of", "router"]

router = APIRouter()


class _InMemory(MultiPartParser):
    """Keeps files in memory, which the limit on bodies bounds: no photo comes to the disk."""

    spool_max_size = 0


@router.post(
    "/v1/predict",
    response_model=list[PhotoRow] | list[EachRow],
    responses=ERRORS["post"],
    openapi_extra=PICTURES,
)
async def predict(
    request: Request,
    faces: Annotated[
        Faces, Query(description="auto: a row a photo; each: a row a face; off: each is a face.")
    ] = Faces.auto,
    unsure: Annotated[bool, Query(description="Whether it may say that it is unsure.")] = True,
) -> Response:
    """Tell happy from sad in photos.

    Send a form with the photos as `files`, or one photo as the body. Gives the rows of
    `happysad predict --json`. A photo that cannot be read has its reason in `error`; where it is
    the body itself the answer is 422.
    """
    server = serving(request)
    # Teach may put another one to use before the photos have come.
    classifier = server.in_use.classifier
    _check(faces, classifier.details.looks_at)
    photos = await photos_of(request, server.settings.max_files)
    answers: list[Prediction | None] = [None] * len(photos)

    async def answer(place: int) -> None:
        answers[place] = await _answer(server, classifier, *photos[place], faces, unsure)

    async with anyio.create_task_group() as group:
        for place in range(len(photos)):
            group.start_soon(answer, place)
    rows = []
    for one in answers:
        assert one is not None
        server.metrics.photos.labels(one.label or "error").inc()
        rows += one.face_rows() if faces is Faces.each else [one.row()]
    if len(photos) == 1 and photos[0][0] is None and (error := rows[0]["error"]):
        raise HTTPException(422, error)
    return JSONResponse(rows)


async def _answer(
    server: Serving,
    classifier: Classifier,
    name: str | None,
    data: bytes,
    faces: Faces,
    unsure: bool,
) -> Prediction:
    most = server.settings.max_pixels

    def work() -> Prediction:
        try:
            photo = Photo(data, name=name, max_pixels=most)
            answer = classifier.predict_photo(photo, faces=faces is not Faces.off, unsure=unsure)
        except ImageError as error:
            return Prediction(path=name, error=str(error))
        return replace(answer, path=name)

    return await server.work(work)


@router.post(
    "/v1/explain",
    response_class=Response,
    responses={
        **ERRORS["post"],
        200: {
            "description": "The face, or the photo, with what decided laid over.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
            "headers": {
                "X-Happysad-Label": {
                    "description": "Its outcome, percent-encoded.",
                    "schema": {"type": "string"},
                },
                "X-Happysad-P-Sad": {
                    "description": "The probability of sad.",
                    "schema": {"type": "number", "minimum": 0, "maximum": 1},
                },
            },
        },
    },
    openapi_extra=PICTURE,
)
async def explain(
    request: Request,
    face: Annotated[
        int | None,
        Query(ge=1, description="Which face, the largest is 1; where absent, that or the photo."),
    ] = None,
) -> Response:
    """Show what decided: cover a photo's parts one after the other, and see what changes.

    Orange speaks for the outcome, blue against it.
    """
    server = serving(request)
    classifier, most = server.in_use.classifier, server.settings.max_pixels
    data = await request.body()

    def work() -> Response:
        from happysad.explain import explain as explained

        shown = explained(classifier, Photo(data, max_pixels=most), face=face)
        headers = {
            "X-Happysad-Label": quote(shown.label),
            "X-Happysad-P-Sad": str(shown.p_sad),
        }
        return Response(shown.png(), media_type="image/png", headers=headers)

    return await server.work(work)


@router.get("/v1/model", response_model=ModelRow, responses=ERRORS["get"])
async def model(request: Request) -> dict[str, Any]:
    """Say which classifier answers."""
    return model_row(serving(request).in_use)


def model_row(in_use: InUse) -> dict[str, Any]:
    """Give what GET /v1/model answers."""
    return {
        "name": in_use.name,
        "sha256": in_use.sha256,
        "details": asdict(in_use.classifier.details),
        "shipped": in_use.shipped,
    }


@router.get("/v1/card", response_class=HTMLResponse, responses=ERRORS["get"])
async def model_card(request: Request) -> HTMLResponse:
    """Give the classifier's card: what it is for, and how good it is."""
    return HTMLResponse(card(serving(request).in_use))


@router.get(
    "/v1/card/{name}",
    response_class=FileResponse,
    responses={
        **ERRORS["get"],
        200: {
            "description": "The picture.",
            "content": {"image/png": {"schema": {"type": "string", "format": "binary"}}},
        },
        422: ERRORS["post"][422],
    },
)
async def card_picture(name: CardPicture) -> FileResponse:
    """Give a picture of the card of the classifier that ships."""
    return FileResponse(picture(name), media_type="image/png")


@router.get("/healthz", response_model=Alive, responses=ERRORS["get"])
async def health() -> dict[str, str]:
    """Say that the server answers."""
    return {"status": "ok"}


@router.get("/metrics", response_class=PlainTextResponse, responses=ERRORS["get"])
async def metrics(request: Request) -> Response:
    """Give the counters, in Prometheus's text format."""
    return Response(serving(request).metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


def _check(faces: Faces, looks_at: LooksAt) -> None:
    if looks_at == "photo" and faces is not Faces.auto:
        raise UsageError(f"faces={faces}: this classifier looks at whole photos, not at faces")
    if looks_at == "both" and faces is Faces.off:
        raise UsageError("faces=off: this classifier looks at whole photos and at their faces")


async def photos_of(request: Request, most: int) -> list[tuple[str | None, bytes]]:
    """Give the photos of a request with their names, None where the body is one.

    Raises:
        HTTPException: it is no form, has no photos, or more than `most`.
    """
    kind, _ = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        return [(None, await request.body())]
    parser = _InMemory(request.headers, request.stream(), max_files=most, max_fields=most)
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from None
    try:
        files = [part for part in form.getlist("files") if isinstance(part, UploadFile)]
        photos: list[tuple[str | None, bytes]] = [
            (name_of(part.filename), await part.read()) for part in files
        ]
    finally:
        await form.close()
    if not photos:
        raise HTTPException(422, "the form has no photos: send them as files in 'files'")
    return photos


def name_of(path: str | None) -> str:
    """Cut an upload's name to its last part; it stands in answers and is never a path."""
    return re.split(r"[/\\]", path or "")[-1]
