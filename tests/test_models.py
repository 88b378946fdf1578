"""The networks: their shapes, their preprocessing and the sources of their weights."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.errors import UsageError
from happysad.keras_backend import quiet
from happysad.model_file import PROBABILITIES
from happysad.models import NAMES, TRANSFER, build

quiet()

import keras  # noqa: E402

from happysad.models.mirror import mirrored  # noqa: E402
from happysad.models.transfer import backbone, free  # noqa: E402


def noise(size: int, channels: int, n: int = 3) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = (n, size, size, channels)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def test_classic_is_the_tutorials_network() -> None:
    model = build("classic", size=256, channels=3)
    assert model.count_params() == 3_696_625
    kinds = [type(layer).__name__ for layer in model.layers]
    convolutions = ["Conv2D", "MaxPooling2D"] * 3
    assert kinds == ["InputLayer", "Rescaling", *convolutions, "Flatten", "Dense", "Dense"]
    assert [model.layers[place].filters for place in (2, 4, 6)] == [16, 32, 16]


@pytest.mark.parametrize("name", ["compact", "mobilenetv3", "face"])
def test_three_classes_have_a_softmax(name: str) -> None:
    three = ("happy", "neither", "sad")
    model = build(name, size=48, channels=1, classes=three, pretrained=False)
    p = np.asarray(model(noise(48, 1), training=False))
    assert p.shape == (3, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)


def test_the_tutorials_network_has_one_sigmoid() -> None:
    with pytest.raises(UsageError, match="one sigmoid, for two classes, not happy, neither, sad"):
        build("classic", size=32, channels=1, classes=("happy", "neither", "sad"))


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("classic", 32, 1),
        ("compact", 32, 3),
        ("compact", 48, 1),
        ("compact", 65, 3),  # an odd side, halved by the first convolution
        ("compact", 256, 3),
        ("mobilenetv3", 32, 1),  # grey is shown to it three times
    ],
)
def test_takes_uint8_and_gives_a_probability(name: str, size: int, channels: int) -> None:
    model = build(name, size=size, channels=channels, dropout=0.3, pretrained=False)
    (image,) = model.inputs
    assert (image.name, image.dtype, image.shape) == (
        "image",
        "uint8",
        (None, size, size, channels),
    )
    p = model(noise(size, channels), training=False)
    assert p.shape == (3, 1)
    assert keras.backend.standardize_dtype(p.dtype) == "float32"
    assert model.layers[-1].name == PROBABILITIES


def test_efficientnet_is_scaled_as_keras_does() -> None:
    """Not by its own Normalization, whose constants become inputs of an .onnx."""
    theirs = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_shape=(32, 32, 3)
    )
    kinds = [type(layer).__name__ for layer in theirs.layers]
    last = theirs.layers[kinds.index("Normalization")]
    model = build("efficientnetv2b0", size=32, channels=3, pretrained=False)
    own = model.layers[[type(layer).__name__ for layer in model.layers].index("Rescaling")]
    assert "Normalization" not in [type(layer).__name__ for layer in backbone(model).layers]
    assert len(backbone(model).get_weights()) == len(theirs.get_weights())
    images = noise(32, 3).astype(np.float32)
    expected = np.asarray(keras.Model(theirs.input, last.output)(images))
    np.testing.assert_allclose(np.asarray(own(images)), expected, atol=1e-5)


def test_dropout_works_only_while_training() -> None:
    model = build("classic", size=32, channels=1, dropout=0.5)
    one, two = (np.asarray(model(noise(32, 1), training=True)) for _ in range(2))
    assert (one != two).any()
    assert "Dropout" not in [
        type(layer).__name__ for layer in build("classic", size=32, channels=1).layers
    ]


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """VGG16 as Keras builds it, with random weights, and a file with these weights."""
    base = keras.applications.VGG16(
        include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg"
    )
    file = tmp_path_factory.mktemp("weights") / "vgg16.weights.h5"
    base.save_weights(file)
    return base, file


def test_transfer_sees_what_its_backbone_was_trained_on(vgg16: tuple[Any, Path]) -> None:
    base, file = vgg16
    model = build("vgg16", size=32, channels=3, weights=file)
    (scale,) = [layer for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]
    ours = keras.Model(model.input, backbone(model)(scale.output))
    images = noise(32, 3)
    theirs = keras.applications.vgg16.preprocess_input(images.astype(np.float32))
    expected = np.asarray(base(theirs, training=False))
    assert expected.std() > 1e-3
    np.testing.assert_allclose(ours(images, training=False), expected, rtol=1e-3, atol=1e-4)


def test_transfer_freezes_its_backbone(vgg16: tuple[Any, Path]) -> None:
    model = build("vgg16", size=32, channels=3, weights=vgg16[1])
    free(model, True)
    assert len(model.trainable_weights) == 28
    free(model, False)
    assert [weight.path.split("/")[0] for weight in model.trainable_weights] == [
        PROBABILITIES,
        PROBABILITIES,
    ]


def test_batch_normalisation_of_a_backbone_stays_as_it_is() -> None:
    model = build("mobilenetv3", size=32, channels=3, pretrained=False)
    free(model, True)
    assert len(model.trainable_weights) > 50
    moving = [weight for weight in model.weights if "moving" in weight.path]
    before = [weight.numpy() for weight in moving]
    model(noise(32, 3), training=True)
    assert moving
    assert all((old == new.numpy()).all() for old, new in zip(before, moving, strict=True))


def test_weights_that_cannot_be_had(
    tmp_path: Path, vgg16: tuple[Any, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing, other = tmp_path / "none.weights.h5", tmp_path / "other.weights.h5"
    with pytest.raises(UsageError, match=rf"no such file: {re.escape(str(missing))}.*leave"):
        build("vgg16", size=32, channels=3, weights=missing)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)]).save_weights(other)
    with pytest.raises(UsageError, match=rf"{re.escape(str(other))} does not fit vgg16"):
        build("vgg16", size=32, channels=3, weights=other)

    def get_file(*_: Any, **__: Any) -> None:
        raise Exception("URL fetch failure on https://storage.googleapis.com/…: None -- no route")

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    # The error names both ways: the download and the local file.
    with pytest.raises(UsageError, match=r"fetch.*no route.*googleapis.*--weights PATH") as caught:
        build("vgg16", size=32, channels=3)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(("name", "channels"), [("classic", 1), ("compact", 3), ("vgg16", 3)])
def test_mirrored_takes_the_mean_of_two_looks(name: str, channels: int, tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    model = build(name, size=40, channels=channels, dropout=0.3, pretrained=False)
    last = model.layers[-1]
    last.set_weights([weight / 10 for weight in last.get_weights()])  # no answer near 0 or 1
    images = noise(40, channels)
    images[1] = images[1, :, ::-1]  # so that the pictures differ in their direction
    here, there = (
        np.asarray(model(pictures, training=False), np.float64)
        for pictures in (images, images[:, :, ::-1])
    )
    mean_logit = (np.log(here / (1 - here)) + np.log(there / (1 - there))) / 2
    twice = mirrored(model)
    came = twice.predict(images, verbose=0)
    assert np.abs(here - there).max() > 1e-5  # the answers for the mirror images differ
    np.testing.assert_allclose(came, 1 / (1 + np.exp(-mean_logit)), atol=1e-5)
    np.testing.assert_allclose(twice.predict(images[:, :, ::-1], verbose=0), came, atol=1e-6)
    assert twice.layers[-1].name == PROBABILITIES
    assert [v.dtype for v in twice.inputs] == ["uint8"]
    twice.save(tmp_path / "twice.keras")  # and it opens in Keras alone
    again = keras.saving.load_model(tmp_path / "twice.keras", compile=False)
    np.testing.assert_array_equal(again.predict(images, verbose=0), came)


def test_grey_is_mirrored_without_a_transposition() -> None:
    # With a transposition without effect, tf2onnx chose a graph by names that differ each time.
    twice = mirrored(build("classic", size=32, channels=1))
    assert not any(isinstance(layer, keras.layers.Permute) for layer in twice.layers)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match=r"classic, compact, .*not 'alexnet'"):
        build("alexnet", size=32, channels=3)
    assert set(TRANSFER) < set(NAMES)


def test_keras_waits_until_something_is_built() -> None:
    code = (
        "import sys, happysad.models, happysad.training.config, happysad.training.trainer;"
        "sys.exit('keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
