"""The network of faces starts from the .onnx that ships, in whichever way it stores weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from happysad.errors import UsageError
from happysad.export import to_onnx
from happysad.keras_backend import quiet
from happysad.model_file import PROBABILITIES, SHIPPED, ModelFile
from happysad.models import build
from happysad.probability import among
from happysad.training.checkpoints import weights_hash

quiet()

import keras  # noqa: E402

from happysad.models import face  # noqa: E402
from happysad.models.mirror import mirrored  # noqa: E402
from happysad.models.residual import features  # noqa: E402

TWO = ("happy", "sad")
FACES = np.random.default_rng(1).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)


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


def written(model: Any, file: Path) -> Path:
    """Write a network of faces of two classes as an .onnx."""
    details = replace(ModelFile.read(SHIPPED).details, classes=TWO, unsure=None)
    to_onnx(model, file, details, {"image": FACES})
    return file


def answers(model: Any) -> Any:
    return model.predict(FACES, verbose=0)[:, 0]


def shipped() -> Any:
    """Return the probabilities of happy, neither and sad."""
    return ModelFile.read(SHIPPED).run({"image": FACES}).probabilities


def test_of_two_classes_it_answers_as_the_classifier_that_ships() -> None:
    expected = among(shipped(), [0, 2])[:, 1]
    assert expected.std() > 0.05
    model = build("face", size=48, channels=1, dropout=0.3)
    np.testing.assert_allclose(answers(mirrored(model)), expected, atol=1e-5)
    assert model.layers[-1].name == PROBABILITIES


@pytest.mark.parametrize(
    "classes", [("happy", "neither", "sad"), ("angry", "calm", "neither"), ("neither", "y", "z")]
)
def test_of_three_classes_it_answers_as_the_classifier_that_ships(
    classes: tuple[str, ...],
) -> None:
    model = build("face", size=48, channels=1, dropout=0.3, classes=classes)
    first, second = (place for place, name in enumerate(classes) if name != "neither")
    p = mirrored(model).predict(FACES, verbose=0)[:, [first, classes.index("neither"), second]]
    np.testing.assert_allclose(p, shipped(), atol=1e-5)
    assert shipped()[:, 1].std() > 0.05
    assert face.EMOTIONS.index("sadness") == 3
    # The sums of emotions are not trained.
    assert model.layers[-1].name == PROBABILITIES
    assert not model.layers[-1].trainable_weights


def test_its_export_keeps_the_names_of_its_layers(tmp_path: Path) -> None:
    model = build("face", size=48, channels=1)
    file = written(model, tmp_path / "face.onnx")
    names = {weight.name for weight in onnx.load(file).graph.initializer}
    for layer in model.layers:
        if layer.weights:
            assert {f"{layer.name}/kernel", f"{layer.name}/bias"} <= names
    again = build("face", size=48, channels=1, pretrained=False)
    face.load_weights(again, file, TWO)
    assert weights_hash(again) == weights_hash(model)
    in_16_bits = build("face", size=48, channels=1, pretrained=False)
    face.load_weights(in_16_bits, halved(file, tmp_path / "half.onnx"), TWO)
    np.testing.assert_allclose(answers(in_16_bits), answers(model), atol=1e-2)


def test_its_export_of_three_classes_can_be_loaded(tmp_path: Path) -> None:
    three = build("face", size=48, channels=1, classes=face.CLASSES)
    file = tmp_path / "three.onnx"
    to_onnx(three, file, ModelFile.read(SHIPPED).details, {"image": FACES})
    again = build("face", size=48, channels=1, classes=face.CLASSES, pretrained=False)
    face.load_weights(again, file, face.CLASSES)
    assert weights_hash(again) == weights_hash(three)


def test_a_bias_of_zeros_that_the_exporter_leaves_out_is_zeros(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    fresh = build("face", size=48, channels=1, pretrained=False)
    file = written(fresh, tmp_path / "fresh.onnx")
    assert not any("bias" in weight.name for weight in onnx.load(file).graph.initializer)
    again = build("face", size=48, channels=1, pretrained=False)
    face.load_weights(again, file, TWO)
    assert weights_hash(again) == weights_hash(fresh)


def test_the_file_may_look_at_the_mirror_image_too(tmp_path: Path) -> None:
    one = build("face", size=48, channels=1)
    two = written(mirrored(one), tmp_path / "two.onnx")
    again = build("face", size=48, channels=1, pretrained=False)
    face.load_weights(again, two, TWO)
    np.testing.assert_array_equal(answers(again), answers(one))


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    model = build("face", size=48, channels=1, pretrained=False)
    with pytest.raises(UsageError, match=r"none\.onnx: the classifier that ships .* is missing"):
        face.load_weights(model, tmp_path / "none.onnx", TWO)
    other = written(build("classic", size=48, channels=1), tmp_path / "other.onnx")
    with pytest.raises(UsageError, match="holds another network: no weights for stem"):
        face.load_weights(model, other, TWO)
    # Of the same names and shapes, but its first convolution does not halve the side.
    keras.utils.set_random_seed(0)
    image = keras.Input((48, 48, 1), dtype="uint8", name="image")
    x = features(image, face.WIDTHS, stride=1, normalised=False)
    last = keras.layers.Dense(1, activation="sigmoid", name=PROBABILITIES)
    wide = keras.Model(image, last(x))
    last.set_weights([weight * 20 for weight in last.get_weights()])
    with pytest.raises(UsageError, match="its answers differ"):
        face.load_weights(model, written(wide, other), TWO)
    with pytest.raises(UsageError, match="face takes 48x48 pixels in 1 channel, not 64x64 in 3"):
        build("face", size=64, channels=3)


def test_it_has_no_normalisations() -> None:
    model = build("face", size=48, channels=1, pretrained=False)
    assert not any(isinstance(one, keras.layers.BatchNormalization) for one in model.layers)
