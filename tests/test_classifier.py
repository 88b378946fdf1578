from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from happysad import Classifier, Details, Prediction
from happysad.errors import ClassifierError, ImageError
from happysad.images import Source
from tests.classifiers import brightness_classifier

BRIGHT = np.full((20, 30, 3), 250, np.uint8)
DARK = np.full((20, 30, 3), 5, np.uint8)


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier.load(brightness_classifier(tmp_path / "model.onnx"))


def test_the_label_is_the_second_class_from_the_threshold_on(classifier: Classifier) -> None:
    sad, happy = classifier.predict(BRIGHT), classifier.predict(DARK)
    assert (sad.label, happy.label) == ("sad", "happy")
    assert sad.p_sad is not None
    assert sad.p_sad == pytest.approx(1 / (1 + np.exp(-0.1 * (250 - 128))), abs=1e-6)


def test_another_threshold_moves_the_label_and_not_the_probability(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "m.onnx", slope=0.01, threshold=0.9)
    answer = Classifier.load(file).predict(BRIGHT)
    assert answer.p_sad == pytest.approx(0.772, abs=1e-3)
    assert answer.label == "happy"


def test_path_bytes_and_array_give_the_same(classifier: Classifier, tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(picture).save(path)
    answers = [classifier.predict(s) for s in (path, str(path), path.read_bytes(), picture)]
    assert len({a.p_sad for a in answers}) == 1
    assert [a.path for a in answers] == [str(path), str(path), None, None]


def test_a_list_keeps_its_order_and_says_what_cannot_be_read(
    classifier: Classifier, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    sources: list[Source] = [BRIGHT, broken, DARK, tmp_path / "missing.jpg"]
    answers = classifier.predict(sources)
    assert [a.label for a in answers] == ["sad", None, "happy", None]
    assert "not an image" in str(answers[1].error)
    assert "no such file" in str(answers[3].error)


def test_many_are_answered_as_one_by_one(classifier: Classifier) -> None:
    rng = np.random.default_rng(1)
    pictures: list[Source] = [rng.integers(0, 256, (9, 9, 3), dtype=np.uint8) for _ in range(70)]
    alone = [classifier.predict(picture).p_sad for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        threaded = [a.p_sad for a in pool.map(classifier.predict, pictures)]
    assert [a.p_sad for a in classifier.predict(pictures)] == alone == threaded


def test_one_that_cannot_be_read_raises(classifier: Classifier, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"missing\.jpg: no such file"):
        classifier.predict(tmp_path / "missing.jpg")


def test_a_run_folder_is_its_model(tmp_path: Path) -> None:
    brightness_classifier(tmp_path / "model.onnx", size=24)
    assert Classifier.load(tmp_path).details.size == 24


def test_what_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClassifierError, match="no such file"):
        Classifier.load(tmp_path / "missing.onnx")
    text = tmp_path / "text.onnx"
    text.write_text("no model")
    with pytest.raises(ClassifierError, match=r"not an \.onnx that can be loaded"):
        Classifier.load(text)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "not written by happysad"),
        ("{}", "not the details"),
        ("[]", "not the details"),
        ('{"labels": ["sad", "happy"]}', "not the details"),
    ],
)
def test_an_onnx_of_someone_else_is_refused(
    tmp_path: Path, value: str | None, message: str
) -> None:
    file = brightness_classifier(tmp_path / "model.onnx")
    model = onnx.load(file)
    del model.metadata_props[:]
    if value is not None:
        model.metadata_props.add(key="happysad", value=value)
    onnx.save(model, file)
    with pytest.raises(ClassifierError, match=message):
        Classifier.load(file)


def test_details_survive_json() -> None:
    details = Details(
        labels=("happy", "sad"),
        size=48,
        channels=1,
        architecture="compact",
        temperature=1.25,
        threshold=0.5,
        trained_on=12,
        version="0",
    )
    assert Details.from_json(details.to_json()) == details


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"label": "sad"},
        {"label": "sad", "p_sad": 1.5},
        {"label": "sad", "p_sad": float("nan")},
        {"label": "sad", "p_sad": 0.9, "error": "and an error"},
        {"error": ""},
    ],
)
def test_a_prediction_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"a prediction has|p_sad is a probability"):
        Prediction(**fields)  # type: ignore[arg-type]


def test_a_row_is_versioned() -> None:
    row = Prediction(path="a.jpg", label="sad", p_sad=0.75).row()
    assert row == {"schema": 1, "path": "a.jpg", "label": "sad", "p_sad": 0.75, "error": None}
