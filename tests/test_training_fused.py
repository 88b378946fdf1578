"""Learning from whole photos: faces and look, weighed; and from faces that were cut out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad import export
from happysad.classifier import Classifier
from happysad.dataset import drawn_faces
from happysad.dataset.arrays import FacesAndPhotos
from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError, ExportError
from happysad.inputs import FACES, PHOTO_SIZE
from happysad.keras_backend import quiet
from happysad.models import build
from happysad.training import checkpoints, fit, fused as learning
from happysad.training.config import TrainConfig, load, load_run
from tests import standins
from tests.conftest import Once
from tests.pictures import save

quiet()

from happysad.models import face, fused  # noqa: E402

pytestmark = pytest.mark.slow

CONFIG = load(None, {"model": "face", "faces": "find", "epochs": 2, "batch_size": 8})


@pytest.fixture(scope="module", autouse=True)
def asset(face_asset: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(face, "SHIPPED", face_asset)
        yield


@pytest.fixture(scope="module")
def model() -> Any:
    return fused.build(build("face", size=48, channels=1))


def photos(model: Any, n: int, seed: int, *, look: float, faces: float) -> FacesAndPhotos:
    """Made of noise; every third has no face. The label decides how light they are (`look`), and
    which of many faces, by what the network says of them, they show (`faces`)."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(n) % 2).astype(np.float32)
    noise = rng.integers(0, 256, (n, 8, 48, 48, 1), dtype=np.uint8)
    p = model.get_layer("face").predict(noise.reshape(-1, 48, 48, 1), verbose=0).reshape(n, 8)
    cut = np.zeros((n, FACES, 48, 48, 1), np.uint8)
    weights = np.zeros((n, FACES), np.float32)
    for row in range(n):
        if row % 3:
            order = np.argsort(p[row])
            told = order[-1] if labels[row] else order[0]
            cut[row, 0] = noise[row, told if rng.random() < faces else 0]
            weights[row, 0] = 0.5
    photo = rng.integers(50, 150, (n, PHOTO_SIZE, PHOTO_SIZE, 3))
    light = rng.normal(0, 8, n) + look * 40 * labels
    photo = (photo + light[:, None, None, None]).clip(0, 255).astype(np.uint8)
    inputs: dict[str, Any] = {"faces": cut, "weights": weights, "photo": photo}
    return FacesAndPhotos(inputs, labels, [f"{seed}-{row}" for row in range(n)])


@pytest.mark.parametrize(
    ("look", "faces", "chosen", "accuracy"),
    [(1.0, 0.0, ("look", "both"), 0.9), (0.0, 1.0, ("faces",), 0.75), (0.4, 0.9, ("both",), 0.85)],
)
def test_it_goes_by_what_tells_the_classes_apart(
    model: Any, tmp_path: Path, look: float, faces: float, chosen: tuple[str, ...], accuracy: float
) -> None:
    train, val, test = (
        photos(model, n, seed, look=look, faces=faces) for seed, n in enumerate((80, 24, 60))
    )
    learning.fit(model, train, val, CONFIG, tmp_path)
    told = json.loads((tmp_path / learning.FILE).read_text())
    assert told["chosen"] in chosen
    assert told["photos"] == {"train": 80, "val": 24}
    assert told["with_faces"] == {"train": 53, "val": 16}
    losses = {name: values["log_loss"] for name, values in told["tried"].items()}
    assert losses[told["chosen"]] == min(losses.values())
    p = model.predict(test.inputs, verbose=0)["p_sad"][:, 0]
    assert ((p >= 0.5) == test.labels).mean() >= accuracy
    # What it does not go by does not move it.
    kernel, _ = model.get_layer("p_sad").get_weights()
    unused = {"faces": slice(fused.FROM_FACES, None), "look": slice(0, fused.FROM_FACES)}
    for name, part in unused.items():
        assert (kernel[part] == 0).all() == (told["chosen"] == name)
    # The same photos give the same weights, and the fitted ones are what the file says.
    learning.fit(model, train, val, CONFIG, tmp_path)
    np.testing.assert_array_equal(model.get_layer("p_sad").get_weights()[0], kernel)
    assert json.loads((tmp_path / learning.FILE).read_text()) == told


