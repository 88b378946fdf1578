"""What the answers look like, for the OpenAPI description; predictions.py makes the rows."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from happysad.classifier import Details

__all__ = ["ERRORS", "PICTURE", "PICTURES", "Alive", "EachRow", "Failure", "ModelRow", "PhotoRow"]

_Probability = Annotated[float, Field(ge=0, le=1)]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Failure(_Row):
    """An error, in one line."""

    error: str


class Alive(_Row):
    """The server answers."""

    status: str


class _FaceRow(_Row):
    label: str
    p_sad: _Probability
    x: float
    y: float
    width: float
    height: float
    score: _Probability


class PhotoRow(_Row):
    """A photo: its outcome and its faces, the largest first; or the error."""

    model_config = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

    schema_: int = Field(alias="schema")
    path: str | None
    label: str | None
    p_sad: _Probability | None
    faces: list[_FaceRow]
    error: str | None


class EachRow(_Row):
    """A face of a photo, numbered from 1; or the photo without one; or the error."""

    schema_: int = Field(alias="schema")
    path: str | None
    face: int | None
    label: str | None
    p_sad: _Probability | None
    x: float | None
    y: float | None
    width: float | None
    height: float | None
    score: _Probability | None
    error: str | None


class ModelRow(_Row):
    """The classifier in use."""

    name: str
    sha256: str
    details: Details
    shipped: bool


_IMAGE = {"schema": {"type": "string", "format": "binary"}}

#: The body of a request: one picture as it is.
PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"image/*": _IMAGE, "application/octet-stream": _IMAGE},
    }
}

#: The body of a request: one picture as it is, or a form with many.
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
                            "items": {"type": "string", "format": "binary"},
                        }
                    },
                }
            },
            **PICTURE["requestBody"]["content"],
        },
    }
}

#: What any request may be answered: see security.py.
_ALWAYS = {
    401: "no token, or a wrong one",
    403: "from another origin",
    421: "another server's name in Host",
}
#: What a request with a body may be answered besides: see limits.py.
_LIMITED = {
    400: "not a form",
    408: "sent too slowly",
    413: "too large",
    422: "not a picture that can be read, or a wrong parameter",
    429: "too many requests at once",
    503: "took too long",
}


def _errors(reasons: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": Failure, "description": reason} for code, reason in reasons.items()}


#: The error answers of requests without and with a body.
ERRORS = {"get": _errors(_ALWAYS), "post": _errors({**_ALWAYS, **_LIMITED})}
