"""Teach's routes: photos come in, are checked and learned from; the runs are seen and used."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import asdict
from functools import lru_cache, partial
from typing import Annotated, Any

import anyio
import numpy as np
from fastapi import APIRouter, Body, FastAPI, Path, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from happysad.dataset.k_center import k_center
from happysad.errors import (
    ImageError,
    MissingExtraError,
    RunError,
    UsageError,
    os_reason,
    shown,
)
from happysad.extras import is_installed, need
from happysad.images import decode, read_bytes
from happysad.model_file import MODEL_NAME
from happysad.models.face_features import FaceFeatures
from happysad.photo import Photo
from happysad.predictions import Failure
from happysad.reports.page import small_jpeg
from happysad.run import Step
from happysad.web.api.in_use import InUse, server_state
from happysad.web.api.rest import model_row, photos_of
from happysad.web.api.rows import PICTURES, ModelRow
from happysad.web.http.security import REPORT_POLICY
from happysad.web.teach.choice import forget, load_run, remember
from happysad.web.teach.examples import FEWEST, MAX_PHOTOS
from happysad.web.teach.jobs import Job, Jobs
from happysad.web.teach.messages import (
    Added,
    Classes,
    Emptied,
    Found,
    Named,
    Names,
    Order,
    Overview,
    Seen,
    Spread,
    Use,
    teach_errors,
)
from happysad.web.teach.runs import FILES, FIRST_NAME

__all__ = ["router"]


@contextlib.asynccontextmanager
async def _ending(app: FastAPI) -> AsyncIterator[None]:
    yield
    app.state.jobs.close()


router = APIRouter(lifespan=_ending)

_Label = Annotated[str, Path(min_length=1, max_length=64, description="A class.")]
_NO_PHOTO = "there is no such photo"
# The longer side of a small picture in pixels: for thumbnails of 64 on displays with twice as many.
_SIDE = 128
# The number of decimals of features, whose distances are about 3.
_DIGITS = 4
_Count = Annotated[int, Query(ge=1, le=2 * MAX_PHOTOS)]
# A parameter of type int would accept "1.0" and "01" too.
_InPath = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,8}$", description="A run's number.")]


@router.get("/v1/teach", response_model=Overview, responses=teach_errors(500, method="get"))
def overview(request: Request) -> dict[str, Any]:
    """Return all of Teach: the photos, the last training, the runs, and the one in use."""
    jobs, own = _jobs(request), server_state(request).own
    return {
        "available": is_installed("train"),
        "fewest": FEWEST,
        "classes": jobs.examples.classes,
        "counts": jobs.examples.counts(),
        "job": jobs.job(),
        "runs": [
            {
                **asdict(run),
                "report": None if run.first else f"v1/teach/runs/{run.id}/report.html",
                "model": f"v1/teach/runs/{run.id}/{FIRST_NAME if run.first else MODEL_NAME}",
            }
            for run in jobs.runs.results()
        ],
        "in_use": _in_use(request),
        "own": {"name": own.name, "shipped": own.shipped},
    }


@router.put("/v1/teach/classes", response_model=Named, responses=teach_errors(409, 422, 500, 507))
def name_classes(request: Request, chosen: Annotated[Classes, Body()]) -> dict[str, Any]:
    """Rename the two classes. Their photos are kept, and earlier runs keep their own classes."""
    jobs = _jobs(request)
    first, second = chosen.classes
    try:
        jobs.rename((first, second))
    except UsageError as error:
        raise HTTPException(422, str(error)) from None
    except OSError as error:
        raise HTTPException(507, f"the names cannot be kept: {os_reason(error)}") from error
    return {"classes": jobs.examples.classes, "counts": jobs.examples.counts()}


@router.post(
    "/v1/teach/photos/{label}",
    response_model=Added,
    responses=teach_errors(404, 507),
    openapi_extra=PICTURES,
)
async def add_photos(request: Request, label: _Label) -> JSONResponse:
    """Keep photos of a class.

    Send a form with the photos as `files`, or one photo as the body. The files are kept as they
    are, named by their content, so that the same file is kept once. Files that are no photos are
    refused.
    """
    server, examples = server_state(request), _jobs(request).examples
    label = _known(request, label)
    added = known = 0
    refused: list[dict[str, Any]] = []
    for name, data in await photos_of(request, server.settings.max_files):
        shown, most = name or "the picture", server.settings.max_memory

        def work(shown: str = shown, data: bytes = data, most: int = most) -> bool:
            return examples.add(label, data, shown, max_memory=most)

        try:
            if await server.work(work):
                added += 1
            else:
                known += 1
        except ImageError as error:
            refused.append({"path": name, "error": asdict(Failure.of(error))})
        except OSError as error:
            raise HTTPException(507, f"photos cannot be kept: {os_reason(error)}") from error
    counts = examples.counts()
    return JSONResponse({"added": added, "known": known, "refused": refused, "counts": counts})


@router.delete(
    "/v1/teach/photos/{label}", response_model=Emptied, responses=teach_errors(404, 409, 500)
)
def empty_class(request: Request, label: _Label) -> dict[str, Any]:
    """Delete a class's photos. The runs that learned from them stay, with their reports."""
    jobs = _jobs(request)
    jobs.empty(_known(request, label))
    return {"counts": jobs.examples.counts()}


