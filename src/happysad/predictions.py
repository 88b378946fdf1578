"""Predictions of a classifier: frozen dataclasses that check themselves, and their rows.

A row has the same shape everywhere: in Python, on the command line, from the server, in the tables
of a photo library and of a film. docs/results.md describes it.
"""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from happysad.errors import ErrorCode, ImageError, UsageError, counted, shown

if TYPE_CHECKING:
    import pandas as pd

    from happysad.face_detection import Face
    from happysad.images import Pixels

__all__ = [
    "NEITHER",
    "NO_FACE",
    "RESERVED",
    "SCHEMA",
    "UNSURE",
    "FacePrediction",
    "Faces",
    "Failure",
    "Prediction",
    "Rows",
    "check_class",
    "describe",
    "flat",
    "flat_columns",
    "percent",
    "places_without_neither",
    "readable",
    "to_pandas",
]

#: The version of the rows. It increases when a key is removed or changes its meaning.
SCHEMA = 2

#: The class of faces whose expression is neither happy nor sad: neutral, surprised, angry, …
NEITHER = "neither"
#: The label of a face or photo for which a class would be wrong too often.
UNSURE = "unsure"
#: The label of a photo in which a classifier of faces finds no face.
NO_FACE = "no_face"
#: Words that tables and counts use besides the classes; they are not allowed as class names.
RESERVED = (UNSURE, NO_FACE, "error", "unreadable")

# Maximum number of characters of a class's name, which is also the name of a folder.
_LONGEST_NAME = 64

# The keys of a row whose value becomes other columns.
_NESTED = frozenset(("probabilities", "error", "notes", "faces", "path"))
_BOX = ("x", "y", "width", "height", "score")
_MOST_SHOWN = 80


class Faces(StrEnum):
    """Where the faces come from."""

    FIND = "find"
    """The pictures are photos; their faces are found."""
    GIVEN = "given"
    """Every picture is a face crop already."""


