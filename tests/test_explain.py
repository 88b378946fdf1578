"""What decided: the places that matter are found, and nothing else is made to look so."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from happysad import Classifier
from happysad.classifier import Details
from happysad.errors import UsageError
from happysad.explain import explain, occlusion
from happysad.faces import find
from happysad.images import Pixels, fit, read
from happysad.inputs import FACES, crops
from happysad.photos import Photo
from tests.classifiers import brightness_classifier
from tests.pictures import photo
from tests.web import portrait


def looks_at(rows: slice, columns: slice, sign: int = 1) -> Callable[[Pixels], NDArray[np.float32]]:
    """A network that looks at one place alone: white there is of the second class."""

    def p_sad(inputs: Pixels) -> NDArray[np.float32]:
        mean = inputs[:, rows, columns].mean(axis=(1, 2, 3))
        return np.asarray(1 / (1 + np.exp(-sign * (mean - 100) / 20)), dtype=np.float32)

    return p_sad


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [16, 48, 50, 64])
def test_the_place_that_decides_is_hot_whichever_the_class(size: int, sign: int) -> None:
    white = np.zeros((size, size, 1), np.uint8)
    third = size // 3
    place = (slice(0, third), slice(size - third, size))
    white[place] = 255
    p, heat = occlusion(looks_at(*place, sign), white)
    assert (p > 0.9) if sign > 0 else (p < 0.1)
    assert heat.shape == (size, size)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert row < third
    assert column >= size - third
    assert heat[-third:, :third].max() == 0


def test_what_speaks_against_it_is_negative() -> None:
    picture = np.full((48, 48, 1), 255, np.uint8)
    picture[:12] = 0
    everything = (slice(None), slice(None))
    p, heat = occlusion(looks_at(*everything), picture)
    assert p > 0.9
    assert heat[:4].max() < 0 < heat[-4:].min()


def test_every_place_is_covered_and_the_input_stays_as_it_is() -> None:
    picture = photo(1, 50, 50)
    before = picture.copy()
    touched = np.zeros((50, 50), bool)

    def p_sad(inputs: Pixels) -> NDArray[np.float32]:
        np.testing.assert_array_equal(inputs[0], before)
        touched[(inputs[1:] != before).any(axis=(0, 3))] = True
        return np.full(len(inputs), 0.3, np.float32)

    p, heat = occlusion(p_sad, picture)
    assert p == pytest.approx(0.3)
    assert touched.mean() > 0.99  # a pixel may be of the mean's colour
    assert (heat == 0).all()
    np.testing.assert_array_equal(picture, before)


@pytest.fixture
def faces(tmp_path: Path) -> Classifier:
    model = brightness_classifier(
        tmp_path / "faces.onnx", size=48, channels=1, looks_at="face", slope=0.02
    )
    return Classifier.load(model)


def test_a_large_photo_is_explained_as_it_is_predicted(faces: Classifier) -> None:
    """It is decoded at reduced size, as far as its face allows."""
    file = io.BytesIO()
    Image.open(io.BytesIO(portrait())).resize((2560, 3000)).save(file, "jpeg")
    expected = faces.predict(file.getvalue()).faces[0]
    shown = explain(faces, Photo(file.getvalue()))
    assert (shown.label, shown.p_sad) == (expected.label, expected.p_sad)
    assert shown.p_sad != explain(faces, Photo(read(file.getvalue()))).p_sad


def test_a_face_is_explained_as_it_is_predicted(faces: Classifier) -> None:
    """On a real portrait that matplotlib carries."""
    pixels = read(portrait())
    shown = explain(faces, Photo(pixels))
    expected = faces.predict(pixels).faces[0]
    assert (shown.label, shown.p_sad) == (expected.label, expected.p_sad)
    assert explain(faces, Photo(pixels), face=1).heat.tolist() == shown.heat.tolist()
    assert shown.shown.shape == (384, 384, 3)
    assert shown.shown.dtype == np.uint8
    picture = Image.open(io.BytesIO(shown.png()))
    np.testing.assert_array_equal(np.asarray(picture), shown.shown)


def test_where_nothing_matters_the_picture_is_grey(tmp_path: Path) -> None:
    model = brightness_classifier(tmp_path / "model.onnx", slope=1e-6)
    shown = explain(Classifier.load(model), Photo(photo(1))).shown.astype(int)
    assert np.ptp(shown, axis=2).max() <= 2


def test_a_whole_photo(tmp_path: Path) -> None:
    classifier = Classifier.load(brightness_classifier(tmp_path / "model.onnx"))
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[:, 60:] = 255
    shown = explain(classifier, Photo(picture))
    assert shown.label == "happy"
    assert shown.heat[:, 0].mean() > 0 > shown.heat[:, -1].mean()
    # Orange for what speaks for it: more red than blue; blue against it.
    red, _, blue = np.moveaxis(shown.shown.astype(int), 2, 0)
    assert (red - blue)[:, :50].mean() > 5
    assert (red - blue)[:, -50:].mean() < -5


@pytest.mark.parametrize(
    ("face", "says"),
    [(2, "face=2: the photo has one face"), (0, "face=0: the photo has one face")],
)
def test_a_face_that_is_not_there(faces: Classifier, face: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        explain(faces, Photo(read(portrait())), face=face)


def test_a_photo_without_a_face(faces: Classifier) -> None:
    with pytest.raises(UsageError, match="face=1: the photo has no face"):
        explain(faces, Photo(photo(1)))


def test_faces_of_a_classifier_of_photos(tmp_path: Path) -> None:
    classifier = Classifier.load(brightness_classifier(tmp_path / "model.onnx"))
    with pytest.raises(UsageError, match="looks at whole photos"):
        explain(classifier, Photo(photo(1)), face=1)


class Both(Classifier):
    """Looks at photos and their faces: at the brightness of each alone."""

    def __init__(self) -> None:
        self.details = Details(
            labels=("happy", "sad"),
            size=48,
            channels=1,
            architecture="both",
            temperature=1.0,
            threshold=0.5,
            trained_on=1,
            version="0",
            looks_at="both",
        )

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
        assert {name: value.shape[1:] for name, value in inputs.items()} == {
            "faces": (8, 48, 48, 1),
            "weights": (8,),
            "photo": (64, 64, 3),
        }
        photos = inputs["photo"].mean(axis=(1, 2, 3)) / 255
        faces = inputs["faces"].mean(axis=(2, 3, 4)) / 255
        return {"p_sad": photos[:, None].astype(np.float32), "face_p_sad": faces.astype(np.float32)}


def test_of_both_the_photo_is_explained_or_a_face() -> None:
    pixels = read(portrait())
    photo_, face = explain(Both(), Photo(pixels)), explain(Both(), Photo(pixels), face=1)
    assert (photo_.heat.shape, face.heat.shape) == ((64, 64), (48, 48))
    [found] = find(pixels)
    assert photo_.p_sad == pytest.approx(fit(pixels, 64, 3).mean() / 255)
    assert face.p_sad == pytest.approx(crops(pixels, [found], 48, 1).mean() / 255)
    with pytest.raises(UsageError, match="face=2"):
        explain(Both(), Photo(pixels), face=2)
    assert explain(Both(), Photo(photo(1))).heat.shape == (64, 64)


def test_of_both_faces_past_those_weighed_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = read(portrait())
    [face] = find(pixels)
    several = [face.scaled(1 - 0.05 * n) for n in range(FACES + 1)]
    monkeypatch.setattr("happysad.photos.find", lambda *_, **__: several)
    last = explain(Both(), Photo(pixels), face=FACES + 1)
    assert last.p_sad == pytest.approx(crops(pixels, several[-1:], 48, 1).mean() / 255)
    assert last.p_sad != pytest.approx(crops(pixels, several[:1], 48, 1).mean() / 255)
