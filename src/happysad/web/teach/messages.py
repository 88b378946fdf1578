"""The bodies of Teach's requests and answers, for the OpenAPI description."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from happysad.web.api.rows import ERRORS, ErrorAnswer, PhotoError
from happysad.web.teach.jobs import Job

__all__ = ["Added", "ClassName", "Emptied", "Found", "Overview", "Use", "teach_errors"]


class ClassName(StrEnum):
    """A class."""

    happy = "happy"
    sad = "sad"


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Counts(_Message):
    """The number of photos of each class."""

    happy: int
    sad: int


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


class Found(_Message):
    """What a check found, and the address of its page, relative to the server's."""

    findings: dict[str, int]
    report: str


class RunRow(_Message):
    """A finished run: its result on the test photos, with the 95 % interval, notes and files.

    The addresses are relative to the server's.
    """

    id: int
    balanced_accuracy: float | None
    interval: tuple[float, float] | None
    n_test: int
    notes: list[str]
    report: str
    model: str


class Own(_Message):
    """The classifier that the server was started with."""

    name: str
    shipped: bool


class Overview(_Message):
    """All of Teach."""

    available: bool
    counts: Counts
    job: Job | None
    runs: list[RunRow]
    in_use: int | None
    own: Own


class Use(BaseModel):
    """A run; null for the classifier that the server was started with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    run: Annotated[int, Field(ge=1, le=999_999_999)] | None


def teach_errors(*codes: int, method: str = "post") -> dict[int | str, dict[str, Any]]:
    """Return the error answers of a route of Teach: those of all routes, and its own."""
    reasons = {
        404: "there is no such run or file",
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
