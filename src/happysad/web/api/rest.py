"""The REST interface: predictions, heat maps, the classifier and its card."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
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

from happysad.classifier import Classifier
from happysad.errors import ImageError
from happysad.photo import Photo
from happysad.predictions import Faces, Failure, Prediction, Rows
from happysad.web.api.card import CardPicture, card, picture
from happysad.web.api.in_use import InUse, ServerState, server_state
from happysad.web.api.rows import ERRORS, PICTURE, PICTURES, PNG, Alive, FaceRow, ModelRow, PhotoRow

__all__ = ["model_row", "name_of", "photos_of", "router"]

router = APIRouter()

_Answers = Annotated[
    str | None,
    Query(
        description="The only classes that may be the answer, separated by commas, such as "
        "happy,sad; by default all of the classifier."
    ),
]


class _InMemory(MultiPartParser):
    """Keeps files in memory, so that no photo reaches the disk; `Limits` bounds their size."""

    spool_max_size = 0


@router.post(
    "/v1/predict",
    response_model=list[PhotoRow] | list[FaceRow],
    responses=ERRORS["post"],
    openapi_extra=PICTURES,
)
async def predict(
    request: Request,
    faces: Annotated[
        Faces,
        Query(
            description="find: the pictures are photos, in which faces are found; "
            "given: every picture is a face crop already."
        ),
    ] = Faces.FIND,
    rows: Annotated[
        Rows, Query(description="photo: one row for each photo; face: one row for each face.")
    ] = Rows.PHOTO,
    answers: _Answers = None,
    unsure: Annotated[bool, Query(description="Whether a label may be unsure.")] = True,
) -> Response:
    """Predict photos.

    Send a form with the photos as `files`, or one photo as the body. The answer has the rows of
    `happysad predict --json`. A photo that cannot be read has the reason in `error`; if it is the
    body itself, the status is 422.
    """
    server = server_state(request)
    # Keep this classifier: Teach may replace the one in use before the photos have arrived.
    classifier = _answering(server, answers)
    classifier.input.check(faces)
    photos = await photos_of(request, server.settings.max_files)
    predictions: list[Prediction | None] = [None] * len(photos)

    async def answer(place: int) -> None:
        predictions[place] = await _predict(server, classifier, *photos[place], faces, unsure)

    async with anyio.create_task_group() as group:
        for place in range(len(photos)):
            group.start_soon(answer, place)
    found = []
    for one in predictions:
        assert one is not None
        server.counters.photos.labels(one.label or "error").inc()
        found += one.rows(rows)
        if one.error is not None and photos[0][0] is None:
            raise HTTPException(422, one.error.text)
    return JSONResponse(found)


def _answering(server: ServerState, answers: str | None) -> Classifier:
    """Return the classifier in use with the answers of a request."""
    return server.in_use.classifier.answering(None if answers is None else answers.split(","))


async def _predict(
    server: ServerState,
    classifier: Classifier,
    name: str | None,
    data: bytes,
    faces: Faces,
    unsure: bool,
) -> Prediction:
    most = server.settings.max_memory

    def work() -> Prediction:
        try:
            photo = Photo(data, name=name, source=name, max_memory=most)
            return classifier.predict(photo, faces=faces, unsure=unsure)
        except ImageError as error:
            return Prediction(source=name, error=Failure.of(error), classifier=classifier.id)

    return await server.work(work)


@router.post(
    "/v1/explain",
    response_class=Response,
    responses={
        **ERRORS["post"],
        200: {
            "description": "The face, or the photo, with a heat map of what decided the answer.",
            **PNG,
            "headers": {
                "X-Happysad-Label": {
                    "description": "Its label, percent-encoded.",
                    "schema": {"type": "string"},
                },
                "X-Happysad-Probabilities": {
                    "description": "The probability of every class, as JSON in ASCII.",
                    "schema": {"type": "string"},
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
        Query(
            ge=1,
            description="The number of the face, 1 for the largest; by default the largest face, "
            "or the whole photo if the classifier looks at it.",
        ),
    ] = None,
    answers: _Answers = None,
) -> Response:
    """Show what decided an answer, by covering one part of the picture after another.

    Each part has the colour of the class whose probability it raised, by the names and the order of
    X-Happysad-Probabilities: happy orange, sad blue, neither green, and other names the colours
    that are left.
    """
    server = server_state(request)
    classifier, most = _answering(server, answers), server.settings.max_memory
    data = await request.body()

    def work() -> Response:
        from happysad.explain import explain as explained

        shown = explained(classifier, Photo(data, max_memory=most), face=face)
        headers = {
            "X-Happysad-Label": quote(shown.label),
            "X-Happysad-Probabilities": json.dumps(shown.probabilities),
        }
        return Response(shown.png(), media_type="image/png", headers=headers)

    return await server.work(work)


@router.get("/v1/model", response_model=ModelRow, responses=ERRORS["get"])
async def model(request: Request) -> dict[str, Any]:
    """Return the classifier in use."""
    return model_row(server_state(request).in_use)


def model_row(in_use: InUse) -> dict[str, Any]:
    """Return the answer of GET /v1/model."""
    return {
        "name": in_use.name,
        "id": in_use.classifier.id,
        "sha256": in_use.classifier.sha256,
        "details": asdict(in_use.classifier.details),
        "shipped": in_use.shipped,
    }


@router.get("/v1/card", response_class=HTMLResponse, responses=ERRORS["get"])
async def model_card(request: Request) -> HTMLResponse:
    """Return the classifier's card: what it is for, and how well it does."""
    return HTMLResponse(card(server_state(request).in_use))


@router.get(
    "/v1/card/{name}",
    response_class=FileResponse,
    responses={
        **ERRORS["get"],
        200: {"description": "The picture.", **PNG},
        422: ERRORS["post"][422],
    },
)
async def card_picture(name: CardPicture) -> FileResponse:
    """Return a picture of the card of the classifier that comes with happysad."""
    return FileResponse(picture(name), media_type="image/png")


@router.get("/healthz", response_model=Alive, responses=ERRORS["get"])
async def health() -> dict[str, str]:
    """Return status ok."""
    return {"status": "ok"}


@router.get("/metrics", response_class=PlainTextResponse, responses=ERRORS["get"])
async def metrics(request: Request) -> Response:
    """Return the counters in Prometheus's text format."""
    return Response(server_state(request).counters.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)


async def photos_of(request: Request, most: int) -> list[tuple[str | None, bytes]]:
    """Return the photos of a request with their names; the name is None if the body is a photo.

    Raises:
        HTTPException: the form is damaged, has no photos, or has more than `most`.
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
    """Return the last part of an upload's name; it appears in answers and is never a path."""
    return re.split(r"[/\\]", path or "")[-1]
