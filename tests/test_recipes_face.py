"""The recipe of the classifier that ships, on random networks: nothing is lost on the way."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from happysad.keras_backend import quiet

quiet()

import keras  # noqa: E402

from happysad.classifier import Classifier  # noqa: E402
from happysad.errors import DatasetError  # noqa: E402
from happysad.export import TOLERANCE  # noqa: E402
from happysad.model_file import ModelFile  # noqa: E402
from happysad.models import face  # noqa: E402
from happysad.models.face import EMOTIONS  # noqa: E402
from recipes.face import label_training, networks, photos, pictures, robustness  # noqa: E402
from recipes.face.__main__ import SMALL, main  # noqa: E402
from recipes.face.networks import (  # noqa: E402
    LABELS_FILE,
    NETWORKS,
    SHIPPED_NETWORK,
    Network,
    logits,
)
from recipes.face.photos import CLASSES, HAPPY, SAD, Photos  # noqa: E402
from recipes.face.shipping import happy_or_sad, write_happy_or_sad  # noqa: E402
from recipes.face.vote_training import Schedule  # noqa: E402
from tests.made_up_faces import kaggle, random_faces  # noqa: E402


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A network as it is after training: its normalisations are not what they began as."""
    keras.utils.set_random_seed(0)
    network = label_training.network(SMALL)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            _, _, mean, variance = layer.get_weights()
            gamma, beta = (rng.normal(centre, 0.2, mean.shape) for centre in (1, 0))
            layer.set_weights([gamma, beta, rng.normal(0, 0.3, mean.shape), variance * 1.7])
    return network


@pytest.fixture(scope="module")
def unseen(network: keras.Model) -> Photos:
    """Random pictures; the happy and the sad ones are mostly what the network takes them for."""
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (210, 48, 48, 1), dtype=np.uint8)
    classes = np.arange(210) % 7
    both = np.isin(classes, (HAPPY, SAD))
    p = network.predict(images[both], verbose=0)
    sadder = p[:, SAD] / p[:, HAPPY]
    sadder *= np.exp(rng.normal(0, np.log(sadder).std() / 2, len(sadder)))
    classes[both] = np.where(sadder > np.median(sadder), SAD, HAPPY)
    return Photos(images, classes, [str(number) for number in range(210)])


def test_folding_keeps_the_features(network: keras.Model, unseen: Photos) -> None:
    shipped = happy_or_sad(network)
    before = keras.Model(network.input, network.layers[-3].output).predict(unseen.images, verbose=0)
    after = keras.Model(shipped.input, shipped.layers[-1].input).predict(unseen.images, verbose=0)
    assert np.ptp(before) > 0.1
    assert np.abs(after - before).max() < 1e-4


def test_two_classes_are_told_apart_as_among_seven(network: keras.Model, unseen: Photos) -> None:
    seven = network.predict(unseen.images, verbose=0)
    p = happy_or_sad(network).predict(unseen.images, verbose=0)[:, 0]
    assert np.ptp(p) > 1e-3
    assert np.abs(p - seven[:, SAD] / (seven[:, SAD] + seven[:, HAPPY])).max() < 1e-5


def test_at_the_end_happy_and_sad_are_learned_and_neutral_is_half_of_each() -> None:
    classes = np.arange(700) % 7
    images = np.zeros((700, 48, 48, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(700) % 256
    everything = Photos(images, classes, [str(number) for number in range(700)])
    taught = np.random.default_rng(0).dirichlet(np.ones(7), 700).astype(np.float32)
    chosen, targets = label_training.happy_or_sad(everything, taught, 0)
    rows = np.array([int(group) for group in chosen.groups])
    neutral = chosen.classes == CLASSES.index("neutral")
    assert (chosen.images[:, 0, 0, 0] == rows % 256).all()
    assert np.bincount(chosen.classes, minlength=7)[[HAPPY, SAD]].tolist() == [100, 100]
    assert 10 <= neutral.sum() == len(rows) - 200 <= 30
    np.testing.assert_allclose(targets[:, [HAPPY, SAD]].sum(axis=1), 1, atol=1e-6)
    assert np.delete(targets, [HAPPY, SAD], axis=1).max() == 0
    soft = taught[rows, SAD] / (taught[rows, SAD] + taught[rows, HAPPY])
    hard = np.where(neutral, 0.5, np.where(chosen.classes == SAD, 0.95, 0.05))
    np.testing.assert_allclose(targets[:, SAD], (soft + hard) / 2, atol=1e-6)


def test_one_command_makes_the_classifier_from_two_csv_files(
    network: keras.Model, unseen: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kaggle(tmp_path / "data", 160)
    work, assets = tmp_path / "work", tmp_path / "assets"
    schedule = Schedule(head_epochs=1, epochs=0, rate=5e-4)
    short = Network(schedule=schedule, normalised=False)
    monkeypatch.setitem(NETWORKS, SHIPPED_NETWORK, short)
    monkeypatch.setattr(robustness, "CHANGES", robustness.CHANGES[:1])
    monkeypatch.setattr(pictures.write, "__kwdefaults__", {"faces": 20})
    # The first step is done: a network has learned from labels.
    write_happy_or_sad(network, unseen, work / LABELS_FILE)
    written = ModelFile.read(work / LABELS_FILE).run({"image": unseen.images}).probabilities
    expected = happy_or_sad(network).predict(unseen.images, verbose=0)
    assert np.abs(written[:, [1]] - expected).max() < TOLERANCE
    random_faces(12).write(work / "portraits.npz")
    arguments = [str(tmp_path / "data"), "--work", str(work), "--assets", str(assets)]
    monkeypatch.setattr("sys.argv", ["recipes.face", *arguments])
    main()
    files = {file.name: file.read_bytes() for file in assets.iterdir()}
    assert set(files) == {
        "face.onnx",
        "face.json",
        "MODEL_CARD.md",
        pictures.CALIBRATION,
        pictures.RISK_COVERAGE,
        pictures.FAILURES,
    }
    figures = json.loads(files["face.json"])
    assert figures["n"] == 48
    text = files["MODEL_CARD.md"].decode()
    for name in re.findall(r"\]\((.*?)\)", text):
        assert name in files
    recall = figures["three"]["score"]["balanced_accuracy"]["value"]
    assert f"| mean recall of the three classes | {recall:.3f}" in text
    assert f"face.onnx, {len(files['face.onnx']):,} bytes" in text
    assert "to 12 press portraits" in " ".join(text.split())
    assert "{" not in text

    # What ships is small, and it is the mean of what the network says of a face and its mirror
    # image: the order of happiness and sadness stays.
    assert len(files["face.onnx"]) < 2_000_000
    classifier = Classifier(assets / "face.onnx")
    details, images = classifier.details, unseen.images
    assert (details.looks_at, details.classes) == ("face", face.CLASSES)
    assert details.unsure is not None
    p = classifier.run({"image": images}).probabilities
    scores = logits(networks.trained(SHIPPED_NETWORK, tmp_path / "data", work), images)
    happy, sad = (EMOTIONS.index(name) for name in ("happiness", "sadness"))
    expected = (scores[:, sad] - scores[:, happy]) / details.temperature
    shift = np.log(p[:, 2] / p[:, 0]) - expected
    assert np.ptp(shift) < 0.02 < np.ptp(expected)
    weights = onnx.load(assets / "face.onnx").graph.initializer
    halves = [onnx.numpy_helper.to_array(w) for w in weights if w.name.endswith("_16")]
    assert sum(half.size for half in halves) > 850_000


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for name in CLASSES[:-1]:
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="there is no surprise"):
        photos.manifest(tmp_path)
