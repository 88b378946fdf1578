"""Heat maps show the places that decide, and no other places."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from happysad import Classifier
from happysad.colours import GREEN, ORANGE
from happysad.errors import UsageError
from happysad.explain import explain, occlusion
from happysad.face_detection import find
from happysad.images import Pixels, fit, read
from happysad.inputs import FACES, crops
from happysad.photo import Photo
from happysad.probability import from_log_odds, of_second
from tests.classifiers import brightness_classifier
from tests.pictures import photo, portrait


def looks_at(rows: slice, columns: slice, sign: int = 1) -> Callable[[Pixels], NDArray[np.float64]]:
    """Return a network that depends on one place only: white there means the second class."""

    def answer(pictures: Pixels) -> NDArray[np.float64]:
        mean = pictures[:, rows, columns].mean(axis=(1, 2, 3))
        return of_second(from_log_odds(sign * (mean - 100) / 20))

    return answer


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("size", [16, 48, 50, 64])
def test_the_place_that_decides_is_hot_whichever_the_class(size: int, sign: int) -> None:
    white = np.zeros((size, size, 1), np.uint8)
    third = size // 3
    place = (slice(0, third), slice(size - third, size))
    white[place] = 255
    (_, p), heat, _ = occlusion(looks_at(*place, sign), white)
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
    (_, p), heat, _ = occlusion(looks_at(*everything), picture)
    assert p > 0.9
    assert heat[:4].max() < 0 < heat[-4:].min()


def test_each_place_raised_a_class() -> None:
    """The left raises the first class and the middle the third; the right raises no class."""
    bands = [slice(0, 16), slice(16, 32), slice(32, 48)]
    picture = np.full((48, 48, 1), 255, np.uint8)
    picture[:, bands[2]] = 0

    def answer(pictures: NDArray[Any]) -> NDArray[np.float64]:
        left, middle, _ = (pictures[:, :, band].mean(axis=(1, 2, 3)) / 255 for band in bands)
        shares = np.exp([3 * left, np.full(len(left), 1.0), middle])
        return np.asarray((shares / shares.sum(axis=0)).T)

    probabilities, heat, raised = occlusion(answer, picture)
    assert probabilities.argmax() == 0
    assert set(raised[:, :12].ravel()) == {0}
    assert set(raised[:, 27:32].ravel()) == {2}
    assert heat[:, 27:32].max() < 0 < heat[:, :12].min()


def test_every_place_is_covered_and_the_input_stays_as_it_is() -> None:
    picture = photo(1, 50, 50)
    before = picture.copy()
    touched = np.zeros((50, 50), bool)

    def answer(pictures: Pixels) -> NDArray[np.float64]:
        np.testing.assert_array_equal(pictures[0], before)
        touched[(pictures[1:] != before).any(axis=(0, 3))] = True
        return of_second(np.full(len(pictures), 0.3))

    (_, p), heat, _ = occlusion(answer, picture)
    assert p == pytest.approx(0.3)
    assert touched.mean() > 0.99  # some pixels may have the colour of the mean
    assert (heat == 0).all()
    np.testing.assert_array_equal(picture, before)


@pytest.fixture
def faces(tmp_path: Path) -> Classifier:
    model = brightness_classifier(
        tmp_path / "faces.onnx", size=48, channels=1, looks_at="face", slope=0.02
    )
    return Classifier(model)


def test_a_large_photo_is_explained_as_it_is_predicted(faces: Classifier) -> None:
    """It is decoded at the smallest size that its face allows."""
    file = io.BytesIO()
    Image.open(io.BytesIO(portrait())).resize((2560, 3000)).save(file, "jpeg")
    expected = faces.predict(file.getvalue()).faces[0]
    shown = explain(faces, Photo(file.getvalue()))
    assert (shown.label, shown.probabilities) == (expected.label, expected.probabilities)
    assert shown.probabilities != explain(faces, Photo(read(file.getvalue()))).probabilities


def test_a_face_is_explained_as_it_is_predicted(faces: Classifier) -> None:
    """With a real portrait, which is part of matplotlib."""
    pixels = read(portrait())
    shown = explain(faces, Photo(pixels))
    expected = faces.predict(pixels).faces[0]
    assert (shown.label, shown.probabilities) == (expected.label, expected.probabilities)
    assert explain(faces, Photo(pixels), face=1).heat.tolist() == shown.heat.tolist()
    assert shown.shown.shape == (384, 384, 3)
    assert shown.shown.dtype == np.uint8
    picture = Image.open(io.BytesIO(shown.png()))
    np.testing.assert_array_equal(np.asarray(picture), shown.shown)


def test_where_nothing_matters_the_picture_is_grey(tmp_path: Path) -> None:
    model = brightness_classifier(tmp_path / "model.onnx", slope=1e-6)
    shown = explain(Classifier(model), Photo(photo(1))).shown.astype(int)
    assert np.ptp(shown, axis=2).max() <= 2


def test_a_whole_photo(tmp_path: Path) -> None:
    classifier = Classifier(brightness_classifier(tmp_path / "model.onnx"))
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[:, 60:] = 255
    shown = explain(classifier, Photo(picture))
    assert shown.label == "happy"
    assert shown.heat[:, 0].mean() > 0 > shown.heat[:, -1].mean()
    # Orange parts, with more red than blue, raised happy; blue parts raised sad.
    red, _, blue = np.moveaxis(shown.shown.astype(int), 2, 0)
    assert (red - blue)[:, :50].mean() > 5
    assert (red - blue)[:, -50:].mean() < -5


def test_the_colours_are_those_of_the_classes(tmp_path: Path) -> None:
    file = brightness_classifier(tmp_path / "model.onnx", classes=("neither", "stormy"))
    picture = np.zeros((60, 90, 3), np.uint8)
    picture[:, 60:] = 255
    shown = explain(Classifier(file), Photo(picture)).shown.astype(float)
    black, white = shown[192, 20], 255 - shown[192, -20]
    np.testing.assert_allclose(black / black.max(), np.array(GREEN.rgb) / 158, atol=0.05)
    orange = 255 - np.array(ORANGE.rgb)
    np.testing.assert_allclose(white / white.max(), orange / orange.max(), atol=0.05)


@pytest.mark.parametrize(
    ("face", "says"),
    [(2, "face=2: the photo has 1 face"), (0, "face=0: the photo has 1 face")],
)
def test_a_face_that_is_not_there(faces: Classifier, face: int, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        explain(faces, Photo(read(portrait())), face=face)


def test_a_photo_without_a_face(faces: Classifier) -> None:
    with pytest.raises(UsageError, match="face=1: the photo has no face"):
        explain(faces, Photo(photo(1)))


def test_faces_of_a_classifier_of_photos(tmp_path: Path) -> None:
    classifier = Classifier(brightness_classifier(tmp_path / "model.onnx"))
    with pytest.raises(UsageError, match="looks at whole photos"):
        explain(classifier, Photo(photo(1)), face=1)


@pytest.fixture
def both(tmp_path: Path) -> Classifier:
    """A classifier of photos and their faces, which depends only on the brightness of each."""
    file = brightness_classifier(
        tmp_path / "both.onnx", size=48, channels=1, looks_at="both", slope=0.02
    )
    return Classifier(file)


def p_sad(mean: float) -> float:
    return float(from_log_odds(0.02 * (mean - 128)))


def test_of_both_the_photo_is_explained_or_a_face(both: Classifier) -> None:
    pixels = read(portrait())
    photo_, face = explain(both, Photo(pixels)), explain(both, Photo(pixels), face=1)
    assert (photo_.heat.shape, face.heat.shape) == ((64, 64), (48, 48))
    [found] = find(pixels)
    assert photo_.probabilities["sad"] == pytest.approx(p_sad(fit(pixels, 64, 3).mean()))
    assert face.probabilities["sad"] == pytest.approx(p_sad(crops(pixels, [found], 48, 1).mean()))
    with pytest.raises(UsageError, match="face=2"):
        explain(both, Photo(pixels), face=2)
    assert explain(both, Photo(photo(1))).heat.shape == (64, 64)


def test_of_both_faces_past_those_weighed_are_explained(
    both: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = read(portrait())
    [face] = find(pixels)
    several = [face.scaled(1 - 0.05 * n) for n in range(FACES + 1)]
    monkeypatch.setattr("happysad.photo.find", lambda *_, **__: several)
    last = explain(both, Photo(pixels), face=FACES + 1)
    of_last, of_first = (
        p_sad(crops(pixels, faces, 48, 1).mean()) for faces in (several[-1:], several[:1])
    )
    assert last.probabilities["sad"] == pytest.approx(of_last) != pytest.approx(of_first)