class Rows(StrEnum):
    """What gets a row in the output."""

    PHOTO = "photo"
    FACE = "face"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no answer for a picture."""

    code: ErrorCode
    """The reason, for programs."""
    text: str
    """The reason, for people: one line."""

    @classmethod
    def of(cls, error: Exception) -> Self:
        """Return the failure that an exception describes."""
        code = error.code if isinstance(error, ImageError) else ErrorCode.INTERNAL
        return cls(code, str(error) or type(error).__name__)


def places_without_neither(classes: Sequence[str]) -> list[int]:
    """Return the indices of all of two classes, and of the two of three that are not `NEITHER`.

    >>> places_without_neither(("happy", "neither", "sad"))
    [0, 2]
    """
    return [place for place, name in enumerate(classes) if len(classes) < 3 or name != NEITHER]


def check_class(name: object) -> None:
    r"""Check that a class may have a name: a plain one, which also names a folder.

    Args:
        name: 1 to 64 printable characters without / and \\, not . or .., and none of `RESERVED`.

    Raises:
        ValueError: it is another one.

    >>> check_class("happy")
    >>> check_class("../happy")
    Traceback (most recent call last):
    ValueError: a class's name must be 1 to 64 printable characters without / and \\, not '../happy'
    """
    plain = isinstance(name, str) and name.isprintable() and 0 < len(name) <= _LONGEST_NAME
    if not plain or name in (".", "..") or {"/", "\\"} & set(str(name)):
        raise ValueError(
            f"a class's name must be 1 to {_LONGEST_NAME} printable characters without / and \\, "
            f"not {shown(reprlib.repr(name))}"
        )
    if name in RESERVED:
        raise ValueError(f"no class may be named {name}, a reserved word; rename the folder")


def describe(label: str | None, probabilities: Mapping[str, float] | None) -> str:
    """Return an answer in words: "happy 93 %", "unsure, leans happy 66 %" or "no_face".

    >>> describe("unsure", {"happy": 0.66, "sad": 0.34})
    'unsure, leans happy 66 %'
    """
    if label is None or probabilities is None:
        return label or "error"
    likeliest = max(probabilities, key=lambda name: probabilities[name])
    if label == UNSURE:
        return f"{UNSURE}, leans {likeliest} {percent(probabilities[likeliest])}"
    return f"{label} {percent(probabilities[label])}"


def percent(probability: float) -> str:
    """Return a probability in words, the same everywhere: whole percents, tenths near 0 and 100.

    No answer is certain, so it is at least 0.1 % and at most 99.9 %.

    Args:
        probability: 0 to 1.

    >>> percent(0.934), percent(0.9934), percent(1.0)
    ('93 %', '99.3 %', '99.9 %')
    """
    if 0.01 <= probability < 0.99:
        return f"{math.floor(100 * probability + 0.5)} %"
    tenths = min(max(math.floor(1000 * probability + 0.5), 1), 999)
    return f"{tenths / 10:.1f} %"


@dataclass(frozen=True, slots=True, kw_only=True)
class FacePrediction:
    """The answer for one face of a photo."""

    label: str
    """A class, or "unsure"."""
    probabilities: dict[str, float]
    """The calibrated probability of every class, in the classifier's order; they sum to 1."""
    face: Face
    """The box and the landmarks of the face."""

    def __post_init__(self) -> None:
        _check_probabilities(self.label, self.probabilities)

    @property
    def probability(self) -> float:
        """The largest of `probabilities`."""
        return max(self.probabilities.values())

    def describe(self) -> str:
        """Return the answer in words, such as "unsure, leans happy 66 %"."""
        return describe(self.label, self.probabilities)

    def row(self) -> dict[str, Any]:
        """Return the face's part of a row; the box is in pixels of the photo."""
        return {
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            **{name: getattr(self.face, name) for name in _BOX},
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Prediction:
    """The answer for one photo: a label with its probabilities, or the reason why there is none.

    >>> answer = Prediction(source="a.jpg", label="happy", probabilities={"happy": 0.9, "sad": 0.1})
    >>> answer
    Prediction('a.jpg': happy 90 %)
    >>> answer.probability
    0.9
    """

    source: object = field(default=None, compare=False)
    """The path, or the object, that was given to the classifier."""
    label: str | None = None
    """A class, "unsure" or "no_face"; None if there is an `error`."""
    probabilities: dict[str, float] | None = None
    """The calibrated probability of every class, in the classifier's order; they sum to 1. None
    if no face was found or there is an `error`."""
    faces: tuple[FacePrediction, ...] = ()
    """The faces, the largest first; empty if the classifier looks at whole photos."""
    classifier: str | None = None
    """The first 12 hex digits of the SHA-256 of the classifier's file."""
    notes: tuple[str, ...] = ()
    """Remarks on reading the photo, such as "first of several frames"."""
    error: Failure | None = None
    """Why the photo could not be read; None if it was read."""
    bgr: bool = field(default=False, compare=False)
    """Whether `source` is an array in BGR order."""

    def __post_init__(self) -> None:
        if self.error is not None:
            if self.label is not None or self.probabilities is not None or self.faces:
                raise ValueError("a prediction with an error has no label, probabilities or faces")
        elif not self.label:
            raise ValueError("a prediction has a label or an error; got neither")
        elif self.probabilities is None:
            if self.label != NO_FACE:
                raise ValueError(f"the label {self.label!r} needs probabilities")
        elif self.label == NO_FACE:
            raise ValueError("the label no_face has no probabilities")
        else:
            _check_probabilities(self.label, self.probabilities)

    def __repr__(self) -> str:
        """Return one line."""
        answer = str(self.error.code) if self.error else self.describe()
        faces = f", {counted(len(self.faces), 'face')}" if self.faces else ""
        return f"Prediction({_short(self.source)}: {answer}{faces})"

    def _repr_png_(self) -> bytes | None:
        """Return the photo with its boxes, for notebooks; None if it cannot be drawn."""
        from happysad.drawing import png

        try:
            return png(self.draw())
        except (ImageError, UsageError):
            return None

    @property
    def path(self) -> str | None:
        """The path or address of the photo; None for bytes, arrays and other objects."""
        return os.fsdecode(self.source) if isinstance(self.source, str | os.PathLike) else None

    @property
    def probability(self) -> float | None:
        """The largest of `probabilities`; None if there are none."""
        return None if self.probabilities is None else max(self.probabilities.values())

    def describe(self) -> str:
        """Return the answer in words, such as "unsure, leans happy 66 %"."""
        return self.error.text if self.error else describe(self.label, self.probabilities)

    def draw(self) -> Pixels:
        """Return the photo with boxes and labels: RGB, uint8, shape (height, width, 3).

        The photo is read again from `source`.

        Raises:
            ImageError: the photo cannot be read.
            UsageError: there is no photo: the prediction has an error, or no source.
        """
        from happysad.drawing import draw_source

        return draw_source(self)

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the photo with boxes and labels as .jpg or .png.

        Raises:
            ImageError: the photo cannot be read.
            UsageError: `file` is the photo itself, a folder, or has another suffix.
            OSError: the file cannot be written.
        """
        from happysad.drawing import save

        save(self, Path(file))

    def row(self) -> dict[str, Any]:
        r"""Return the row of schema 2, ready for JSON.

        If the path is not valid UTF-8, `path` has ``\xNN`` for each invalid byte, and an additional
        key, `path_bytes`, has all bytes of the path as hex digits.
        """
        return {
            **self._head(),
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "faces": [face.row() for face in self.faces],
            **self._tail(),
        }

    def face_rows(self) -> list[dict[str, Any]]:
        """Return a row for each face, numbered from 1, or one row for a photo without faces."""
        none = {
            "face": None,
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            **dict.fromkeys(_BOX),
        }
        faces = [{"face": number, **face.row()} for number, face in enumerate(self.faces, 1)]
        return [{**self._head(), **row, **self._tail()} for row in faces or [none]]

    def rows(self, each: Rows | str = Rows.PHOTO) -> list[dict[str, Any]]:
        """Return the photo's row in a list, or the rows of its faces.

        Args:
            each: "photo" for one row, "face" for a row for each face.

        Raises:
            UsageError: `each` is neither.
        """
        if each not in list(Rows):
            raise UsageError(f'rows must be "photo" or "face", not {reprlib.repr(each)}')
        return self.face_rows() if each == Rows.FACE else [self.row()]

    def _head(self) -> dict[str, Any]:
        head: dict[str, Any] = {"schema": SCHEMA, "path": self.path}
        if self.path is not None and (shown := readable(self.path)) != self.path:
            head |= {"path": shown, "path_bytes": _bytes(self.path).hex()}
        return {**head, "classifier": self.classifier}

    def _tail(self) -> dict[str, Any]:
        error = None
        if self.error is not None:
            error = {"code": str(self.error.code), "text": readable(self.error.text)}
        return {"notes": list(self.notes), "error": error}


def readable(text: str) -> str:
    r"""Return a path, or a message with one, with ``\xNN`` for each byte that is not valid UTF-8.

    >>> readable("caf\udce9.jpg")
    'caf\\xe9.jpg'
    """
    return _bytes(text).decode("utf-8", "backslashreplace")


def _bytes(text: str) -> bytes:
    try:
        return os.fsencode(text)
    except UnicodeEncodeError:  # half of a surrogate pair, which no path on this system contains
        return text.encode("utf-8", "surrogatepass")


def flat(row: Mapping[str, Any], classes: Sequence[str]) -> dict[str, Any]:
    """Return a row with flat columns, for CSV and Parquet.

    `probabilities` becomes a column ``p_<class>`` for each class, `error` becomes `error_code` and
    `error`, `notes` become one text, `faces` become their number (None with an error), and
    `path_bytes` is always present.

    >>> flat({"probabilities": {"happy": 0.9, "sad": 0.1}, "error": None}, ["happy", "sad"])
    {'p_happy': 0.9, 'p_sad': 0.1, 'error_code': None, 'error': None}
    """
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if name not in _NESTED:
            columns[name] = value
            continue
        match name:
            case "probabilities":
                for one in classes:
                    columns[f"p_{one}"] = None if value is None else value[one]
            case "error":
                columns["error_code"] = None if value is None else value["code"]
                columns["error"] = None if value is None else value["text"]
            case "notes":
                columns[name] = "; ".join(value) or None
            case "faces":
                columns[name] = None if row["error"] else len(value)
            case "path":
                columns["path"] = value
                columns["path_bytes"] = row.get("path_bytes")
    return columns


def flat_columns(classes: Sequence[str], each: Rows | str = Rows.PHOTO) -> list[str]:
    """Return the names of the flat columns, in order.

    >>> flat_columns(["happy", "sad"])[4:8]
    ['label', 'probability', 'p_happy', 'p_sad']
    """
    failed = Prediction(error=Failure(ErrorCode.EMPTY, "empty"))
    return list(flat(failed.rows(each)[0], classes))


def to_pandas(results: Iterable[Prediction], each: Rows | str = Rows.PHOTO) -> pd.DataFrame:
    """Return predictions as a table with flat columns; needs pandas.

    Args:
        results: predictions of one classifier.
        each: "photo" for one row per photo, "face" for one row per face.

    Raises:
        UsageError: `each` is neither.

    >>> answer = Prediction(source="a.jpg", label="happy", probabilities={"happy": 0.9, "sad": 0.1})
    >>> to_pandas([answer])["p_happy"].tolist()
    [0.9]
    """
    import pandas as pd

    answers = list(results)
    of_classes = next((one.probabilities for one in answers if one.probabilities), {})
    classes = list(of_classes)
    rows = [flat(row, classes) for answer in answers for row in answer.rows(each)]
    return pd.DataFrame(rows, columns=flat_columns(classes, each))


def _check_probabilities(label: str, probabilities: Mapping[str, float]) -> None:
    if not 2 <= len(probabilities) <= 3:
        raise ValueError(f"probabilities must be of 2 or 3 classes, not {len(probabilities)}")
    for name, value in probabilities.items():
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise ValueError(f"the probability of {name} must be from 0 to 1, not {value!r}")
    if abs(sum(probabilities.values()) - 1) > 1e-5:
        raise ValueError(f"probabilities must sum to 1, not {sum(probabilities.values())!r}")
    if label != UNSURE and label not in probabilities:
        raise ValueError(f"label must be {UNSURE} or one of {list(probabilities)}, not {label!r}")


def _short(source: object) -> str:
    if source is None:
        return "no source"
    if isinstance(source, str | os.PathLike):
        text = repr(os.fsdecode(source))
        return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 4]}…'"
    return type(source).__name__
