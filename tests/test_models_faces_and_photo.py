"""The network of faces and photo: what it measures, and what it must not look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from happysad.faces import Face

from happysad import export
from happysad.classifier import Classifier, Details
from happysad.errors import ExportError
from happysad.inputs import FACES, PHOTO_SIZE
from happysad.keras_backend import quiet
from happysad.models import build
from tests import pictures

quiet()

import keras  # noqa: E402

from happysad.models import fused  # noqa: E402

DETAILS = Details(
    labels=("happy", "sad"),
    size=48,
    channels=1,
    architecture="face",
    temperature=1.5,
    threshold=0.4,
    trained_on=20,
    version="0",
    looks_at="both",
)


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    face = build("face", size=48, channels=1, pretrained=False)
    face.get_layer("p_sad").bias.assign([0.3])
    made = fused.build(face)
    kernel, bias = made.get_layer("p_sad").get_weights()
    assert kernel.shape == (fused.FROM_FACES + fused.FROM_LOOK, 1)
    made.get_layer("p_sad").set_weights([kernel, bias + 0.2])
    return made


def photos(faces: tuple[int, ...] = (0, 1, 2, FACES)) -> dict[str, Any]:
    """One photo each with so many faces; where there is none, noise instead of black."""
    rng = np.random.default_rng(0)
    n = len(faces)
    there = np.arange(FACES) < np.array(faces)[:, None]
    seen = [pictures.photo(seed, PHOTO_SIZE, PHOTO_SIZE) for seed in range(n)]
    return {
        "faces": rng.integers(0, 256, (n, FACES, 48, 48, 1), dtype=np.uint8),
        "weights": (there * rng.uniform(0.1, 0.5, (n, FACES))).astype(np.float32),
        "photo": np.stack(seen),
    }


def figures(model: Any, inputs: dict[str, Any]) -> Any:
    return keras.Model(model.inputs, model.get_layer("figures").output).predict(inputs, verbose=0)


def test_the_faces_are_summed_up(model: Any) -> None:
    inputs = photos()
    p = model.get_layer("face").predict(inputs["faces"].reshape(-1, 48, 48, 1), verbose=0)
    p = p.reshape(-1, FACES)
    np.testing.assert_allclose(model.predict(inputs, verbose=0)["face_p_sad"], p, atol=1e-6)
    came = figures(model, inputs)[:, : fused.FROM_FACES]
    np.testing.assert_array_equal(came[0], 0)  # no face, nothing to say
    for row, number in ((1, 1), (2, 2), (3, FACES)):
        logits = np.log(p[row] / (1 - p[row]))[:number]
        weights = inputs["weights"][row, :number]
        mean = np.average(logits, weights=weights)
        wanted = [1, number, weights.max(), logits[0], mean, logits.min(), logits.max()]
        np.testing.assert_allclose(came[row], wanted, rtol=2e-3, atol=1e-4)


def test_what_lies_in_unused_places_does_not_matter(model: Any) -> None:
    inputs = photos()
    black = {**inputs, "faces": inputs["faces"] * (inputs["weights"] > 0)[..., None, None, None]}
    assert (black["faces"] != inputs["faces"]).any()
    one, other = (model.predict(given, verbose=0)["p_sad"] for given in (inputs, black))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_look_is_measured(model: Any) -> None:
    inputs = photos((0, 0, 0))
    photo = inputs["photo"]
    photo[0] = (255, 0, 51)  # one plain colour
    photo[1] = 90
    photo[1, :10, -10:] = np.indices((10, 10)).sum(axis=0)[..., None] % 2 * 200  # upper right
    look = figures(model, inputs)[:, fused.FROM_FACES :]
    means, deviations, detail = look[:, :8], look[:, 8:16], look[:, 16:]
    chroma, length = 1.0, np.hypot(1.0, 0.3)
    hue = [chroma * 1.0 / length, chroma * 0.3 / length]
    wanted = [0.4, 1.0, 0.3, 1.0, chroma, 1 / 1.05, *hue]
    np.testing.assert_allclose(means[0], wanted, atol=1e-3)
    np.testing.assert_allclose(deviations[0], 0, atol=1e-3)
    np.testing.assert_allclose(detail[0], 0, atol=1e-5)
    assert detail[1].argmax() == 3
    assert np.count_nonzero(detail[1] > 1e-3) == 1
    spread = photo[2].astype(float).max(axis=-1).std() / 255
    assert deviations[2, 3] == pytest.approx(spread, abs=1e-4)


def test_its_files_agree_with_keras(model: Any, tmp_path: Path) -> None:
    inputs = photos()
    file = tmp_path / "model.onnx"
    assert export.to_onnx(model, file, DETAILS, inputs) <= 1e-5
    classifier = Classifier.load(file)
    assert classifier.details == DETAILS
    expected = model.predict(inputs, verbose=0)
    assert expected["p_sad"].std() > 1e-3
    for n in (1, 3):  # any batch
        came = classifier.run({name: values[:n] for name, values in inputs.items()})
        assert set(came) == {"p_sad", "face_p_sad"}
        for name, values in came.items():
            np.testing.assert_allclose(values, expected[name][:n], atol=1e-5)
    answer = classifier.predict(pictures.photo(5, 200, 300))
    assert answer.faces == ()
    assert answer.p_sad is not None

    model.save(tmp_path / "model.keras")  # and it opens in Keras alone
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for name, values in again.predict(inputs, verbose=0).items():
        np.testing.assert_array_equal(values, expected[name])
    export.to_onnx(again, tmp_path / "again.onnx", DETAILS, inputs)
    assert (tmp_path / "again.onnx").read_bytes() == file.read_bytes()
    assert export.to_tflite(model, tmp_path / "model.tflite", inputs) <= 1e-5


def test_more_faces_than_it_weighs_are_told_too(
    model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "model.onnx"
    export.to_onnx(model, file, DETAILS, photos())
    classifier = Classifier.load(file)
    pixels = pictures.photo(5, 200, 300)
    found = [
        Face(x=20.0 * n, y=9.0 * n, width=50, height=60, landmarks=_landmarks(n), score=0.9)
        for n in range(2 * FACES + 1)
    ]
    answer, of_first = (classifier.predict_found(pixels, few) for few in (found, found[:FACES]))
    alone = [classifier.predict_found(pixels, [face]).faces[0].p_sad for face in found]
    assert [face.face for face in answer.faces] == found
    np.testing.assert_allclose([face.p_sad for face in answer.faces], alone, atol=1e-5)
    assert np.std(alone) > 1e-4
    assert answer.p_sad == pytest.approx(of_first.p_sad, abs=1e-5)  # by the largest alone
    # nothing slips from one photo to the next
    lists = iter([found, found[:2], found])
    monkeypatch.setattr("happysad.photos.find", lambda *_, **__: next(lists))
    several = list(classifier.stream([pixels] * 3, threads=1))
    assert [len(one.faces) for one in several] == [2 * FACES + 1, 2, 2 * FACES + 1]
    assert several[2].p_sad == pytest.approx(answer.p_sad, abs=1e-5)
    np.testing.assert_allclose([face.p_sad for face in several[1].faces], alone[:2], atol=1e-5)


def _landmarks(n: int) -> tuple[tuple[float, float], ...]:
    points = ((15, 22), (35, 22), (25, 33), (17, 45), (33, 45))
    return tuple((20.0 * n + x, 9.0 * n + y) for x, y in points)


def test_a_difference_in_any_output_is_seen(model: Any, tmp_path: Path, monkeypatch: Any) -> None:
    inputs = photos()
    expected = model.predict(inputs, verbose=0)
    shifted = {**expected, "face_p_sad": expected["face_p_sad"] + 2e-4}
    monkeypatch.setattr(export, "_answers", lambda *_: shifted)
    with pytest.raises(ExportError, match=r"differs from Keras by 0\.0002"):
        export.to_onnx(model, tmp_path / "a.onnx", DETAILS, inputs)
    with pytest.raises(ExportError, match=r"differs from Keras by 0\.0002"):
        export.to_tflite(model, tmp_path / "a.tflite", inputs)
    assert list(tmp_path.iterdir()) == []