def test_the_regression_is_scikit_learns(model: Any) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    figures = rng.normal(5, 3, (50, 4)) * [1, 10, 0.1, 0]  # the last is the same for all
    labels = (figures[:, 0] + rng.normal(0, 2, 50) > 7).astype(np.float32)
    kernel, bias = learning._regression(figures, labels, 0.3, CONFIG)
    scaler = StandardScaler().fit(figures)
    theirs = LogisticRegression(C=0.3, class_weight="balanced", tol=1e-8, max_iter=1000)
    theirs.fit(scaler.transform(figures), labels)
    logits = theirs.decision_function(scaler.transform(figures))
    np.testing.assert_allclose(figures @ kernel + bias, logits, atol=1e-4)
    even = replace(CONFIG, class_weights=False)
    assert learning._regression(figures, labels, 0.3, even)[1] != pytest.approx(bias)


def test_one_group_a_class_is_too_few(model: Any, tmp_path: Path) -> None:
    few = photos(model, 6, 0, look=1, faces=1)
    alone = replace(few, groups=["a" if label else str(n) for n, label in enumerate(few.labels)])
    with pytest.raises(DatasetError, match=r"2 groups or more in each class, not 1; .*other light"):
        learning.fit(model, alone, few, CONFIG, tmp_path)


class Killed(BaseException):
    """What a test raises to stop a training."""


def train(run: Path, config: TrainConfig) -> Path:
    return fit.train(Path("nowhere"), config, out=run, check_out=Path("nowhere"))


