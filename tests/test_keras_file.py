"""Keras files both ways: a tutorial's network comes in, and a tutorial's code uses ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad import export
from happysad.classifier import Classifier
from happysad.dataset import drawn_faces
from happysad.errors import ExportError, UsageError
from happysad.explain import explain
from happysad.images import sample
from happysad.inputs import FACES, PHOTO_SIZE
from happysad.keras_backend import quiet
from happysad.keras_file import to_classifier
from happysad.models import build
from happysad.photo import Photo
from tests import pictures
from tests.command_line import run_command

quiet()

import keras  # noqa: E402
from keras import layers, ops  # noqa: E402

from happysad.models import faces_and_photo  # noqa: E402

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Tutorial:
    """What a process of the tutorials' code did, without happysad."""

    photo: Path
    out: Path
    """The folder with the network that it trained."""
    answers: dict[str, Any]
    """Its answers for `photo` or for other inputs, by the name of the network's file."""
    expected: dict[str, Any]
    """Our own answers, by the name of our file."""


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory: pytest.TempPathFactory) -> Tutorial:
    root = tmp_path_factory.mktemp("tutorial")
    rng = np.random.default_rng(0)
    for number in range(8):
        label = ("happy", "sad")[number % 2]
        pictures.save(
            root / "data" / label / f"{number}.png", drawn_faces.face(label, rng, 200)[:, :150]
        )
    photo = pictures.save(root / "photo.jpg", pictures.photo(1, 300, 440))
    ours, out = root / "ours", root / "out"
    ours.mkdir()
    out.mkdir()
    expected = _export_ours(ours, photo)
    subprocess.run(
        [sys.executable, Path(__file__).with_name("tutorial.py"), root / "data", photo, ours, out],
        env={**os.environ, "PYTHONPATH": "", "CUDA_VISIBLE_DEVICES": "-1"},
        cwd=root,
        check=True,
    )
    answers = json.loads((out / "answers.json").read_text())
    return Tutorial(photo, out, answers, expected)


def _export_ours(folder: Path, photo: Path) -> dict[str, Any]:
    """Write networks of ours for photos, and for faces and photo; return their answers."""
    keras.utils.set_random_seed(0)
    classic = build("classic", size=64, channels=3)
    image = sample(Photo(photo).full(), 64, 3, "bilinear")[None]
    rng = np.random.default_rng(0)
    both: dict[str, Any] = {
        "faces": rng.integers(0, 256, (2, FACES, 48, 48, 1), dtype=np.uint8),
        "weights": rng.uniform(0.1, 0.5, (2, FACES)).astype(np.float32),
        "photo": rng.integers(0, 256, (2, PHOTO_SIZE, PHOTO_SIZE, 3), dtype=np.uint8),
    }
    face = build("face", size=48, channels=1, pretrained=False)
    fused = faces_and_photo.build(face, ("happy", "sad"))
    pixels = {"image": np.rint(image).astype(np.uint8)}
    expected: dict[str, Any] = {}
    for suffix in (".h5", ".keras"):
        export.to_keras(classic, folder / f"photo{suffix}", pixels, scaled="0..1")
        # The network itself takes whole levels, so its copy without scaling is asked.
        copy = keras.saving.load_model(folder / f"photo{suffix}", compile=False)
        assert [one.name for one in copy.inputs] == ["photo_0_1"]
        expected[f"photo{suffix}"] = copy.predict(image / 255, verbose=0)
    export.to_keras(fused, folder / "both.h5", both, scaled="0..1")
    expected["both.h5"] = fused.predict(both, verbose=0)
    np.savez(
        folder / "both.npz",
        faces_0_1=both["faces"] / 255,
        weights=both["weights"],
        photo_0_1=both["photo"] / 255,
    )
    return expected


@pytest.mark.parametrize("name", ["photo.h5", "photo.keras"])
def test_the_tutorials_code_uses_our_files(tutorial: Tutorial, name: str) -> None:
    came = np.array(tutorial.answers[name])
    assert came.shape == (1, 1)
    np.testing.assert_allclose(came, tutorial.expected[name], atol=1e-6)


def test_a_network_of_faces_and_photo_loads_without_happysad(tutorial: Tutorial) -> None:
    for output, values in tutorial.expected["both.h5"].items():
        came = np.array(tutorial.answers["both.h5"][output])
        np.testing.assert_allclose(came.reshape(values.shape), values, atol=1e-5)