@router.get(
    "/v1/teach/photos/{label}", response_model=Names, responses=teach_errors(404, method="get")
)
def photo_names(request: Request, label: _Label, count: _Count = 24) -> dict[str, Any]:
    """Return the names of a class's photos, the newest first, at most `count`."""
    names = _jobs(request).examples.names(_known(request, label))
    return {"names": names[:count], "total": len(names)}


@router.get(
    "/v1/teach/photos/{label}/{name}",
    response_class=Response,
    responses={
        **teach_errors(404, 422, method="get"),
        200: {"content": {"image/jpeg": {}}, "description": "a small picture of the photo"},
    },
)
async def photo(request: Request, label: _Label, name: str) -> Response:
    """Return a small picture of a photo, as a JPEG."""
    file, server = _jobs(request).examples.file(_known(request, label), name), server_state(request)
    if file is None:
        raise HTTPException(404, _NO_PHOTO)

    def work() -> bytes:
        data = read_bytes(file)
        most = server.settings.max_memory
        return small_jpeg(decode(data, name, max_memory=most).pixels, _SIDE)

    try:
        return Response(await server.work(work), media_type="image/jpeg")
    except ImageError as error:  # it has been deleted, or changed by hand
        raise HTTPException(422, str(error)) from None


@router.delete(
    "/v1/teach/photos/{label}/{name}",
    response_model=Emptied,
    responses=teach_errors(404, 409, 500),
)
def remove_photo(request: Request, label: _Label, name: str) -> dict[str, Any]:
    """Delete a photo. The runs that learned from it stay, with their reports."""
    jobs = _jobs(request)
    if not jobs.remove(_known(request, label), name):
        raise HTTPException(404, _NO_PHOTO)
    return {"counts": jobs.examples.counts()}


@router.post(
    "/v1/teach/features",
    response_model=list[Seen],
    responses=teach_errors(501),
    openapi_extra=PICTURES,
)
async def features(request: Request) -> JSONResponse:
    """Return what the network that ships sees in photos without labels. No photo is kept.

    Send a form with the photos as `files`, or one photo as the body.
    """
    _need_train("Teach's choice of photos")
    server = server_state(request)

    def work(name: str | None, data: bytes) -> dict[str, Any]:
        values, error = None, None
        try:
            photo = Photo(data, name=name, max_memory=server.settings.max_memory)
            face = network.face(photo)
            if face is not None:
                values = np.round(network.of(face[None])[0][0], _DIGITS).tolist()
        except ImageError as failure:
            error = asdict(Failure.of(failure))
        return {"path": name, "features": values, "error": error}

    photos = await photos_of(request, server.settings.max_files)
    network = await server.work(_face_features)  # once, before the threads of the photos
    rows: list[dict[str, Any]] = [{}] * len(photos)

    async def see(place: int) -> None:
        rows[place] = await server.work(lambda: work(*photos[place]))

    async with anyio.create_task_group() as group:
        for place in range(len(photos)):
            group.start_soon(see, place)
    return JSONResponse(rows)


@router.post("/v1/teach/order", response_model=Order, responses=teach_errors(422))
async def order(request: Request, spread: Annotated[Spread, Body()]) -> dict[str, Any]:
    """Return the order in which photos would teach most: each next one differs most.

    The measure is the distance of the features to the nearest of those before it.
    """
    rows, chosen = spread.features, spread.chosen
    if len({len(row) for row in rows}) > 1 or chosen > len(rows):
        raise HTTPException(422, "features must be of one length, and at least as many as chosen")
    if not rows or not rows[0]:
        return {"order": list(range(chosen, len(rows)))}
    values = np.array(rows, dtype=np.float32)
    work = partial(k_center, values, len(values) - chosen, chosen=chosen)
    return {"order": (await server_state(request).work(work)).tolist()}


@router.post("/v1/teach/check", response_model=Found, responses=teach_errors(409, 422, 500, 501))
def check(request: Request) -> dict[str, Any]:
    """Check the photos."""
    jobs = _jobs(request)
    _need_train("Teach's check")
    _need_photos(jobs, 1)
    # Leave some of the request's time for the answer.
    seconds = 0.9 * server_state(request).settings.request_seconds
    try:
        counts = jobs.check(seconds)
    except RunError as error:
        raise HTTPException(422, str(error)) from None
    except TimeoutError as error:
        raise HTTPException(503, str(error)) from None
    findings = {name: count for name, count in counts.items() if count}
    return {"findings": findings, "report": "v1/teach/check/report.html"}


