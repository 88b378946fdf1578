"""The card's pictures show what was measured, by the rule that they name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.evaluation.metrics import Figure
from happysad.face_detection import Face
from happysad.images import read
from happysad.predictions import FacePrediction, Prediction
from recipes.face import pictures
from recipes.face.judging import Judgement
from recipes.face.robustness import CHANGES, Row
from tests.classifiers import three_class_classifier
from tests.conftest import Once
from tests.made_up_faces import judgement

DARK, GREY, BRIGHT = 20, 128, 236
#: All of a picture of 160 pixels but its border.
FACE = Face(
    x=20, y=20, width=120, height=120, score=0.9,
    landmarks=((55, 62), (105, 62), (80, 85), (60, 110), (100, 110)),
)  # fmt: skip


@pytest.fixture(scope="session")
def by_light(once: Once) -> Classifier:
    """Dark faces are happy, grey ones neither, bright ones sad; between them it is unsure."""

    def make(folder: Path) -> None:
        three_class_classifier(
            folder / "face.onnx", size=48, slope=0.05, looks_at="face", unsure=(0.9, 0.4, 0.9)
        )

    return Classifier(once("faces-by-light", make) / "face.onnx")


@pytest.fixture
def judged(by_light: Classifier) -> Judgement:
    return judgement(by_light)


def example(
    classifier: Classifier, name: str, drawn: str, level: int | None, faces: int = 1
) -> pictures.Example:
    """An even picture; None for one without a face."""
    pixels = np.full((160, 160, 3), level or 0, np.uint8)
    if level is None:
        return pictures.Example(name, drawn, pixels, Prediction(label="no_face"))
    answer = classifier.predict_found(pixels, [FACE])
    assert answer.label is not None and answer.probabilities is not None
    one = FacePrediction(label=answer.label, probabilities=answer.probabilities, face=FACE)
    return pictures.Example(name, drawn, pixels, replace(answer, faces=(one,) * faces))


def row(change: str, difference: float) -> Row:
    named = next(one for one in CHANGES if one.name == change)
    strength = named.strengths[-1]
    return Row(
        change=change,
        strength=strength,
        meaning=named.meaning.format(strength),
        recall=Figure(0.8, (0.7, 0.9)),
        difference=Figure(difference, (difference - 0.02, difference + 0.02)),
    )


def test_of_the_faces_as_drawn_the_first_of_the_worst_kinds_are_shown(by_light: Classifier) -> None:
    examples = [
        example(by_light, "right", "happy", DARK),
        example(by_light, "unsure", "happy", 90),
        example(by_light, "none", "happy", None),
        example(by_light, "none again", "happy", None),
        example(by_light, "neither", "happy", GREY),
        example(by_light, "opposite", "happy", BRIGHT),
        example(by_light, "sad, unsure", "sad", 180),
    ]
    panel, shown = pictures.as_drawn(by_light, examples)
    assert [one.path for one in panel.shown["happy"]] == ["opposite", "neither"]
    assert [one.path for one in panel.shown["sad"]] == ["sad, unsure"]
    assert panel.shown["sad"][0].answer.startswith("unsure, leans sad ")
    happy = {"happy": 1, "sad": 1, "neither": 1, "no_face": 2, "unsure": 1}
    assert panel.labels["happy"] == happy
    assert panel.labels["sad"] == {**dict.fromkeys(happy, 0), "unsure": 1}
    assert [len(shown[drawn]) for drawn in ("happy", "sad")] == [2, 1]


def test_of_the_changed_faces_those_are_shown_that_turn_wrong(by_light: Classifier) -> None:
    examples = [
        example(by_light, "happy already", "happy", DARK),
        example(by_light, "two faces", "sad", BRIGHT, faces=2),
        example(by_light, "not right as drawn", "sad", 180),
        example(by_light, "turns happy", "sad", BRIGHT),
    ]
    panel, shown = pictures.changed(by_light, examples, row("darkness", -0.2))
    assert panel.change == "darkness, levels times 0.1"
    assert panel.labels["happy"]["happy"] == 1 and not panel.shown["happy"]
    assert panel.labels["sad"]["happy"] == sum(panel.labels["sad"].values()) == 1
    assert [one.path for one in panel.shown["sad"]] == ["turns happy"]
    (changed,) = shown["sad"]
    assert changed.shape == (48, 48, 3)
    assert changed.mean() == pytest.approx(0.1 * BRIGHT, abs=1)


def test_all_pictures_come_the_same_each_time(
    by_light: Classifier, judged: Judgement, tmp_path: Path
) -> None:
    judged = replace(judged, robustness=(row("noise", -0.1), row("blur", -0.2)))
    drawn = pictures.write(by_light, judged, tmp_path / "one", faces=24)
    assert pictures.write(by_light, judged, tmp_path / "two", faces=24) == drawn
    for name in (pictures.CALIBRATION, pictures.RISK_COVERAGE, pictures.FAILURES):
        data = (tmp_path / "one" / name).read_bytes()
        assert data == (tmp_path / "two" / name).read_bytes()
        assert 1_000 < len(data) < 100_000
        assert len(np.unique(read(data))) > 10
    first, *others = drawn.panels
    assert [one.change.partition(",")[0] for one in others] == ["blur", "noise"]
    assert {label: sum(n.values()) for label, n in first.labels.items()} == {"happy": 12, "sad": 12}
    for one in others:
        for label, counts in one.labels.items():
            assert sum(counts.values()) == first.labels[label][label]


def test_the_curve_is_drawn_where_nothing_is_answered(judged: Judgement, tmp_path: Path) -> None:
    default = replace(
        judged.three.default,
        coverage=Figure(0.0, (0.0, 0.0)),
        selective_accuracy=Figure(None, None),
    )
    nothing = replace(judged, three=replace(judged.three, default=default))
    pictures.draw_risk_coverage(nothing, tmp_path / "none.png")
    pictures.draw_risk_coverage(judged, tmp_path / "some.png")
    assert (read(tmp_path / "none.png") != read(tmp_path / "some.png")).any()
