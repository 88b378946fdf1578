"""The card's pictures show what was measured, by the rule that they name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.face_detection import Face
from happysad.images import read
from happysad.predictions import FacePrediction, Prediction
from recipes.face import judging, pictures
from recipes.face.robustness import CHANGES
from tests.classifiers import brightness_classifier
from tests.conftest import Once

LABELS = ("happy", "sad")
#: All of a picture of 160 pixels but its border.
FACE = Face(
    x=20, y=20, width=120, height=120, score=0.9,
    landmarks=((55, 62), (105, 62), (80, 85), (60, 110), (100, 110)),
)  # fmt: skip
SLOPE, MIDDLE = 0.03, 127.5


@pytest.fixture(scope="session")
def bright(once: Once) -> Classifier:
    """The brighter a face, the sadder."""

    def make(folder: Path) -> None:
        brightness_classifier(
            folder / "face.onnx",
            size=48,
            channels=1,
            slope=SLOPE,
            middle=MIDDLE,
            looks_at="face",
            unsure=(0.3, 0.7),
        )

    return Classifier(once("bright-faces", make) / "face.onnx")


def example(
    classifier: Classifier, name: str, drawn: str, p_sad: float | None, faces: int = 1
) -> pictures.Example:
    """An even picture, as bright as it is sad."""
    if p_sad is None:
        black = np.zeros((160, 160, 3), np.uint8)
        return pictures.Example(name, drawn, black, Prediction(label="no_face"))
    level = MIDDLE + math.log(p_sad / (1 - p_sad)) / SLOPE
    pixels = np.full((160, 160, 3), round(level), np.uint8)
    probabilities = classifier.named([1 - p_sad, p_sad])
    label = classifier.label_of([1 - p_sad, p_sad])
    found = (FacePrediction(label=label, probabilities=probabilities, face=FACE),) * faces
    whole = Prediction(label=label, probabilities=probabilities, faces=found)
    return pictures.Example(name, drawn, pixels, whole)


def row(change: str | None, difference: float | None, high: float = -0.01) -> dict[str, Any]:
    named = next((c for c in CHANGES if c.name == change), None)
    span = None if difference is None else [difference - 0.02, high]
    return {
        "change": change,
        "strength": named and named.strengths[-1],
        "meaning": named and named.meaning.format(named.strengths[-1]),
        "difference": difference,
        "intervals": {"difference": span},
    }


FIGURES: dict[str, Any] = {
    "test": {
        "abstention": {
            "n": 100,
            "coverage": {"value": 0.8, "interval": [0.7, 0.85]},
            "selective_accuracy": {"value": 0.9, "interval": [0.85, 0.97]},
        }
    },
    "risk_coverage": {
        "coverage": [0.5, 1.0],
        "risk": [0.02, 0.1],
        "low": [0.0, 0.06],
        "high": [0.06, 0.14],
    },
    "robustness": {"rows": [row(None, 0.0), row("noise", -0.1), row("blur", -0.2)]},
}


@pytest.mark.parametrize(
    ("label", "p_sad", "words"),
    [
        ("sad", 0.98, "sad, 98.0 %"),
        ("happy", 0.25, "happy, 75.0 %"),
        ("unsure", 0.25, "unsure, happy 75.0 %"),
        ("unsure", 0.5, "unsure, sad 50.0 %"),
        ("happy", 0.000001, "happy, 99.9 %"),  # nothing is certain
        ("no_face", None, "no face found"),
    ],
)
def test_an_answer_in_words(label: str, p_sad: float | None, words: str) -> None:
    assert pictures.said(label, p_sad, LABELS) == words


def test_the_costliest_changes_come_once_each_at_their_worst() -> None:
    rows = [
        row(None, 0.0),
        row("blur", -0.05),
        row("blur", -0.2),
        row("blur", -0.1),
        row("noise", -0.3),
        row("JPEG", -0.02, high=0.01),  # may cost nothing
        row("contrast", None),  # a class is missing
        row("darkness", -0.04),
    ]
    named = [(r["change"], r["difference"]) for r in judging.costliest({"rows": rows}, 9)]
    assert named == [("noise", -0.3), ("blur", -0.2), ("darkness", -0.04)]
    assert [r["change"] for r in judging.costliest({"rows": rows}, 1)] == ["noise"]


def test_of_the_faces_as_drawn_the_first_of_the_two_worst_kinds_are_shown(
    bright: Classifier,
) -> None:
    examples = [
        example(bright, "right", "happy", 0.1),
        example(bright, "unsure", "happy", 0.5),
        example(bright, "none", "happy", None),
        example(bright, "none again", "happy", None),
        example(bright, "wrong", "happy", 0.9),
        example(bright, "sad, unsure", "sad", 0.6),
    ]
    parts = pictures.as_drawn(bright, examples)
    assert [e["path"] for e in parts["happy"].shown] == ["wrong", "none"]
    assert [e["path"] for e in parts["sad"].shown] == ["sad, unsure"]
    assert parts["happy"].outcomes == {"happy": 1, "sad": 1, "no_face": 2, "unsure": 1}
    assert parts["sad"].outcomes == {"sad": 0, "happy": 0, "no_face": 0, "unsure": 1}
    assert len(parts["happy"].pictures) == 2


def test_of_the_changed_faces_the_first_that_turns_wrong_is_shown_or_else_unsure(
    bright: Classifier,
) -> None:
    examples = [
        example(bright, "happy already", "happy", 0.1),
        example(bright, "two faces", "sad", 0.75, faces=2),
        example(bright, "not right as drawn", "sad", 0.5),
        example(bright, "turns unsure", "sad", 0.95),
        example(bright, "turns wrong", "sad", 0.75),
    ]
    worse = {**row("darkness", -0.2), "strength": 0.5}
    parts = pictures.changed(bright, examples, worse)
    assert parts["happy"] == pictures.Part({"happy": 1, "sad": 0, "unsure": 0}, [], [])
    assert parts["sad"].outcomes == {"sad": 0, "happy": 1, "unsure": 1}
    (shown,) = parts["sad"].shown
    assert shown["path"] == "turns wrong"
    assert shown["as_drawn"] == ["sad", 0.75]
    level = MIDDLE + math.log(3) / SLOPE
    dark = 1 / (1 + math.exp(-SLOPE * (0.5 * level - MIDDLE)))
    assert shown["changed"] == ["happy", pytest.approx(dark, abs=0.01)]
    before, after = (pixels for pixels, *_ in parts["sad"].pictures)
    assert before.shape == after.shape == (48, 48, 1)
    assert after.mean() == pytest.approx(0.5 * before.mean(), abs=1)
    unsure = pictures.changed(bright, examples[:4], worse)["sad"].shown
    assert [(e["path"], e["changed"][0]) for e in unsure] == [("turns unsure", "unsure")]


def test_both_pictures_come_the_same_each_time(tmp_path: Path) -> None:
    classifier = Classifier(threads=1)
    drawn = pictures.write(classifier, FIGURES, tmp_path / "one", faces=24)
    assert pictures.write(classifier, FIGURES, tmp_path / "two", faces=24) == drawn
    for name in (pictures.RISK_COVERAGE, pictures.FAILURES):
        data = (tmp_path / "one" / name).read_bytes()
        assert data == (tmp_path / "two" / name).read_bytes()
        assert len(data) < 100_000
        assert len(np.unique(read(data))) > 10
    assert [row["change"] for row in drawn["changed"]] == ["blur", "noise"]
    counted = {label: drawn["as_drawn"][label]["outcomes"] for label in LABELS}
    assert {label: sum(c.values()) for label, c in counted.items()} == {"happy": 12, "sad": 12}
    assert sum(counted[label][label] for label in LABELS) > 0
    for changed in drawn["changed"]:
        for label in LABELS:
            assert sum(changed[label]["outcomes"].values()) == counted[label][label]


def test_the_curve_is_drawn_where_nothing_is_answered(tmp_path: Path) -> None:
    nothing = {"value": 0.0, "interval": [0.0, 0.0]}
    undefined = {"value": None, "interval": None}
    test = {"abstention": {"n": 100, "coverage": nothing, "selective_accuracy": undefined}}
    pictures.draw_risk_coverage({**FIGURES, "test": test}, tmp_path / "none.png")
    pictures.draw_risk_coverage(FIGURES, tmp_path / "some.png")
    assert (read(tmp_path / "none.png") != read(tmp_path / "some.png")).any()


def test_the_curve_by_hand() -> None:
    # Sureness: the first, the second, the fourth (wrong), the third.
    y, p = np.array([0, 1, 1, 0]), np.array([0.01, 0.95, 0.55, 0.8])
    curve = judging.curve(y, p, ["a", "b", "c", "d"], 0.5)
    assert len(curve["coverage"]) == 100
    assert [curve["coverage"][k - 1] for k in (1, 25, 26, 75, 100)] == [0.25, 0.25, 0.5, 0.75, 1]
    assert [curve["risk"][k - 1] for k in (50, 75, 100)] == [0, pytest.approx(1 / 3), 0.25]
    # At full coverage it is how often one face in four is drawn: 0 to 3 of 4 in the middle 95 %.
    assert (curve["low"][99], curve["high"][99]) == (0, pytest.approx(0.75))
    alone = judging.curve(y, p, ["a"] * 4, 0.5)
    assert alone["low"] == alone["high"] == pytest.approx(alone["risk"])
