"""The schemas of answers, for the OpenAPI description; `happysad.predictions` makes the rows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from happysad.errors import ErrorCode
from happysad.model_file import Details

__all__ = [
    "ERRORS",
    "PICTURE",
    "PICTURES",
    "PNG",
    "Alive",
    "ErrorAnswer",
    "FaceRow",
    "ModelRow",
    "PhotoError",
    "PhotoRow",
]

_Probability = Annotated[float, Field(ge=0, le=1)]
_Probabilities = Annotated[
    dict[str, _Probability], Field(description="The probability of every class; they sum to 1.")
]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ErrorAnswer(_Row):
    """An error, in one line."""

    error: str


class Alive(_Row):
    """The server is running."""

    status: str


class PhotoError(_Row):
    """Why there is no answer for a photo: a code for programs, one line for people."""

    code: ErrorCode
    text: str


class _FaceOfPhoto(_Row):
    label: str
    probability: _Probability
    probabilities: _Probabilities
    x: float
    y: float
    width: float
    height: float
    score: _Probability


class PhotoRow(_Row):
    """A photo: its label and its faces, the largest first; or the error."""

    schema_: int = Field(alias="schema")
    path: str | None
    classifier: str | None
    label: str | None
    probability: _Probability | None
    probabilities: _Probabilities | None
    faces: list[_FaceOfPhoto]
    notes: list[str]
    error: PhotoError | None


class FaceRow(_Row):
    """A face of a photo, numbered from 1; or the photo without faces; or the error."""

    schema_: int = Field(alias="schema")
    path: str | None
    classifier: str | None
    face: int | None
    label: str | None
    probability: _Probability | None
    probabilities: _Probabilities | None
    x: float | None
    y: float | None
    width: float | None
    height: float | None
    score: _Probability | None
    notes: list[str]
    error: PhotoError | None


class ModelRow(_Row):
    """The classifier in use; `id` is the `classifier` of rows."""

    name: str
    id: str
    sha256: str
    details: Details
    shipped: bool


_BYTES = {"type": "string", "format": "binary"}
_IMAGE = {"schema": _BYTES}

#: The body of an answer: a PNG.
PNG: dict[str, Any] = {"content": {"image/png": _IMAGE}}

#: The body of a request: the bytes of one picture.
PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"image/*": _IMAGE, "application/octet-stream": _IMAGE},
    }
}

#: The body of a request: the bytes of one picture, or a form with many.
PICTURES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": _BYTES,
                        }
                    },
                }
            },
            **PICTURE["requestBody"]["content"],
        },
    }
}

# The errors of all routes; see `http.security`.
_ALWAYS = {
    401: "no token, or a wrong one",
    403: "from another origin",
    421: "another server's name in Host",
}
# The further errors of requests with a body; see `http.limits`.
_LIMITED = {
    400: "not a form",
    408: "sent too slowly",
    413: "too large",
    422: "not a picture that can be read, or a wrong parameter",
    429: "too many requests at once",
    503: "took too long",
}


def _errors(reasons: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": ErrorAnswer, "description": reason} for code, reason in reasons.items()}


#: The error answers of requests without and with a body.
ERRORS = {"get": _errors(_ALWAYS), "post": _errors({**_ALWAYS, **_LIMITED})}
