"""The network of faces and photo: what it measures, and what it must ignore."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from happysad import export
from happysad.classifier import Classifier
from happysad.errors import ExportError
from happysad.face_detection import Face
from happysad.images import Pixels
from happysad.inputs import FACES, PHOTO_SIZE
from happysad.keras_backend import quiet
from happysad.model_file import FACE_PROBABILITIES, PROBABILITIES, Details
from happysad.predictions import FacePrediction, Prediction
from tests import pictures

quiet()

import keras  # noqa: E402

from happysad.models import faces_and_photo  # noqa: E402
from happysad.models.head import head  # noqa: E402
from happysad.models.residual import features  # noqa: E402

DETAILS = Details(
    classes=("happy", "sad"),
    size=48,
    channels=1,
    architecture="face",
    temperature=1.5,
    threshold=0.4,
    trained_on=20,
    version="0",
    looks_at="both",
)


def network_of_faces(classes: Sequence[str]) -> Any:
    """Return a network with the blocks of ``face``, but only one, and a narrow one."""
    image = keras.Input((48, 48, 1), dtype="uint8", name="image")
    return keras.Model(image, head(features(image, (4,), stride=2), classes), name="face")


@pytest.fixture(scope="module")
def model() -> Any:
    keras.utils.set_random_seed(1)
    face = network_of_faces(("happy", "sad"))
    face.get_layer(PROBABILITIES).bias.assign([0.3])
    made = faces_and_photo.build(face, ("happy", "sad"))
    kernel, bias = made.get_layer(PROBABILITIES).get_weights()
    assert kernel.shape == (7 + faces_and_photo.FROM_LOOK, 1)
    made.get_layer(PROBABILITIES).set_weights([kernel, bias + 0.2])
    return made


def photos(faces: tuple[int, ...] = (0, 1, 2, FACES)) -> dict[str, Any]:
    """Return photos with these numbers of faces; missing faces are noise, not black."""
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
    np.testing.assert_allclose(model.predict(inputs, verbose=0)[FACE_PROBABILITIES], p, atol=1e-6)
    came = figures(model, inputs)[:, : -faces_and_photo.FROM_LOOK]
    np.testing.assert_array_equal(came[0], 0)  # no face
    for row, number in ((1, 1), (2, 2), (3, FACES)):
        logits = np.log(p[row] / (1 - p[row]))[:number]
        weights = inputs["weights"][row, :number]
        mean = np.average(logits, weights=weights)
        wanted = [1, number, weights.max(), logits[0], mean, logits.min(), logits.max()]
        np.testing.assert_allclose(came[row], wanted, rtol=2e-3, atol=1e-4)


def test_each_of_three_classes_has_figures() -> None:
    classes = ("happy", "neither", "sad")
    face = network_of_faces(classes)
    of_three, inputs = faces_and_photo.build(face, classes), photos((0, 2))
    found = of_three.predict(inputs, verbose=0)
    assert found[PROBABILITIES].shape == (2, 3)
    np.testing.assert_allclose(found[PROBABILITIES].sum(axis=1), 1, atol=1e-6)
    came = figures(of_three, inputs)[:, : -faces_and_photo.FROM_LOOK]
    np.testing.assert_array_equal(came[0], 0)
    p, weights = found[FACE_PROBABILITIES][1, :2], inputs["weights"][1, :2]
    logits = np.log(p / (1 - p))
    of_each = [logits[0], np.average(logits, axis=0, weights=weights), logits.min(0), logits.max(0)]
    wanted = [1, 2, weights.max(), *np.transpose(of_each).ravel()]
    np.testing.assert_allclose(came[1], wanted, rtol=2e-3, atol=1e-4)


def test_what_lies_in_unused_places_does_not_matter(model: Any) -> None:
    inputs = photos()
    black = {**inputs, "faces": inputs["faces"] * (inputs["weights"] > 0)[..., None, None, None]}
    assert (black["faces"] != inputs["faces"]).any()
    one, other = (model.predict(given, verbose=0)[PROBABILITIES] for given in (inputs, black))
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_look_is_measured(model: Any) -> None:
    inputs = photos((0, 0, 0))
    photo = inputs["photo"]
    photo[0] = (255, 0, 51)  # one plain colour
    photo[1] = 90
    photo[1, :10, -10:] = np.indices((10, 10)).sum(axis=0)[..., None] % 2 * 200  # upper right
    look = figures(model, inputs)[:, -faces_and_photo.FROM_LOOK :]
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
    classifier = Classifier(file)
    assert classifier.details == DETAILS
    expected = model.predict(inputs, verbose=0)
    assert expected[PROBABILITIES].std() > 1e-3
    for n in (1, 3):  # any batch
        came = classifier.run({name: values[:n] for name, values in inputs.items()})
        assert came.of_faces is not None
        second, of_faces = came.probabilities[:, 1], came.of_faces[..., 1]
        np.testing.assert_allclose(second, expected[PROBABILITIES][:n, 0], atol=1e-5)
        np.testing.assert_allclose(of_faces, expected[FACE_PROBABILITIES][:n], atol=1e-5)
    answer = classifier.predict(pictures.photo(5, 200, 300))
    assert answer.faces == ()
    assert answer.probabilities is not None

    model.save(tmp_path / "model.keras")  # and it opens in Keras alone
    again = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    for name, values in again.predict(inputs, verbose=0).items():
        np.testing.assert_array_equal(values, expected[name])
    export.to_onnx(again, tmp_path / "again.onnx", DETAILS, inputs)
    assert (tmp_path / "again.onnx").read_bytes() == file.read_bytes()
    assert export.to_tflite(model, tmp_path / "model.tflite", inputs) <= 1e-5


def test_more_faces_than_it_weighs_are_told_too(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    export.to_onnx(model, file, DETAILS, photos())
    classifier = Classifier(file)
    pixels = pictures.photo(5, 200, 300)
    found = [
        Face(x=20.0 * n, y=9.0 * n, width=50, height=60, landmarks=_landmarks(n), score=0.9)
        for n in range(2 * FACES + 1)
    ]
    answer, of_first = (classifier.predict_found(pixels, few) for few in (found, found[:FACES]))
    alone = [classifier.predict_found(pixels, [face]).faces[0] for face in found]
    assert [face.face for face in answer.faces] == found
    np.testing.assert_allclose(of_second(answer.faces), of_second(alone), atol=1e-5)
    assert np.std(of_second(alone)) > 1e-4
    # by the largest alone
    assert of_second([answer]) == pytest.approx(of_second([of_first]), abs=1e-5)


def of_second(answers: Sequence[Prediction | FacePrediction]) -> list[float]:
    """Return the probability of the second class for each photo."""
    return [(answer.probabilities or {})["sad"] for answer in answers]


def crowd(columns: int, rows: int) -> Pixels:
    """A photo that shows the same person many times."""
    one = Image.open(io.BytesIO(pictures.portrait())).convert("RGB").resize((170, 200))
    return np.tile(np.asarray(one), (rows, columns, 1))


def test_nothing_slips_from_one_photo_to_the_next(model: Any, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    export.to_onnx(model, file, DETAILS, photos())
    classifier = Classifier(file)
    several = [crowd(4, 3), crowd(2, 1), pictures.photo(7, 200, 300), crowd(4, 3)]
    alone = [classifier.predict(one) for one in several]
    assert [len(one.faces) for one in alone] == [12, 2, 0, 12]
    together = list(classifier.stream(several))
    for one, same in zip(alone, together, strict=True):
        assert of_second([same]) == pytest.approx(of_second([one]), abs=1e-5)
        assert of_second(same.faces) == pytest.approx(of_second(one.faces), abs=1e-5)


def _landmarks(n: int) -> tuple[tuple[float, float], ...]:
    points = ((15, 22), (35, 22), (25, 33), (17, 45), (33, 45))
    return tuple((20.0 * n + x, 9.0 * n + y) for x, y in points)


def test_a_difference_in_any_output_is_seen(model: Any, tmp_path: Path) -> None:
    inputs = photos()

    class Shifted:
        """The network, with slightly different answers of Keras for the faces."""

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def __call__(self, given: Any, **options: Any) -> Any:
            answers = model(given, **options)
            if not isinstance(given["weights"], np.ndarray):  # an exporter traces the network
                return answers
            return {**answers, FACE_PROBABILITIES: answers[FACE_PROBABILITIES] + 2e-4}

    with pytest.raises(ExportError, match=r"differs from Keras by 0\.0002"):
        export.to_onnx(Shifted(), tmp_path / "a.onnx", DETAILS, inputs)
    assert list(tmp_path.iterdir()) == []
