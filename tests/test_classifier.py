from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from happysad import Classifier, Details, Prediction
from happysad.errors import ClassifierError, ImageError, UsageError
from happysad.faces import Face
from happysad.images import Pixels, Source
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


def square(x: float, y: float, side: float) -> Face:
    """A face whose crop lies within its box."""
    points = [(0.35, 0.4), (0.65, 0.4), (0.5, 0.55), (0.38, 0.72), (0.62, 0.72)]
    landmarks = tuple((x + a * side, y + b * side) for a, b in points)
    return Face(x=x, y=y, width=side, height=side, landmarks=landmarks, score=0.9)


@pytest.fixture
def of_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Classifier:
    """Finds one large face on the left half of wide photos, and a small one on the right half."""

    def find(image: Pixels, reduced: int, threads: int) -> list[Face]:
        height, width = image.shape[:2]
        if width <= height:
            return []
        return [square(0, 0, height), square(width - height / 2, 0, height / 2)]

    monkeypatch.setattr("happysad.photos.find", find)
    file = brightness_classifier(
        tmp_path / "model.onnx", slope=0.02, looks_at="face", unsure=(0.4, 0.6)
    )
    return Classifier.load(file)


def halves(left: int, right: int) -> Pixels:
    picture = np.full((100, 300, 3), left, np.uint8)
    picture[:, 200:] = right
    return picture


def test_every_face_is_answered_and_the_photo_by_all_of_them(of_faces: Classifier) -> None:
    answer = of_faces.predict(halves(228, 8))
    first, second = (a.p_sad for a in answer.faces)
    # sigmoid(0.02 * (228 - 128)) and sigmoid(0.02 * (8 - 128))
    assert (first, second) == pytest.approx((1 / (1 + np.exp(-2)), 1 / (1 + np.exp(2.4))), abs=1e-5)
    assert [a.label for a in answer.faces] == ["sad", "happy"]
    # in log-odds, the large face twice as much: (2 * 2 - 2.4) / 3
    assert answer.p_sad == pytest.approx(1 / (1 + np.exp(-1.6 / 3)), abs=1e-5)
    assert answer.label == "sad"
    assert answer.probability == answer.p_sad


@pytest.mark.parametrize(
    ("level", "unsure", "label"),
    [(8, True, "happy"), (120, True, "unsure"), (120, False, "happy"), (136, False, "sad")],
)
def test_between_the_two_thresholds_it_is_unsure(
    of_faces: Classifier, level: int, unsure: bool, label: str
) -> None:
    answer = of_faces.predict(halves(level, level), unsure=unsure)
    assert answer.label == label
    assert [face.label for face in answer.faces] == [label] * 2


def test_without_a_face_there_is_no_guess(of_faces: Classifier) -> None:
    tall = np.full((30, 20, 3), 250, np.uint8)
    answers = of_faces.predict([tall, halves(228, 228), tall])
    assert [a.label for a in answers] == ["no_face", "sad", "no_face"]
    assert answers[0].p_sad is answers[0].probability is None
    crop = of_faces.predict(tall, faces=False)
    assert (crop.label, crop.faces) == ("sad", ())


def test_faces_off_is_not_for_whole_photos(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="faces off"):
        classifier.predict(BRIGHT, faces=False)


@pytest.mark.parametrize(
    ("source", "options", "words"),
    [
        (BRIGHT, {"faces": "off"}, "faces is True or False, not 'off'"),
        ([BRIGHT], {"unsure": 0}, "unsure is True or False, not 0"),
        (BRIGHT, {"bgr": None}, "bgr is True or False, not None"),
        (("a.jpg", "b.jpg"), {}, r"stream any iterable; not \('a.jpg', 'b.jpg'\)"),
        ((path for path in ["a.jpg"]), {}, "stream any iterable; not <generator"),
        (bytearray(b"BM"), {}, r"a file's bytes or an array, .* not bytearray\("),
        ([BRIGHT, None], {}, "a path, a file's bytes or an array, .* not None"),
    ],
)
def test_calls_that_cannot_work_are_refused(
    classifier: Classifier, source: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=f"^.*{words}.*$"):
        classifier.predict(source, **options)


