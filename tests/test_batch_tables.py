"""Rows are read back as they were written; Parquet's types never depend on the rows."""

from __future__ import annotations

import json
import os
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.batch import tables
from happysad.batch.exif import taken_of
from happysad.batch.photo_files import look
from happysad.errors import ErrorCode, shown_path
from happysad.face_detection import Face
from happysad.predictions import NO_FACE, FacePrediction, Failure, Prediction
from tests.pictures import encoded, photo, save

FACE = Face(x=1.5, y=2, width=30, height=40, landmarks=((0, 0),) * 5, score=0.75)
ODD = os.fsdecode(b'caf\xe9/\\xe9\n,".jpg\r')  # bytes that are not UTF-8, and their escapes
CLASSES = ("happy", "neither", "sad")
SAD = {"happy": 0.1, "neither": 0.2, "sad": 0.7}
HAPPY = {"happy": 2 / 3, "neither": 1 / 3 - 0.1, "sad": 0.1}
ANSWERS = [
    Prediction(source="ä.jpg", label="sad", probabilities=SAD, notes=("turned", "alpha")),
    Prediction(
        source="face.jpg",
        label="happy",
        probabilities=HAPPY,
        faces=(
            FacePrediction(label="happy", probabilities=HAPPY, face=FACE),
            FacePrediction(label="unsure", probabilities=SAD, face=FACE),
        ),
        classifier="0123456789ab",
    ),
    Prediction(source="empty.jpg", label=NO_FACE),
    Prediction(source="Icon\r", error=Failure(ErrorCode.NOT_AN_IMAGE, 'Icon\r: not an image, "a"')),
    Prediction(source=ODD, error=Failure(ErrorCode.CANNOT_OPEN, f"{ODD}: no such file")),
]
TIME = datetime(2020, 2, 29, 23, 59, 58)


def photos() -> list[dict[str, Any]]:
    return [tables.photo_row(answer, TIME if answer.label else None) for answer in ANSWERS]


def faces() -> list[dict[str, Any]]:
    return [row for answer in ANSWERS if answer.faces for row in answer.face_rows()]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_rows_come_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"part.{suffix}"
    tables.write(file, CLASSES, "photo", photos(), {})
    rows = list(tables.read(file, CLASSES, "photo"))
    assert [list(row) for row in rows] == [list(tables.columns(CLASSES, "photo"))] * 5
    assert [tables.path_of(row) for row in rows] == [answer.path for answer in ANSWERS]
    assert rows[4]["path"] == 'caf\\xe9/\\xe9\n,".jpg\r'  # text that everyone can read
    assert rows[4]["path_bytes"] == os.fsencode(ODD)
    assert [row["path_bytes"] for row in rows[:4]] == [None] * 4
    assert [row["schema"] for row in rows] == [2] * 5
    assert [row["classifier"] for row in rows[:2]] == [None, "0123456789ab"]
    assert [row["label"] for row in rows] == [answer.label for answer in ANSWERS]
    assert [row["probability"] for row in rows] == [answer.probability for answer in ANSWERS]
    for row, answer in zip(rows, ANSWERS, strict=True):
        expected = answer.probabilities or dict.fromkeys(CLASSES)
        assert {name: row[f"p_{name}"] for name in CLASSES} == expected
    assert [row["faces"] for row in rows] == [0, 2, 0, None, None]
    assert [row["taken"] for row in rows] == [TIME] * 3 + [None] * 2
    assert [row["notes"] for row in rows[:2]] == ["turned; alpha", None]
    assert [row["error_code"] for row in rows[2:]] == [None, "not_an_image", "cannot_open"]
    assert rows[3]["error"] == 'Icon\r: not an image, "a"'
    assert rows[4]["error"] == f"{rows[4]['path']}: no such file"

    tables.write(file, CLASSES, "face", faces(), {})
    rows = list(tables.read(file, CLASSES, "face"))
    assert [(row["path"], row["face"]) for row in rows] == [("face.jpg", 1), ("face.jpg", 2)]
    assert [row["label"] for row in rows] == ["happy", "unsure"]
    box = {"x": 1.5, "y": 2, "width": 30, "height": 40, "score": 0.75}
    assert [{name: row[name] for name in box} for row in rows] == [box] * 2
    assert rows[0]["p_happy"] == 2 / 3

    tables.write(file, CLASSES, "face", [], {})
    assert list(tables.read(file, CLASSES, "face")) == []


def test_json_lines_hold_the_rows_of_predict(tmp_path: Path) -> None:
    file = tmp_path / "part.jsonl"
    tables.write(file, CLASSES, "photo", photos(), {})
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    assert [row.pop("taken") for row in rows] == [TIME.isoformat()] * 3 + [None] * 2
    assert rows == [answer.row() for answer in ANSWERS]
    assert ["path_bytes" in row for row in rows] == [False] * 4 + [True]


