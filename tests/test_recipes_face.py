"""The recipe of the classifier that ships, on random networks: nothing is lost on the way."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest

from happysad.keras_backend import quiet

quiet()

import keras  # noqa: E402

from happysad.classifier import Classifier  # noqa: E402
from happysad.dataset.scan import scan  # noqa: E402
from happysad.errors import DatasetError  # noqa: E402
from happysad.export import TOLERANCE  # noqa: E402
from recipes.face import card, photos, pictures, training  # noqa: E402
from recipes.face.__main__ import SMALL  # noqa: E402
from recipes.face.photos import CLASSES, HAPPY, SAD, Photos  # noqa: E402
from recipes.face.shipping import happy_or_sad, ship  # noqa: E402


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A network as it is after training: its normalisations are not what they began as."""
    keras.utils.set_random_seed(0)
    network = training.network(SMALL)
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
    chosen, targets = training.happy_or_sad(everything, taught, 0)
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


def test_what_ships_is_small_and_says_what_it_is(
    network: keras.Model, unseen: Photos, tmp_path: Path
) -> None:
    model = happy_or_sad(network)
    details = ship(model, unseen, 1000, tmp_path / "face.onnx")
    assert (tmp_path / "face.onnx").stat().st_size < 2_000_000
    classifier = Classifier(tmp_path / "face.onnx")
    assert classifier.details == details
    assert details.looks_at == "face"
    p = classifier.run({"image": unseen.images}).probabilities[:, 1]
    assert np.abs(p - model.predict(unseen.images, verbose=0)[:, 0]).max() < TOLERANCE
    weights = onnx.load(tmp_path / "face.onnx").graph.initializer
    halves = [onnx.numpy_helper.to_array(w) for w in weights if w.name.endswith("_16")]
    assert sum(half.size for half in halves) > 0.99 * model.count_params()


def test_the_card_says_what_was_measured(
    network: keras.Model, unseen: Photos, tmp_path: Path
) -> None:
    from recipes.face.judging import judge
    from tests.pictures import encoded

    for number, name in enumerate(CLASSES):
        (tmp_path / "test" / name).mkdir(parents=True)
        for place, image in enumerate(unseen.images[unseen.classes == number][:12]):
            (tmp_path / "test" / name / f"{place}.png").write_bytes(encoded(image[..., 0], "png"))
    file = tmp_path / "face.onnx"
    ship(happy_or_sad(network), unseen, 1000, file)
    # One sad face is learned from too, a little lighter: no copy, but a near-duplicate.
    lighter = np.minimum(unseen.images[unseen.classes == SAD][0, ..., 0], 245) + 10
    (tmp_path / "train" / "sad").mkdir(parents=True)
    (tmp_path / "train" / "sad" / "lighter.png").write_bytes(encoded(lighter, "png"))
    (tmp_path / "train" / "happy").mkdir()
    learned = scan(tmp_path / "train", ("happy", "sad"), quality=False).table
    classifier = Classifier(file)
    figures = judge(classifier, tmp_path / "test", learned)
    assert figures["test"]["score"]["n"] == 24
    assert figures["others"]["neutral"]["n"] == 12
    curve = figures["risk_coverage"]
    assert curve["coverage"][-1] == 1
    assert curve["risk"][-1] == pytest.approx(1 - figures["test"]["score"]["accuracy"]["value"])
    assert curve["low"][-1] < curve["risk"][-1] < curve["high"][-1]
    assert 1 <= figures["seen_in_training"] < 24
    assert figures["unseen"]["score"]["n"] == 24 - figures["seen_in_training"]
    drawn = pictures.write(classifier, figures, tmp_path)
    assert drawn["n"] == sum(sum(h["outcomes"].values()) for h in drawn["as_drawn"].values())
    text = card.write(file, figures, drawn)
    for name in re.findall(r"\]\((.*?)\)", text):
        assert 1_000 < (tmp_path / name).stat().st_size < 100_000
    assert f"{file.stat().st_size:,} bytes" in text
    assert f"| accuracy | {figures['test']['score']['accuracy']['value']:.3f}" in text
    assert "1,000 of them" in text


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    for name in CLASSES[:-1]:
        (tmp_path / name).mkdir()
    with pytest.raises(DatasetError, match="there is no surprise"):
        photos.manifest(tmp_path)
