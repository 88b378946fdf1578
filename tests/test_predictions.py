"""Predictions check themselves, and their rows have one shape everywhere."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pytest

from happysad import (
    ErrorCode,
    Face,
    FacePrediction,
    Failure,
    ImageError,
    Prediction,
    UsageError,
    to_pandas,
)
from happysad.predictions import describe, flat, flat_columns

HAPPY = {"happy": 0.75, "sad": 0.25}
THREE = {"happy": 0.2, "neither": 0.5, "sad": 0.3}
EMPTY = Failure(ErrorCode.EMPTY, "a.jpg: the file is empty")


def face(label: str, probabilities: dict[str, float]) -> FacePrediction:
    points = ((1.0, 1.0), (3.0, 1.0), (2.0, 2.0), (1.0, 3.0), (3.0, 3.0))
    place = Face(x=0.5, y=1, width=4, height=5, landmarks=points, score=0.9)
    return FacePrediction(label=label, probabilities=probabilities, face=place)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "a label or an error"),
        ({"label": "sad"}, "the label 'sad' needs probabilities"),
        ({"label": "no_face", "probabilities": HAPPY}, "no_face has no probabilities"),
        ({"label": "angry", "probabilities": HAPPY}, "label must be unsure or one of"),
        ({"label": "sad", "probabilities": {"happy": -0.5, "sad": 1.5}}, "must be from 0 to 1"),
        ({"label": "sad", "probabilities": {"happy": float("nan"), "sad": 1.0}}, "from 0 to 1"),
        ({"label": "sad", "probabilities": {"happy": 0.5, "sad": 0.6}}, "sum to 1"),
        ({"label": "sad", "probabilities": {"sad": 1.0}}, "2 or 3 classes"),
        ({"label": "sad", "probabilities": HAPPY, "error": EMPTY}, "an error has no label"),
        ({"error": EMPTY, "faces": (face("happy", HAPPY),)}, "an error has no label"),
    ],
)
def test_a_prediction_that_makes_no_sense_is_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Prediction(**fields)


def test_a_face_checks_its_probabilities() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        face("happy", {"happy": 0.9, "sad": 0.2})


@pytest.mark.parametrize(
    ("label", "probabilities", "words"),
    [
        ("happy", HAPPY, "happy 75 %"),
        ("unsure", {"happy": 0.34, "sad": 0.66}, "unsure, leans sad 66 %"),
        ("unsure", THREE, "unsure, leans neither 50 %"),
        ("no_face", None, "no_face"),
        (None, None, "error"),
    ],
)
def test_answers_in_words(
    label: str | None, probabilities: dict[str, float] | None, words: str
) -> None:
    assert describe(label, probabilities) == words


def test_a_row_has_schema_2_and_is_json() -> None:
    prediction = Prediction(
        source="a.jpg",
        label="happy",
        probabilities=HAPPY,
        faces=(face("happy", HAPPY),),
        classifier="0123456789ab",
        notes=("first of several frames",),
    )
    box = {"x": 0.5, "y": 1, "width": 4, "height": 5, "score": 0.9}
    answer = {"label": "happy", "probability": 0.75, "probabilities": HAPPY}
    row = {
        "schema": 2,
        "path": "a.jpg",
        "classifier": "0123456789ab",
        **answer,
        "faces": [{**answer, **box}],
        "notes": ["first of several frames"],
        "error": None,
    }
    assert list(prediction.row()) == list(row)
    assert json.loads(json.dumps(prediction.row())) == row
    (of_face,) = prediction.face_rows()
    assert of_face == {
        "schema": 2,
        "path": "a.jpg",
        "classifier": "0123456789ab",
        "face": 1,
        **answer,
        **box,
        "notes": ["first of several frames"],
        "error": None,
    }


def test_an_error_and_a_photo_without_a_face_have_rows_of_the_same_shape() -> None:
    failed = Prediction(source="a.jpg", error=EMPTY)
    none = Prediction(source="b.jpg", label="no_face")
    assert failed.row()["error"] == {"code": "empty", "text": "a.jpg: the file is empty"}
    assert list(failed.row()) == list(none.row())
    assert list(failed.face_rows()[0]) == list(none.face_rows()[0])
    assert (none.face_rows()[0]["face"], none.face_rows()[0]["x"]) == (None, None)


def test_a_path_that_is_no_utf8_is_text_and_bytes() -> None:
    path = os.fsdecode(b"caf\xe9.jpg")
    row = Prediction(source=path, error=Failure(ErrorCode.EMPTY, f"{path}: empty")).row()
    assert list(row)[1:3] == ["path", "path_bytes"]
    assert (row["path"], bytes.fromhex(row["path_bytes"])) == ("caf\\xe9.jpg", b"caf\xe9.jpg")
    assert row["error"]["text"] == "caf\\xe9.jpg: empty"
    assert list(flat(row, ["happy", "sad"])) == flat_columns(["happy", "sad"])


@pytest.mark.parametrize("each", ["photo", "face"])
def test_flat_columns_are_those_of_every_flat_row(each: str) -> None:
    answers = [
        Prediction(source="a.jpg", error=EMPTY),
        Prediction(source="b.jpg", label="no_face"),
        Prediction(label="neither", probabilities=THREE, faces=(face("neither", THREE),)),
    ]
    columns = flat_columns(list(THREE), each)
    for answer in answers:
        for row in answer.rows(each):
            assert list(flat(row, list(THREE))) == columns
    assert {"p_happy", "p_neither", "p_sad", "error_code", "error"} <= set(columns)


def test_a_table_for_pandas() -> None:
    answers = [
        Prediction(source="a.jpg", error=EMPTY),
        Prediction(source="b.jpg", label="happy", probabilities=HAPPY, faces=()),
    ]
    table = to_pandas(answers)
    assert table["p_happy"].tolist()[1] == 0.75
    assert np.isnan(table["p_happy"][0])
    assert table["error_code"][0] == "empty"
    assert table["error_code"].isna().tolist() == [False, True]
    assert list(to_pandas([], "face")) == flat_columns([], "face")


@pytest.mark.parametrize(
    ("prediction", "line"),
    [
        (Prediction(source="a.jpg", error=EMPTY), "Prediction('a.jpg': empty)"),
        (Prediction(label="no_face"), "Prediction(no source: no_face)"),
        (
            Prediction(
                source=b"bytes",
                label="unsure",
                probabilities=HAPPY,
                faces=(face("unsure", HAPPY), face("happy", HAPPY)),
            ),
            "Prediction(bytes: unsure, leans happy 75 %, 2 faces)",
        ),
    ],
)
def test_a_prediction_is_shown_in_one_line(prediction: Prediction, line: str) -> None:
    assert repr(prediction) == line


def test_a_long_path_is_cut_in_the_line() -> None:
    line = repr(Prediction(source="x" * 10_000, label="happy", probabilities=HAPPY))
    assert len(line) < 120


def test_a_failure_of_an_exception() -> None:
    assert Failure.of(ImageError("a: b", ErrorCode.DAMAGED)) == Failure(ErrorCode.DAMAGED, "a: b")
    assert Failure.of(ValueError("odd")) == Failure(ErrorCode.INTERNAL, "odd")
    assert Failure.of(ValueError()) == Failure(ErrorCode.INTERNAL, "ValueError")


@pytest.mark.parametrize("each", ["faces", "photos", ""])
def test_other_rows_are_refused(each: str) -> None:
    with pytest.raises(UsageError, match=r'^rows must be "photo" or "face", not '):
        to_pandas([], each)


def test_half_of_a_surrogate_pair_in_a_path_has_a_row() -> None:
    row = Prediction(source="\ud800.jpg", error=Failure(ErrorCode.EMPTY, "\ud800")).row()
    assert json.loads(json.dumps(row))["path"] == "\\xed\\xa0\\x80.jpg"


def test_a_source_that_is_no_photo_is_not_drawn() -> None:
    answer = Prediction(source=7, label="no_face")
    assert answer._repr_png_() is None
    with pytest.raises(UsageError, match="not a photo"):
        answer.draw()