def test_a_network_of_the_tutorials_comes_in(tutorial: Tutorial, tmp_path: Path) -> None:
    name = "imageclassifier.h5"
    done = run_command(
        "export", tutorial.out / name, "model.onnx", "--classes", "happy", "sad", "--scaled",
        "0..1", cwd=tmp_path,
    )  # fmt: skip
    assert (done.status, done.stderr) == (0, b"")
    assert done.lines[0].startswith(f"model.onnx: agrees with {name} in Keras within ")
    assert done.lines[1] == "classes: 1 means sad"
    classifier = Classifier(tmp_path / "model.onnx")
    answer = classifier.predict(tutorial.photo)
    assert answer.probabilities is not None
    assert abs(answer.probabilities["sad"] - tutorial.answers[name][0][0]) < 1e-6
    assert explain(classifier, Photo(tutorial.photo)).heat.shape == (256, 256)
    lines = run_command("info", "--model", tmp_path / "model.onnx").lines
    told = {line[:15].strip(): line[15:] for line in lines}
    assert (told["architecture"], told["trained on"]) == (name, "unknown")
    assert (told["classes"], told["sigmoid class"]) == ("happy, sad", "sad")
    judged = run_command(
        "evaluate", tutorial.out.parent / "data", "--model", tmp_path / "model.onnx"
    )
    said = b"8 photos: happy 4, sad 4\ncomputing the figures\n"
    assert (judged.status, judged.stderr) == (0, said)


def network(shape: tuple[int | None, ...] = (8, 8, 3), outputs: int = 1, end: str = "") -> Any:
    """Return a small network with different answers for different pictures."""
    keras.utils.set_random_seed(1)
    image = keras.Input(shape)
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.Flatten()(x) if None not in shape else layers.GlobalAveragePooling2D()(x)
    end = end or ("sigmoid" if outputs == 1 else "softmax")
    return keras.Model(image, layers.Dense(outputs, activation=end)(x))


PIXELS = pictures.photo(3, 30, 50)


@pytest.mark.parametrize(
    ("outputs", "channels", "classes", "options"),
    [
        # The classes of a file are in the order of the alphabet, whatever the network's order is.
        (1, 3, ("sad", "happy"), {"bgr": True}),
        (3, 1, ("sad", "neither", "happy"), {"scaled": "-1..1", "resize": "nearest"}),
        (2, 3, ("happy", "sad"), {"scaled": "0..255", "size": 12}),
    ],
)
def test_answers_are_those_of_keras(
    outputs: int, channels: int, classes: tuple[str, ...], options: dict[str, Any], tmp_path: Path
) -> None:
    size = options.get("size")
    model = network((None, None, channels) if size else (8, 8, channels), outputs)
    model.save(tmp_path / "a.keras")
    given: dict[str, Any] = {"scaled": "0..1", **options}
    written = to_classifier(tmp_path / "a.keras", tmp_path / "a.onnx", classes=classes, **given)
    assert written.details.sigmoid_class == ("happy" if outputs == 1 else None)
    assert written.spread > 1e-3
    classifier = Classifier(tmp_path / "a.onnx")
    assert classifier.classes == tuple(sorted(classes))
    x: Any = sample(PIXELS, size or 8, channels, given.get("resize", "bilinear"))[None]
    x = x[..., ::-1] if "bgr" in given else x
    x = {"0..1": x / 255, "0..255": x, "-1..1": x / 127.5 - 1}[given["scaled"]]
    p = np.asarray(model.predict(x, verbose=0))[0]
    p = [1 - p[0], p[0]] if outputs == 1 else p
    came = classifier.predict(PIXELS).probabilities
    assert came is not None
    assert came == pytest.approx(dict(zip(classes, map(float, p), strict=True)), abs=1e-6)