@router.get("/v1/teach/step", response_model=Step | None, responses=teach_errors(method="get"))
def step(request: Request) -> Step | None:
    """Return what the running check or training is doing; null if nothing runs, or just starts."""
    return _jobs(request).step()


@router.get(
    "/v1/teach/check/report.html",
    response_class=FileResponse,
    responses=teach_errors(404, method="get"),
)
def check_report(request: Request) -> FileResponse:
    """Return the page of the last check."""
    file = _jobs(request).check_report
    if not file.is_file():
        raise HTTPException(404, "nothing was checked yet")
    return _file(file, "text/html")


@router.post(
    "/v1/teach/train",
    status_code=202,
    response_model=Job,
    responses=teach_errors(409, 422, 500, 501),
)
def train(request: Request) -> Job:
    """Start a training; one at a time.

    It learns from the largest face of each photo. Small pictures are face crops already.
    """
    jobs = _jobs(request)
    _need_train("Teach's training")
    _need_photos(jobs, FEWEST)
    return jobs.train()


@router.post("/v1/teach/stop", response_model=Job, responses=teach_errors(409, 500))
def stop(request: Request) -> Job:
    """Stop the running training, and remove what it has written."""
    job = _jobs(request).stop()
    if job is None:
        raise HTTPException(409, "there is no training to stop")
    return job


@router.get("/v1/teach/job", response_model=Job | None, responses=teach_errors(500, method="get"))
def job(request: Request) -> Job | None:
    """Return the progress of the last training, or how it ended."""
    return _jobs(request).job()


@router.post("/v1/teach/use", response_model=ModelRow, responses=teach_errors(404, 422, 500, 507))
async def use(request: Request, chosen: Annotated[Use, Body()]) -> dict[str, Any]:
    """Use a run's classifier for all answers from now on; null for the server's own.

    Servers that are started in this folder later use it too.
    """
    server, jobs = server_state(request), _jobs(request)

    def work() -> InUse:
        if chosen.run is None:
            forget(jobs.folder)
            return server.own
        loaded = load_run(jobs.runs, chosen.run, first=chosen.first)
        remember(jobs.folder, chosen.run, first=chosen.first)
        return loaded

    try:
        # One assignment: requests that have begun keep the classifier that they have.
        server.in_use = await server.work(work)
    except RunError as error:
        raise HTTPException(404, str(error)) from None
    except OSError as error:
        raise HTTPException(507, f"the choice cannot be kept: {os_reason(error)}") from error
    return model_row(server.in_use)


@router.get(
    "/v1/teach/runs/{run}/{name:path}",
    response_class=FileResponse,
    responses=teach_errors(404, method="get"),
)
def run_file(request: Request, run: _InPath, name: str) -> FileResponse:
    """Return a run's report, its classifier or one of its plots."""
    file = _jobs(request).runs.file(int(run), name)
    if file is None:
        raise HTTPException(404, "there is no such run, or no such file of it")
    downloads = {
        MODEL_NAME: f"happysad-run-{run}.onnx",
        FIRST_NAME: f"happysad-run-{run}-first.onnx",
    }
    return _file(file, FILES[name], downloads.get(name))


def _file(file: os.PathLike[str], media_type: str, download: str | None = None) -> FileResponse:
    headers = {}
    if media_type == "text/html":
        # A report has inline style and pictures. Sandboxed, since it is made from users' files.
        headers["Content-Security-Policy"] = f"{REPORT_POLICY}; sandbox"
    return FileResponse(file, media_type=media_type, filename=download, headers=headers)


def _known(request: Request, label: str) -> str:
    """Return a class of Teach.

    Raises:
        HTTPException: there is no such class.
    """
    if label not in _jobs(request).examples.classes:
        raise HTTPException(404, f"there is no class {shown(label)}")
    return label


def _jobs(request: Request) -> Jobs:
    jobs = request.app.state.jobs
    assert isinstance(jobs, Jobs)
    return jobs


def _in_use(request: Request) -> dict[str, Any] | None:
    found = _jobs(request).runs.number_of(server_state(request).in_use.file.parent)
    return found and {"run": found[0], "first": found[1]}


@lru_cache(maxsize=1)
def _face_features() -> FaceFeatures:
    return FaceFeatures(threads=1)  # each photo has its own thread


def _need_train(what: str) -> None:
    try:
        need("train", what)
    except MissingExtraError as error:
        raise HTTPException(501, str(error)) from None


def _need_photos(jobs: Jobs, fewest: int) -> None:
    counts = jobs.examples.counts()
    if min(counts.values()) < fewest:
        there = " and ".join(f"{count} {label}" for label, count in counts.items())
        raise HTTPException(
            422, f"{fewest} photos or more of each class are needed; there are {there}"
        )
