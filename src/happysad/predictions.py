"""What a classifier answers: frozen dataclasses that check themselves, and rows to write."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from happysad.faces import Face

__all__ = ["NO_FACE", "SCHEMA", "TAKEN", "UNSURE", "FacePrediction", "Faces", "Prediction"]

#: The version of a row; it rises when a key changes its meaning or goes.
SCHEMA = 1

#: The label where p_sad lies between the two thresholds.
UNSURE = "unsure"
#: The label of a photo without a face, where a classifier looks at faces alone.
NO_FACE = "no_face"
#: What tables and counts say beside the classes: no class may be called so.
TAKEN = (UNSURE, NO_FACE, "error", "unreadable")

# What a row says of where a face is.
_BOX = ("x", "y", "width", "height", "score")


class Faces(StrEnum):
    """What a picture is taken for, and what gets a row."""

    auto = "auto"
    """A photo, whose faces are found first; a row a photo."""
    each = "each"
    """The same; a row a face."""
    off = "off"
    """A face, cut out already; a row a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePrediction:
    """The answer for one face of a photo."""

    label: str
    """The class, or "unsure"."""
    p_sad: float
    """The calibrated probability of the second class in alphabetical order: sad. 0 to 1."""
    face: Face
    """Where it is."""

    def __post_init__(self) -> None:
        _check_probability("p_sad", self.p_sad)

    @property
    def probability(self) -> float:
        """The probability of the likelier class, 0.5 to 1."""
        return max(self.p_sad, 1 - self.p_sad)

    def row(self) -> dict[str, Any]:
        """Give what rows say of a face; the box counts in pixels of the photo."""
        box = {name: getattr(self.face, name) for name in _BOX}
        return {"label": self.label, "p_sad": self.p_sad, **box}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The answer for one photo: a label with its probability, or the reason why there is none."""

    path: str | None = None
    """Where the photo came from; None for bytes and arrays."""
    label: str | None = None
    """The outcome: a class ("happy" or "sad" for the usual folders), "unsure" or "no_face"; None
    where `error` says why."""
    p_sad: float | None = None
    """The calibrated probability of the second class in alphabetical order: sad. 0 to 1; None
    without a face to tell it by."""
    faces: tuple[FacePrediction, ...] = ()
    """Its faces, the largest first; empty where the classifier looks at whole photos."""
    error: str | None = None
    """Why the photo could not be read; None where it could."""

    def __post_init__(self) -> None:
        answered = bool(self.label) and self.error is None
        answered &= (self.p_sad is None) == (self.label == NO_FACE)
        failed = self.label is None and self.p_sad is None and bool(self.error)
        if not answered and not failed:
            raise ValueError(
                "a prediction has a label and p_sad, the label no_face, or an error alone; "
                f"got label {self.label!r}, p_sad {self.p_sad!r}, error {self.error!r}"
            )
        if self.p_sad is not None:
            _check_probability("p_sad", self.p_sad)

    @property
    def probability(self) -> float | None:
        """The probability of the likelier class, 0.5 to 1; None where there is no p_sad."""
        return None if self.p_sad is None else max(self.p_sad, 1 - self.p_sad)

    def row(self) -> dict[str, Any]:
        """Give the versioned row that the command line and the files write."""
        return {
            "schema": SCHEMA,
            "path": self.path,
            "label": self.label,
            "p_sad": self.p_sad,
            "faces": [face.row() for face in self.faces],
            "error": self.error,
        }

    def face_rows(self) -> list[dict[str, Any]]:
        """Give a row for each face, numbered from 1; a photo without one keeps a row of its own."""
        photo = {"schema": SCHEMA, "path": self.path}
        none = {"face": None, "label": self.label, "p_sad": self.p_sad, **dict.fromkeys(_BOX)}
        faces = [{"face": number, **face.row()} for number, face in enumerate(self.faces, 1)]
        return [{**photo, **row, "error": self.error} for row in faces or [none]]


def _check_probability(name: str, value: float) -> None:
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise ValueError(f"{name} is a probability from 0 to 1, not {value!r}")