@pytest.mark.parametrize("resize", ["bilinear", "nearest"])
@pytest.mark.parametrize("shape", [(30, 50), (5, 3), (16, 16)])
def test_photos_are_resized_as_keras_does(resize: Any, shape: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    came = sample(pixels, 16, 3, resize)
    if resize == "bilinear":
        expected = ops.image.resize(pixels.astype(np.float32), (16, 16), interpolation="bilinear")
    else:
        picture = keras.utils.array_to_img(pixels, scale=False)
        expected = keras.utils.img_to_array(picture.resize((16, 16), 0))
    np.testing.assert_array_equal(came, np.asarray(expected))


def _saved(folder: Path, model: Any, suffix: str = ".keras") -> Path:
    model.save(folder / f"a{suffix}")
    return folder / f"a{suffix}"


def _with_lambda(folder: Path, suffix: str) -> Path:
    image = keras.Input((8, 8, 3))
    x = layers.Flatten()(layers.Lambda(lambda x: x / 255)(image))
    return _saved(folder, keras.Model(image, layers.Dense(1, activation="sigmoid")(x)), suffix)


def _of_another_package(folder: Path) -> Path:
    file = _saved(folder, network())
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = parts["config.json"].replace(b'"keras.layers"', b'"os.path"', 1)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


def _weights_alone(folder: Path) -> Path:
    import h5py

    file = _saved(folder, network(), ".h5")
    with h5py.File(file, "r+") as stored:
        del stored.attrs["model_config"]
    return file


def _of_theano(folder: Path) -> Path:
    import h5py

    file = _saved(folder, network(), ".h5")
    with h5py.File(file, "r+") as stored:
        stored["model_weights"].attrs["backend"] = "theano"
    return file


def _nested(folder: Path, suffix: str) -> Path:
    import h5py

    file, description = folder / f"a{suffix}", "[" * 5000
    if suffix == ".h5":
        with h5py.File(file, "w") as stored:
            stored.attrs["model_config"] = description
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("config.json", description)
    return file


def _text(folder: Path, suffix: str = ".h5") -> Path:
    (folder / f"a{suffix}").write_text("not a network")
    return folder / f"a{suffix}"


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (lambda f: _with_lambda(f, ".keras"), {}, ExportError, "a layer Lambda contains code of"),
        (lambda f: _with_lambda(f, ".h5"), {}, ExportError, "a layer Lambda contains code of"),
        (_of_another_package, {}, ExportError, "comes from os.path, which happysad does not run"),
        (_weights_alone, {}, ExportError, r"holds weights without the network; .*model\.save"),
        (_of_theano, {}, ExportError, "its convolutions are Theano's"),
        (_text, {}, ExportError, "not a network that Keras saved"),
        (lambda f: _nested(f, ".h5"), {}, ExportError, "not a network that Keras saved"),
        (lambda f: _nested(f, ".keras"), {}, ExportError, "not a network that Keras saved"),
        (lambda f: _text(f, ".keras"), {}, ExportError, "not a network that Keras saved"),
        (lambda f: f / "a.h5", {}, UsageError, "no such file"),
        (lambda f: _text(f, ".pb"), {}, UsageError, r"must be one of \.h5, \.hdf5, \.keras"),
        (lambda f: _saved(f, network((8, 9, 3))), {}, ExportError, "must take square pictures"),
        (lambda f: _saved(f, network((8, 8, 4))), {}, ExportError, "must have one input of shape"),
        (lambda f: _saved(f, network(outputs=4)), {}, ExportError, "a softmax of 2 or 3 classes"),
        (lambda f: _saved(f, network(end="linear")), {}, ExportError, "must end in a sigmoid"),
        (lambda f: _saved(f, network(outputs=2, end="sigmoid")), {}, ExportError, "no probabilit"),
        (lambda f: _saved(f, network((None, None, 3))), {}, UsageError, "such as --size 256"),
        (lambda f: _saved(f, network()), {"size": 9}, UsageError, "size must be 8, as in the file"),
        (lambda f: _saved(f, network(outputs=3)), {}, UsageError, "classes must be 3 different"),
        (lambda f: _saved(f, network()), {"classes": ("a", "unsure")}, UsageError, "named unsure"),
        (lambda f: _text(f), {"scaled": "0..2"}, UsageError, r"scaled must be one of 0\.\.1, 0"),
        (lambda f: _text(f), {"resize": "area"}, UsageError, "resize must be bilinear or nearest"),
    ],
)
def test_what_is_refused(
    make: Any, options: dict[str, Any], error: Any, message: str, tmp_path: Path
) -> None:
    given = {"classes": ("happy", "sad"), "scaled": "0..1", **options}
    with pytest.raises(error, match=message) as caught:
        to_classifier(make(tmp_path), tmp_path / "model.onnx", **given)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "model.onnx").exists()


def test_what_the_command_refuses(tmp_path: Path) -> None:
    source = _text(tmp_path)
    for arguments, message in {
        (source, "a.onnx", "--scaled", "0..1"): "a Keras file needs --classes NAMES",
        ("no.h5", "a.onnx", "--classes", "happy,sad", "--scaled", "0..1"): "no.h5: no such file",
        (source, "a.onnx", "--classes", "happy,sad"): "a Keras file needs --scaled: 0..1 where",
        (tmp_path, "a.h5", "--size", "9"): "--size is for a Keras file (.h5, .hdf5, .keras), not",
        (tmp_path, "a.onnx", "--scaled", "0..1"): "a.onnx: an .onnx scales inside, so scaled must",
        (tmp_path, "a.h5", "--scaled", "0..2"): "scaled must be 0..255 or 0..1, not '0..2'",
    }.items():
        done = run_command("export", *arguments)
        assert (done.status, done.stdout) == (2, b"")
        assert done.stderr.decode().startswith(f"happysad: {message}")
        assert done.stderr.count(b"\n") == 1


def test_a_wrong_range_is_told(tmp_path: Path) -> None:
    model = network()
    last = model.layers[-1]
    kernel, bias = last.get_weights()
    last.set_weights([np.abs(kernel), bias + 30.0])
    _saved(tmp_path, model, ".h5")
    done = run_command(
        "export", "a.h5", "a.onnx", "--classes", "happy,sad", "--scaled", "0..255", cwd=tmp_path
    )
    assert done.status == 0
    assert done.stderr.startswith(b"warning: the network gives different pictures the same answer")
