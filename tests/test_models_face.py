"""The network of faces: it starts from the .onnx that ships, however that keeps its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from happysad.classifier import Classifier
from happysad.errors import UsageError
from happysad.export import to_onnx
from happysad.keras_backend import quiet
from happysad.models import build
from tests.standins import FACE_DETAILS

quiet()

import keras  # noqa: E402

from happysad.models import face  # noqa: E402
from happysad.models.mirror import mirrored  # noqa: E402
from happysad.models.residual import features  # noqa: E402

FACES = np.random.default_rng(1).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    def from_file(file: Path) -> Any:
        monkeypatch.setattr(face, "SHIPPED", file)
        return build("face", size=48, channels=1, dropout=0.3)

    return from_file


def halved(file: Path, to: Path) -> Path:
    """Keep an .onnx's weights in 16 bits, cast to 32 where they are used."""
    model = onnx.load(file)
    nodes, stored = [], []
    for weight in model.graph.initializer:
        array = numpy_helper.to_array(weight)
        if array.dtype == np.float32 and array.size > 1:
            half = f"{weight.name}_half"
            nodes.append(helper.make_node("Cast", [half], [weight.name], to=TensorProto.FLOAT))
            stored.append(numpy_helper.from_array(array.astype(np.float16), half))
        else:
            stored.append(weight)
    graph = model.graph
    graph.CopyFrom(
        helper.make_graph([*nodes, *graph.node], graph.name, graph.input, graph.output, stored)
    )
    onnx.save(model, to)
    return to


def test_it_answers_as_the_classifier_that_ships(
    face_asset: Path, load: Any, tmp_path: Path
) -> None:
    shipped = Classifier.load(face_asset).p_sad(FACES)
    assert shipped.std() > 0.05
    model = load(face_asset)
    np.testing.assert_allclose(model.predict(FACES, verbose=0)[:, 0], shipped, atol=1e-5)
    assert model.layers[-1].name == "p_sad"
    model = load(halved(face_asset, tmp_path / "half.onnx"))
    np.testing.assert_allclose(model.predict(FACES, verbose=0)[:, 0], shipped, atol=1e-2)


def test_an_asset_may_look_at_the_mirror_image_too(
    face_asset: Path, load: Any, tmp_path: Path
) -> None:
    one = load(face_asset)
    to_onnx(mirrored(one), tmp_path / "two.onnx", FACE_DETAILS, FACES)
    np.testing.assert_array_equal(
        load(tmp_path / "two.onnx").predict(FACES, verbose=0), one.predict(FACES, verbose=0)
    )


def test_what_does_not_fit_is_refused(face_asset: Path, load: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.onnx: the classifier that ships .* is missing"):
        load(tmp_path / "none.onnx")
    other = tmp_path / "other.onnx"
    narrow = build("classic", size=48, channels=1)
    to_onnx(narrow, other, FACE_DETAILS, FACES)
    with pytest.raises(UsageError, match="holds another network: no weights for a layer of"):
        load(other)
    # Of the same shapes, but put together otherwise: its first convolution does not halve.
    keras.utils.set_random_seed(0)
    image = keras.Input((48, 48, 1), dtype="uint8", name="image")
    x = features(image, face._WIDTHS, stride=1, normalised=False)
    wide = keras.Model(image, keras.layers.Dense(1, activation="sigmoid")(x))
    to_onnx(wide, other, FACE_DETAILS, FACES)
    with pytest.raises(UsageError, match="its answers differ"):
        load(other)
    with pytest.raises(UsageError, match="face takes 48x48 pixels in 1 channel, not 64x64 in 3"):
        build("face", size=64, channels=3)


def test_without_weights_no_asset_is_needed(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face, "SHIPPED", Path("none.onnx"))
    model = build("face", size=48, channels=1, pretrained=False)
    assert not any(isinstance(one, keras.layers.BatchNormalization) for one in model.layers)
