"""Networks learn from votes and from each other, and continue exactly where they stopped."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from happysad.keras_backend import quiet

quiet()

import keras  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from happysad.errors import RunError  # noqa: E402
from happysad.export import to_onnx  # noqa: E402
from happysad.model_file import SHIPPED, ModelFile  # noqa: E402
from happysad.models import face  # noqa: E402
from recipes.face import networks, vote_training  # noqa: E402
from recipes.face.augmentation import Changes, augment  # noqa: E402
from recipes.face.networks import LABELS_FILE, Mean, Network, convolutions  # noqa: E402
from recipes.face.vote_training import Examples, Schedule  # noqa: E402
from recipes.face.votes import targets  # noqa: E402
from tests.made_up_faces import random_faces  # noqa: E402

SHORT = Schedule(epochs=1, rate=1e-3)
NONE = Changes(rotation=0, shift=0, zoom=0, light=0, worse=0, erasing=0)


@pytest.fixture(scope="module")
def two_classes() -> keras.Model:
    """A network of happy and sad, with biases that are not zero."""
    keras.utils.set_random_seed(1)
    model = face.build(48, 1, 0.0, ("happy", "sad"), pretrained=False)
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel, rng.normal(0, 0.1, bias.shape)])
    return model


@pytest.fixture
def labels_file(two_classes: keras.Model, tmp_path: Path) -> Path:
    """Its .onnx."""
    details = replace(ModelFile.read(SHIPPED).details, classes=("happy", "sad"), unsure=None)
    file = tmp_path / LABELS_FILE
    to_onnx(two_classes, file, details, {"image": random_faces(4).images})
    return file


def test_augmentation_depends_only_on_its_generator() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 48, 1), dtype=np.uint8)
    strong = Changes(dark=0.5, worse=1, worse_again=1, erasing=1)
    first, again, other = (augment(image, strong, np.random.default_rng(s)) for s in (1, 1, 2))
    assert first.shape == image.shape and first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    looks = [augment(image, NONE, np.random.default_rng(seed)) for seed in range(8)]
    assert {look.tobytes() for look in looks} == {image.tobytes(), image[:, ::-1].tobytes()}


def features_of(model: keras.Model, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    pooled = next(
        layer for layer in model.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D)
    )
    found = keras.Model(model.input, pooled.output).predict(images, verbose=0)
    return np.asarray(found)


def convolution_layers(model: keras.Model) -> list[keras.layers.Conv2D]:
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def same_convolutions(one: keras.Model, other: keras.Model) -> bool:
    both = zip(one.get_weights()[:24], other.get_weights()[:24], strict=True)
    return all(np.array_equal(first, second) for first, second in both)


def test_networks_begin_with_the_convolutions_of_the_labels(
    two_classes: keras.Model,
    labels_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = Schedule(epochs=1, rate=1e-3)
    images = random_faces(32).images
    random_faces(32).write(tmp_path / "train.npz")
    learned: dict[str, keras.Model] = {}

    def kept(model: keras.Model, *arguments: Any) -> None:
        learned[Path(arguments[-1]).name] = model

    monkeypatch.setattr(vote_training, "train", kept)
    random_faces(8).write(tmp_path / "val.npz")
    for name, normalised in (("folded", False), ("normalised", True)):
        one = Network(schedule=schedule, normalised=normalised)
        monkeypatch.setitem(networks.NETWORKS, name, one)
        networks.train(name, tmp_path, tmp_path)
    expected = features_of(two_classes, images)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(features_of(learned["normalised"], images), expected, atol=1e-3)
    assert same_convolutions(learned["folded"], two_classes)
    assert learned["folded"].output.shape == (None, len(face.EMOTIONS))

    # happysad 0.1.0 did not name the weights by layer.
    nameless = onnx.load(labels_file)
    names = {one.name: f"weight_{place}" for place, one in enumerate(nameless.graph.initializer)}
    for one in nameless.graph.initializer:
        one.name = names[one.name]
    for node in nameless.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    onnx.save(nameless, labels_file)
    networks.train("folded", tmp_path, tmp_path)
    assert same_convolutions(learned["folded"], two_classes)

    nameless.graph.node.remove(next(n for n in nameless.graph.node if n.op_type == "Conv"))
    onnx.save(nameless, labels_file)
    with pytest.raises(RunError, match="holds another network: no weights for stem"):
        networks.train("folded", tmp_path, tmp_path)


@pytest.mark.usefixtures("eager")
def test_a_mean_network_has_the_mean_weights_of_others(
    labels_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    learned: list[keras.Model] = []

    def changed(model: keras.Model, *_: Any) -> None:
        model.set_weights([one + rng.uniform(0.0, 0.1, one.shape) for one in model.get_weights()])
        learned.append(model)

    monkeypatch.setattr(vote_training, "train", changed)
    for name, normalised in (("folded", False), ("normalised", True)):
        one = Network(schedule=SHORT, normalised=normalised)
        monkeypatch.setitem(networks.NETWORKS, name, one)
    monkeypatch.setitem(networks.NETWORKS, "mean", Mean(("folded", "normalised")))
    for name in ("train", "val"):
        random_faces(32).write(tmp_path / f"{name}.npz")
    mean = networks.train("mean", tmp_path, tmp_path)
    first, second = ([*convolutions(one), one.layers[-1].get_weights()] for one in learned)
    found = [*convolutions(mean), mean.layers[-1].get_weights()]
    for one, other, both in zip(first, second, found, strict=True):
        for before, after, middle in zip(one, other, both, strict=True):
            assert not np.array_equal(before, after)
            np.testing.assert_allclose(middle, (before + after) / 2, rtol=1e-5)

    # A network that begins with the mean answers as the mean does.
    with monkeypatch.context() as known:
        known.setattr(networks, "trained", lambda *_: mean)
        known.setattr(vote_training, "train", lambda *_: None)
        known.setitem(networks.NETWORKS, "on", Network(begun="mean", schedule=SHORT))
        on = networks.train("on", tmp_path, tmp_path)
        twice = Network(begun="mean", doubled=True, schedule=SHORT)
        known.setitem(networks.NETWORKS, "twice", twice)
        wide = networks.train("twice", tmp_path, tmp_path)
    images = random_faces(8).images
    np.testing.assert_allclose(
        features_of(on, images), features_of(mean, images), rtol=1e-3, atol=1e-3
    )
    # So does one of twice the widths, in which no two features go on alike.
    answers = [model.predict(images, verbose=0) for model in (wide, mean)]
    np.testing.assert_allclose(answers[0], answers[1], rtol=1e-3, atol=1e-3)
    kernel = wide.layers[-1].get_weights()[0]
    assert kernel.shape == (2 * face.WIDTHS[-1], 8)
    own, twin = np.split(kernel, 2)
    assert not np.allclose(own, twin)

    # The folded convolutions, alone, give the same features as the network they come from.
    alone = networks.train("folded", tmp_path, tmp_path)
    for layer, weights in zip(convolution_layers(alone), second[:-1], strict=True):
        layer.set_weights(weights)
    np.testing.assert_allclose(
        features_of(alone, images), features_of(learned[1], images), rtol=1e-3, atol=1e-3
    )


def small_network() -> keras.Model:
    """A linear network of emotions: it compiles quickly."""
    keras.utils.set_random_seed(0)
    image = keras.layers.Input((48, 48, 1), dtype="uint8", name="image")
    x = keras.layers.AveragePooling2D(6)(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.Dense(8, activation="relu")(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Dense(8)(x))


@pytest.mark.usefixtures("eager")
def test_training_continues_exactly_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = random_faces(150)
    learned = Examples(faces.images, targets(faces.votes)[0])
    schedule = Schedule(head_epochs=1, epochs=1, rate=1e-2, changes=NONE)

    def trained(folder: str, **changed: Any) -> list[NDArray[np.float32]]:
        model = small_network()
        chosen = replace(schedule, **changed)
        vote_training.train(model, learned, learned, chosen, tmp_path / folder)
        return [np.asarray(weights) for weights in model.get_weights()]

    expected = trained("whole")
    for crops in (100, 150):  # in the first phase and in the second
        numbers = count()

        def interrupted(*arguments: Any, after: int = crops, seen: Any = numbers) -> Any:
            if next(seen) == after:
                raise KeyboardInterrupt
            return augment(*arguments)

        with monkeypatch.context() as stopping, pytest.raises(KeyboardInterrupt):
            stopping.setattr(vote_training, "augment", interrupted)
            trained("parts", saved_every=0.0)
    for one, other in zip(expected, trained("parts"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(expected[0] - small_network().get_weights()[0]).max() > 0.01
    assert len((tmp_path / "whole" / "history.jsonl").read_text().splitlines()) == 2


def test_a_student_learns_from_votes_and_teachers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[Examples] = []

    def kept(model: keras.Model, learned: Examples, *_: Any) -> None:
        given.append(learned)

    monkeypatch.setattr(vote_training, "train", kept)
    monkeypatch.setattr(networks, "_build", lambda *_: small_network())
    monkeypatch.setitem(
        networks.NETWORKS,
        "student",
        Network(schedule=SHORT, teachers=("one", "two"), portraits=True, anew=True),
    )
    for name, number in (("train", 40), ("val", 16), ("train-anew", 40)):
        random_faces(number).write(tmp_path / f"{name}.npz")
    told = {}
    for teacher, emotion in (("one", 0), ("two", 3)):
        monkeypatch.setitem(networks.NETWORKS, teacher, Network(schedule=SHORT))
        (tmp_path / teacher).mkdir()
        told[teacher] = np.full((40, 8), -50, np.float16)
        told[teacher][:, emotion] = 0
        np.save(tmp_path / teacher / "answers-train.npy", told[teacher])
        np.save(tmp_path / teacher / "answers-portraits.npy", told[teacher][:24])
    networks.train("student", tmp_path, tmp_path)
    assert "portraits: missing" in capsys.readouterr().out
    shares, _ = targets(random_faces(40).votes)
    teachers = np.eye(8)[[0, 3]].mean(axis=0)
    np.testing.assert_allclose(given[-1].targets, (shares + teachers) / 2, atol=1e-6)
    folders = np.array(["happy", "neutral"] * 12)
    replace(random_faces(24), folders=folders).write(tmp_path / "portraits.npz")
    networks.train("student", tmp_path, tmp_path)
    # Half is neutral, half sad, to the teachers. The labels move only what is neutral or happy.
    expected = np.zeros((24, 8))
    expected[:, 3] = 0.5
    expected[:, 1] = np.where(folders == "happy", 0.5 * 0.75 * 0.96, 0.5 * 0.75 * 0.04)
    expected[:, 0] = 0.5 - expected[:, 1]
    np.testing.assert_allclose(given[-1].targets[40:], expected, atol=1e-6)
    student = given[-1]
    assert student.anew is not None and len(student.images) == len(student.anew) == 64


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_what_a_network_needs_is_trained_before_it(name: str) -> None:
    names = networks.order(name)
    assert names[-1] == name and len(names) == len(set(names))
    for place, one in enumerate(names):
        assert set(networks.NETWORKS[one].before) <= set(names[:place])


def test_a_teacher_must_be_trained_first(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="train this network first"):
        networks.trained("wide", tmp_path, tmp_path)
