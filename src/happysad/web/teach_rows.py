"""What Teach is asked and what it answers, for the OpenAPI description."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from happysad.web.jobs import Job
from happysad.web.rows import ERRORS, Failure

__all__ = ["Added", "Emptied", "Found", "Label", "Overview", "Use", "teach_errors"]


class Label(StrEnum):
    """A class."""

    happy = "happy"
    sad = "sad"


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Counts(_Row):
    """How many photos there are of each class."""

    happy: int
    sad: int


class Refused(_Row):
    """A photo that was not kept, and why."""

    path: str | None
    error: str


class Added(_Row):
    """What became of the photos of a request."""

    added: int
    known: int
    refused: list[Refused]
    counts: Counts


class Emptied(_Row):
    """What is left."""

    counts: Counts


class Found(_Row):
    """What a check found, and its page."""

    findings: dict[str, int]
    report: str


class RunRow(_Row):
    """A finished run: how good it is on how many test photos, its notes, page and classifier."""

    id: int
    balanced_accuracy: float | None
    n_test: int
    notes: list[str]
    report: str
    model: str


class Own(_Row):
    """The classifier that the server was started with."""

    name: str
    shipped: bool


class Overview(_Row):
    """All of Teach."""

    available: bool
    counts: Counts
    job: Job | None
    runs: list[RunRow]
    in_use: int | None
    own: Own


class Use(BaseModel):
    """A run, or none: the classifier that the server was started with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    run: Annotated[int, Field(ge=1, le=999_999_999)] | None


def teach_errors(*codes: int, method: str = "post") -> dict[int | str, dict[str, Any]]:
    """Describe the error answers of a route of Teach: those of all routes, and its own."""
    reasons = {
        404: "there is no such run or file",
        409: "a training or a check is running",
        422: "photos that cannot be learned from, or a wrong parameter",
        500: "the folder cannot be used",
        501: "the extra train is not installed",
        507: "the folder cannot be written in, or the disk is full",
    }
    answers = dict(ERRORS[method])
    for code in codes:
        answers[code] = {"model": Failure, "description": reasons[code]}
    return answers