@pytest.mark.parametrize(
    ("sources", "threads", "words"),
    [([], -1, "threads is 0"), ([], "2", "threads is 0"), ("a.jpg", 0, "not 'a.jpg'")],
)
def test_streams_that_cannot_work_are_refused(
    classifier: Classifier, sources: Any, threads: Any, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        next(classifier.stream(sources, threads=threads))


def test_flags_of_numpy_and_generators_are_taken(classifier: Classifier) -> None:
    sources: list[Source] = [BRIGHT, DARK]
    flags: dict[str, Any] = {"unsure": np.bool_(True)}
    answers = classifier.stream((source for source in sources), **flags)
    assert [answer.label for answer in answers] == ["sad", "happy"]


def test_bgr_is_said(tmp_path: Path) -> None:
    """A red picture is darker than a blue one only in grey; here the channels' order shows."""
    grey = Classifier.load(brightness_classifier(tmp_path / "grey.onnx", channels=1, slope=0.01))
    red = np.zeros((20, 20, 3), np.uint8)
    red[..., 0] = 255
    as_rgb, as_bgr = grey.predict(red).p_sad, grey.predict(red, bgr=True).p_sad
    blue = np.ascontiguousarray(red[..., ::-1])
    assert as_rgb == grey.predict(blue, bgr=True).p_sad != as_bgr == grey.predict(blue).p_sad


def test_one_by_one_and_in_a_batch_faces_are_the_same(of_faces: Classifier) -> None:
    rng = np.random.default_rng(0)
    shapes = [(40, 90), (70, 60), (50, 120), (64, 200)]
    photos: list[Source] = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    assert of_faces.predict(photos) == [of_faces.predict(photo) for photo in photos]


def test_rows_of_faces(of_faces: Classifier) -> None:
    answer = of_faces.predict(halves(228, 8))
    rows = answer.face_rows()
    assert [(row["face"], row["label"]) for row in rows] == [(1, "sad"), (2, "happy")]
    assert (rows[1]["x"], rows[1]["width"]) == (250, 50)
    assert [face["label"] for face in answer.row()["faces"]] == ["sad", "happy"]
    (none,) = of_faces.predict(np.zeros((30, 20, 3), np.uint8)).face_rows()
    assert (none["face"], none["label"], none["x"]) == (None, "no_face", None)
    assert list(none) == list(rows[0])


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


DETAILS = Details(
    labels=("happy", "sad"),
    size=48,
    channels=1,
    architecture="compact",
    temperature=1.25,
    threshold=0.5,
    trained_on=12,
    version="0",
)


def changed(**fields: object) -> str:
    """The details as they stand in an .onnx, but for some."""
    return json.dumps({**json.loads(DETAILS.to_json()), **fields})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "not written by happysad"),
        ("{}", "not the details"),
        ("[]", "not the details"),
        ('{"labels": ["sad", "happy"]}', "not the details"),
        (changed(unsure=[0.1]), "not the details"),
        (changed(unsure=[0.1, 0.6, 0.9]), "not the details"),
        (changed(unsure=["0.1", "0.9"]), "not the details"),
        (changed(unsure=[0.1, float("nan")]), "not the details"),
        (changed(labels=[1, 2]), "not the details"),
        (changed(labels=[["error"], None]), "not the details"),
        (changed(labels=["face", "no_face"]), r"no class can be called no_face; train again"),
        (changed(labels=["error", "unsure"]), r"no class can be called error or unsure; train"),
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
    for details in (DETAILS, replace(DETAILS, unsure=(0.0, 1.0))):
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
    assert row == {
        "schema": 1,
        "path": "a.jpg",
        "label": "sad",
        "p_sad": 0.75,
        "faces": [],
        "error": None,
    }
