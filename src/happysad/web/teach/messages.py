"""The bodies of Teach's requests and answers, for the OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from happysad.web.api.rows import ERRORS, ErrorAnswer, PhotoError
from happysad.web.teach.examples import MAX_PHOTOS
from happysad.web.teach.jobs import Job

__all__ = [
    "Added",
    "Classes",
    "Emptied",
    "Found",
    "Named",
    "Names",
    "Order",
    "Overview",
    "Seen",
    "Spread",
    "Use",
    "teach_errors",
]


#: The number of photos of each class.
Counts = dict[str, int]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Refused(_Message):
    """A photo that was not kept, and why."""

    path: str | None
    error: PhotoError


class Added(_Message):
    """What became of the photos of a request."""

    added: int
    known: int
    refused: list[Refused]
    counts: Counts


class Emptied(_Message):
    """The photos that are left."""

    counts: Counts


class Classes(BaseModel):
    """The names of the two classes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    classes: Annotated[list[str], Field(min_length=2, max_length=2)]


class Named(_Message):
    """The names of the two classes now, and the number of photos of each."""

    classes: list[str]
    counts: Counts


class Names(_Message):
    """The names of a class's photos, the newest first, and the number of all of them."""

    names: list[str]
    total: int


class Found(_Message):
    """What a check found, and the address of its page, relative to the server's."""

    findings: dict[str, int]
    report: str


class Seen(_Message):
    """What the network that ships sees in the largest face of a photo; null without a face."""

    path: str | None
    features: list[float] | None
    error: PhotoError | None


class Spread(BaseModel):
    """The features of photos, as `Seen` has them; the first ones are of chosen photos."""

    model_config = ConfigDict(extra="forbid")

    features: Annotated[
        list[list[Annotated[float, Field(ge=-1000, le=1000)]]], Field(max_length=MAX_PHOTOS)
    ]
    chosen: Annotated[int, Field(ge=0)] = 0


class Order(_Message):
    """The places of the other photos, each as far as possible from those before it."""

    order: list[int]


class RunRow(_Message):
    """A result: that of a finished run on its test photos, or the first result of a run.

    A first result is that of cross-validation on all photos, and has no report. The interval is the
    95 % interval. The addresses are relative to the server's.
    """

    id: int
    first: bool
    balanced_accuracy: float | None
    interval: tuple[float, float] | None
    n_test: int
    notes: list[str]
    report: str | None
    model: str


class Own(_Message):
    """The classifier that the server was started with."""

    name: str
    shipped: bool


class Use(BaseModel):
    """A run, or its first result; null for the classifier that the server was started with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    run: Annotated[int, Field(ge=1, le=999_999_999)] | None
    first: bool = False


class Overview(_Message):
    """All of Teach."""

    available: bool
    fewest: int
    classes: list[str]
    counts: Counts
    job: Job | None
    runs: list[RunRow]
    in_use: Use | None
    own: Own


def teach_errors(*codes: int, method: str = "post") -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route of Teach: those of all routes, and its own."""
    reasons = {
        404: "there is no such class, photo, run or file",
        409: "a training or a check is running",
        422: "photos that cannot be learned from, or a wrong parameter",
        500: "the folder cannot be used",
        501: "the extra train is not installed",
        507: "the folder cannot be written to, or the disk is full",
    }
    answers = dict(ERRORS[method])
    for code in codes:
        answers[code] = {"model": ErrorAnswer, "description": reasons[code]}
    return answers
