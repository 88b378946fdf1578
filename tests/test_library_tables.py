"""Rows are read as they were written, in each format; Parquet's types never depend on the rows."""

from __future__ import annotations

import os
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from happysad.faces import Face

from happysad.library import tables
from happysad.library.looking import look, taken_of
from happysad.predictions import NO_FACE, FacePrediction, Prediction
from tests.pictures import encoded, photo, save

FACE = Face(x=1.5, y=2, width=30, height=40, landmarks=((0, 0),) * 5, score=0.75)
ODD = os.fsdecode(b'caf\xe9/\\xe9\n,".jpg\r')  # bytes that are no UTF-8, and what looks like them
ANSWERS = [
    Prediction(path="ä.jpg", label="sad", p_sad=1 / 3 + 0.5),
    Prediction(
        path="face.jpg",
        label="happy",
        p_sad=0.1,
        faces=(
            FacePrediction(label="happy", p_sad=0.1, face=FACE),
            FacePrediction(label="unsure", p_sad=0.5, face=FACE),
        ),
    ),
    Prediction(path="empty.jpg", label=NO_FACE),
    Prediction(path="Icon\r", error="Icon\r: not an image"),
    Prediction(path=ODD, error=f"{ODD}: no such file"),
]
TIME = datetime(2020, 2, 29, 23, 59, 58)


def photos() -> list[dict[str, Any]]:
    return [tables.photo_row(answer, TIME if answer.label else None) for answer in ANSWERS]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_rows_come_back_as_they_were(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"part.{suffix}"
    tables.write(file, tables.PHOTOS, photos(), {})
    rows = list(tables.read(file, tables.PHOTOS))
    assert rows == photos()
    assert [tables.name_of(row) for row in rows] == [answer.path for answer in ANSWERS]
    assert rows[4]["path"] == 'caf\\xe9/\\xe9\n,".jpg\r'  # text that everyone can read
    assert [row["path_bytes"] for row in rows[:4]] == [None] * 4
    assert [row["faces"] for row in rows] == [0, 2, 0, None, None]

    of_faces = [row for answer in ANSWERS for row in tables.face_rows(answer)]
    tables.write(file, tables.FACES, of_faces, {})
    assert list(tables.read(file, tables.FACES)) == of_faces
    assert [(row["path"], row["face"]) for row in of_faces] == [("face.jpg", 1), ("face.jpg", 2)]

    tables.write(file, tables.FACES, [], {})
    assert list(tables.read(file, tables.FACES)) == []


def test_parquet_has_one_schema_whatever_stands_in_it(tmp_path: Path) -> None:
    """An error column that is null all through one part breaks reading the whole elsewhere."""
    import pandas as pd
    import pyarrow.parquet as pq

    all_null, some = tmp_path / "part-0.parquet", tmp_path / "part-1.parquet"
    tables.write(all_null, tables.PHOTOS, photos()[:1], {"schema": 1})
    tables.write(some, tables.PHOTOS, photos()[1:], {"schema": 1})
    expected = tables.schema(tables.PHOTOS)
    for file in (all_null, some):
        assert pq.read_schema(file).equals(expected, check_metadata=False)
    assert [str(field.type) for field in expected] == [
        "string",
        "binary",
        "string",
        "double",
        "int32",
        "timestamp[ms]",
        "string",
    ]
    table = pd.read_parquet(tmp_path)
    assert list(table["path"])[:2] == ["ä.jpg", "face.jpg"]
    assert table["taken"].notna().sum() == 3


def test_parquet_says_what_it_was_made_of(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    tables.write(file, tables.PHOTOS, photos(), {"sha256": "ab", "counts": {"sad": 1}})
    assert tables.about(file) == {"sha256": "ab", "counts": {"sad": 1}}


def test_a_part_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    file = tmp_path / "part.parquet"
    with pytest.raises(TypeError, match="Expected bytes"):
        tables.write(file, tables.PHOTOS, [{**photos()[0], "path": 3}], {})
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


def test_a_look_says_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")  # reading it would never end
    said = {
        name: look(str(tmp_path / name)).error or ""
        for name in ("link", "pipe", "none", ".", "a\0b", "link/file")
    }
    assert all(error.startswith(str(tmp_path / name)) for name, error in said.items())
    assert said["link"].endswith(": a broken link, to nowhere")
    assert said["pipe"].endswith(": not a regular file")
    assert said["none"].endswith(": no such file or directory")
    assert said["."].endswith(": a folder, not a file")
    assert said["a\0b"].endswith(": embedded null byte")