def test_stopped_and_resumed_is_never_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in standins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    whole, stopped = train(tmp_path / "whole", CONFIG), tmp_path / "stopped"
    assert Classifier.load(whole).details.looks_at == "both"
    assert len((whole / "history.csv").read_text().splitlines()) == 1  # there are no epochs

    def stop(run: Path) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules["happysad.evaluation.judge"], "judge_run", stop)
        with pytest.raises(Killed):
            train(stopped, CONFIG)
    monkeypatch.setattr(face, "SHIPPED", Path("none.onnx"))  # the run has what it began with
    fit.resume(stopped)
    for name in ("model.onnx", "checkpoints/finished.json"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()


def test_faces_that_were_cut_out_are_fine_tuned_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, module in standins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    run = train(tmp_path / "run", replace(CONFIG, faces="off"))
    details = Classifier.load(run).details
    assert (details.looks_at, details.architecture) == ("face", "face")
    assert (details.size, details.channels) == (48, 1)
    ended, shipped = (build("face", size=48, channels=1, dropout=CONFIG.dropout) for _ in range(2))
    checkpoints.restore(checkpoints.latest(run / "checkpoints"), ended, optimizer=False)
    for weight, before in zip(ended.trainable_variables, shipped.trainable_variables, strict=True):
        moved = np.abs(weight.numpy() - before.numpy()).max()
        assert 0 < moved < 0.2 * np.abs(before.numpy()).max()  # a little, from where it stood


@pytest.mark.parametrize("faces", ["find", "off"])
@pytest.mark.parametrize("labels", [("happy", "sad"), ("angry", "smiling")])
@pytest.mark.parametrize("seen", ["as the labels", "reversed"])
def test_other_classes_say_themselves_which_is_the_sad_one(
    faces: str, labels: tuple[str, str], seen: str
) -> None:
    config = replace(CONFIG, faces=faces)
    network = build("face", size=48, channels=1)
    noise = np.random.default_rng(0).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)
    p = network.predict(noise, verbose=0)[:, 0]
    sad = (p > np.median(p)).astype(np.float32)
    known: Any = type("Manifest", (), {"labels": labels})
    wrong_way = seen == "reversed"
    truth = 1 - sad if wrong_way else sad
    if faces == "find":
        cut = np.zeros((20, FACES, 48, 48, 1), np.uint8)
        cut[:, 0] = noise
        weights = np.zeros((20, FACES), np.float32)
        weights[:, 0] = 0.5
        photo = np.zeros((20, PHOTO_SIZE, PHOTO_SIZE, 3), np.uint8)
        both: dict[str, Any] = {"faces": cut, "weights": weights, "photo": photo}
        train: Any = FacesAndPhotos(both, truth, ["a"] * 20)
        model = fused.build(network)
    else:
        train = type("Arrays", (), {"images": noise, "labels": truth})
        model = network
    fit._turn(model, config, known, fit._Photos(train, train))
    turned = wrong_way and labels != ("happy", "sad")
    expected = 1 - p if turned else p
    np.testing.assert_allclose(network.predict(noise, verbose=0)[:, 0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def run(once: Once) -> Iterator[Path]:
    """A whole run on drawn faces: happy ones on warm walls, and some walls without anybody."""
    root = once("run-of-photos", _train_on_photos)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        yield root / "run"


def _train_on_photos(root: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(60):
        label = ("happy", "sad")[number % 2]
        tint = np.array([30, 10, -30]) * (1 if label == "happy" else -1) * rng.uniform(-0.2, 1)
        if number % 5:
            picture = drawn_faces.face(label, rng, 128).astype(float)
        else:
            picture = np.kron(rng.uniform(60, 190, (4, 4, 1)), np.ones((32, 32, 3)))
        picture = np.clip(picture + tint, 0, 255).astype(np.uint8)
        save(root / "data" / label / f"{number:02}.png", picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        fit.train(
            root / "data", load(None, {"model": "face"}), out=root / "run", check_out=root / "check"
        )


def test_a_whole_run(run: Path) -> None:
    assert load_run(run / "config.toml")[0].faces == "find"
    metrics = json.loads((run / "metrics.json").read_text())
    told = json.loads((run / learning.FILE).read_text())
    assert metrics["fused"] == told
    assert 0 < told["with_faces"]["train"] < told["photos"]["train"]
    page = (run / "report.html").read_text(encoding="utf-8")
    photos, faces = told["photos"], told["with_faces"]
    assert (
        f"In {faces['train']} of {photos['train']} training photos and in {faces['val']} of "
        f"{photos['val']} validation photos a face was found"
    ) in page
    words = {"faces": "the faces alone", "look": "the photo's own look alone"}
    assert words.get(told["chosen"], "both together").replace("'", "&#39;") in page
    assert "so there are no epochs and no curves" in page
    assert "Loss by epoch" not in page
    assert "looks at every photo twice" not in page
    # What was judged is what anybody gets who asks the classifier.
    data = load_run(run / "config.toml")[1]
    manifest = Manifest.read(run / "manifest.csv", data)
    rows = manifest.of("test")
    answers = Classifier.load(run).predict(manifest.files(rows))
    right = np.mean([a.label == b for a, b in zip(answers, rows["label"], strict=True)])
    assert metrics["test"]["accuracy"] == pytest.approx(right)
    assert {len(answer.faces) > 0 for answer in Classifier.load(run).predict(
        manifest.files(manifest.used)
    )} == {True, False}  # fmt: skip


def test_the_run_can_be_exported(run: Path, tmp_path: Path) -> None:
    assert export.export(run, tmp_path / "a.onnx") <= 1e-4
    assert (tmp_path / "a.onnx").read_bytes() == (run / "model.onnx").read_bytes()
    assert export.export(run, tmp_path / "a.tflite") <= 1e-4
    with pytest.raises(ExportError, match=r"a\.h5: .*write \.onnx or \.tflite"):
        export.export(run, tmp_path / "a.h5")