@pytest.mark.parametrize("each", ["photo", "face"])
def test_parquet_has_one_schema_whatever_stands_in_it(tmp_path: Path, each: str) -> None:
    """Other readers cannot read all parts if a column has the type null in one of them."""
    import pandas as pd
    import pyarrow.parquet as pq

    all_null, some = tmp_path / "part-0.parquet", tmp_path / "part-1.parquet"
    rows = photos() if each == "photo" else faces()
    tables.write(all_null, CLASSES, each, rows[:1] if each == "photo" else [], {})
    tables.write(some, CLASSES, each, rows, {})
    expected = tables.schema(tables.columns(CLASSES, each))
    for file in (all_null, some):
        assert pq.read_schema(file).equals(expected, check_metadata=False)
    assert len(pd.read_parquet(tmp_path)) == len(rows) + (each == "photo")


def test_the_types_of_columns() -> None:
    kinds = {field.name: str(field.type) for field in tables.schema(tables.columns("ab", "photo"))}
    assert kinds == {
        "schema": "int32",
        "path": "string",
        "path_bytes": "binary",
        "classifier": "string",
        "label": "string",
        "probability": "double",
        "p_a": "double",
        "p_b": "double",
        "faces": "int32",
        "notes": "string",
        "error_code": "string",
        "error": "string",
        "taken": "timestamp[ms]",
    }


def test_parquet_says_what_it_was_made_of(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    tables.write(file, CLASSES, "photo", photos(), {"sha256": "ab", "counts": {"sad": 1}})
    assert tables.about(file) == {"sha256": "ab", "counts": {"sad": 1}}


def test_a_part_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    with pytest.raises(ValueError, match="path: not 3"):
        tables.write(file, CLASSES, "photo", [{**photos()[0], "path": 3}], {})
    assert list(tmp_path.iterdir()) == []


def exif(text: str | bytes) -> bytes:
    from PIL import Image

    made = Image.Exif()
    made[0x0132] = "1999:01:01 00:00:00"  # when the file was changed: not when it was taken
    made.get_ifd(0x8769)[0x9003] = text
    return made.tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("2020:02:29 23:59:58", TIME),
        ("2020:02:29 23:59:58\0", TIME),
        ("0000:00:00 00:00:00", None),  # a camera whose clock was never set
        ("yesterday", None),
    ],
)
def test_when_a_photo_was_taken(
    tmp_path: Path, text: str, taken: datetime | None, suffix: str
) -> None:
    file = save(tmp_path / f"a.{suffix}", photo(0), exif=exif(text))
    assert look(str(file)).taken == taken
    assert look(str(file)).error is None


@pytest.mark.parametrize(
    ("format_", "mark"), [("jpeg", b"Exif\0\0"), ("png", b"eXIf"), ("webp", b"EXIF")]
)
def test_without_exif_or_with_damaged_there_is_no_time(format_: str, mark: bytes) -> None:
    def taken(data: bytes) -> datetime | None:
        return taken_of(BytesIO(data))

    assert taken(encoded(photo(0), format_)) is None
    whole = encoded(photo(0), format_, exif=exif("2020:02:29 23:59:58"))
    at = whole.index(mark)
    assert taken(whole) == TIME
    for end in range(at, at + 60):
        assert taken(whole[:end]) in (None, TIME)
        assert taken(whole[:end] + b"\xff" * 99) in (None, TIME)
    for end in range(20):
        assert taken(whole[:end]) is None
        assert taken(whole[:end] + b"\0" * 99999) is None


def test_the_time_is_found_behind_any_pixels_which_are_not_read() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 401, 3), np.uint8)
    whole = encoded(pixels, "webp", lossless=True, exif=exif("2020:02:29 23:59:58"))
    assert whole.index(b"EXIF") > 1 << 18
    read = 0

    class Counted(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal read
            found = super().read(size)
            read += len(found)
            return found

    assert taken_of(Counted(whole)) == TIME
    assert read < 300


def test_a_look_finds_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")  # reading it would never end
    reasons = {
        "link": (": a broken link, to nowhere", ErrorCode.CANNOT_OPEN),
        "pipe": (": not a regular file", ErrorCode.NOT_A_FILE),
        "none": (": no such file or directory", ErrorCode.CANNOT_OPEN),
        ".": (": a folder, not a file", ErrorCode.NOT_A_FILE),
        "a\0b": (": embedded null byte", ErrorCode.CANNOT_OPEN),
        "link/file": (": no such file or directory", ErrorCode.CANNOT_OPEN),
    }
    for name, (reason, code) in reasons.items():
        error = look(str(tmp_path / name)).error
        assert error is not None
        assert str(error).startswith(shown_path(str(tmp_path / name)))
        assert (str(error)[-len(reason) :], error.code) == (reason, code)
