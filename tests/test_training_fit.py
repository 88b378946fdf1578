"""The whole path of a training, with stand-ins for check, arrays and judge: stop, resume, end."""

from __future__ import annotations

import csv
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.errors import RunError, UsageError
from happysad.keras_backend import quiet
from happysad.training import checkpoints, fit
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig, load, load_run
from tests import standins

quiet()

import keras  # noqa: E402

pytestmark = pytest.mark.slow

CLASSIC = {"model": "classic", "size": 32, "batch_size": 8, "epochs": 4}
#: As much as can move: augmentation, dropout, schedule, weight decay, class weights.
RICH = {
    **CLASSIC,
    "channels": 1,
    "augment": True,
    "dropout": 0.3,
    "schedule": "cosine",
    "weight_decay": 0.02,
    "class_weights": True,
}
KILLED: dict[str, Any] = {**CLASSIC, "channels": 1, "epochs": 8, "schedule": "cosine"}
TRANSFER = {
    "model": "mobilenetv3",
    "size": 32,
    "batch_size": 8,
    "epochs": 2,
    "fine_tune_epochs": 2,
    "fine_tune_learning_rate": 1e-2,
}


class Killed(BaseException):
    """What a test raises to stop a training."""


def tiny_backbone(include_top: bool, weights: str | None, input_shape: Any, pooling: str) -> Any:
    """In place of a network of keras.applications: small, but with the same parts."""
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from happysad.models import transfer

    for name, module in standins.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setitem(transfer._BACKBONES, "mobilenetv3", tiny_backbone)


def train(run: Path, settings: dict[str, Any]) -> Path:
    config = load(None, settings)
    return fit.train(Path("nowhere"), config, out=run, check_out=Path("nowhere"))


def final_hash(run: Path) -> str:
    return checkpoints.weights_hash(keras.saving.load_model(run / "model.keras", compile=False))


def no_onnx(patch: pytest.MonkeyPatch) -> None:
    """For what compares weights alone: writing model.onnx takes longer than training."""
    patch.setattr("happysad.export.to_onnx", lambda *given: None)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Callable[[dict[str, Any]], Path]:
    """Gives a run that was never stopped, for settings; each is trained once."""
    done: dict[str, Path] = {}

    def run(settings: dict[str, Any]) -> Path:
        key = repr(settings)
        if key not in done:
            done[key] = train(tmp_path_factory.mktemp("whole") / "run", settings)
        return done[key]

    return run


def test_a_finished_run(
    whole: Callable[[dict[str, Any]], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    run = whole(RICH)
    names = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert {"config.toml", "manifest.csv", "history.csv", "model.keras", "model.onnx"} <= names
    assert {"plots/samples.png", "metrics.json"} <= names
    assert any(name.startswith("tensorboard/train/") for name in names)
    assert any(name.startswith("tensorboard/validation/") for name in names)
    assert not any(path.name.startswith(".") for path in run.parent.rglob("*"))

    assert [int(row["epoch"]) for row in rows(run)] == [1, 2, 3, 4]
    rates = [float(row["learning_rate"]) for row in rows(run)]
    assert rates[1] == pytest.approx(1e-3)  # two epochs of warm-up
    assert rates[3] == pytest.approx(0, abs=1e-9)  # the cosine ends at 0
    assert all(float(row["images_per_second"]) > 0 for row in rows(run))

    # What ships is calibrated, the best epoch's, uint8 in, and the same in both files.
    details = Classifier.load(run).details
    assert (details.size, details.channels, details.architecture) == (32, 1, "classic")
    assert details.trained_on == standins.PHOTOS["train"]
    model = keras.saving.load_model(run / "model.keras")
    assert not model.compiled
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
    raw = fit._build(load_run(run / "config.toml")[0])
    best = min(rows(run), key=lambda row: float(row["val_loss"]))["epoch"]
    with np.load(run / "checkpoints" / f"{int(best):03}.npz") as stored:
        names_of = [name for name in stored.files if name.startswith("model")]
        for variable, name in zip(raw.variables, names_of, strict=True):
            variable.assign(stored[name])
    looks = [raw.predict(look, verbose=0)[:, 0] for look in (images, images[:, :, ::-1])]
    logits = np.mean([np.log(p / (1 - p)) for p in np.array(looks, np.float64)], axis=0)
    calibrated = 1 / (1 + np.exp(-logits / details.temperature))
    assert details.temperature != 1
    np.testing.assert_allclose(model.predict(images, verbose=0)[:, 0], calibrated, atol=1e-4)
    np.testing.assert_allclose(Classifier.load(run).p_sad(images), calibrated, atol=1e-4)

    # One plain line an epoch where standard error is no terminal, and nothing else.
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.split("  ")[0] for line in err.splitlines()] == [
        f"epoch {n}/4" for n in (1, 2, 3, 4)
    ]
    assert all("end in" in line and "val_accuracy" in line for line in err.splitlines())


@pytest.mark.parametrize(
    ("settings", "where", "count"),
    [
        (RICH, "batch", 5),  # within the second epoch
        (RICH, "judge", 1),  # training is over, the last step is not
        (TRANSFER, "prune", 2),  # between the frozen phase and fine-tuning
    ],
)
def test_stopped_and_resumed_is_never_stopped(
    whole: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    where: str,
    count: int,
) -> None:
    unbroken = whole(settings)
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_at(patch, where, count)
        with pytest.raises(Killed):
            train(run, settings)
    assert not (run / "checkpoints" / "finished.json").exists()
    assert fit.resume(run) == run
    assert final_hash(run) == final_hash(unbroken)
    assert (run / "model.onnx").read_bytes() == (unbroken / "model.onnx").read_bytes()
    timed = ("seconds", "images_per_second")
    assert [{k: v for k, v in row.items() if k not in timed} for row in rows(run)] == [
        {k: v for k, v in row.items() if k not in timed} for row in rows(unbroken)
    ]
    with pytest.raises(RunError, match="finished already"):
        fit.resume(run)


def stop_at(patch: pytest.MonkeyPatch, where: str, count: int) -> None:
    """Break training at the `count`-th batch, at its pruning of checkpoints, or at the judging."""
    target, name = {
        "batch": (keras.callbacks.TensorBoard, "on_train_batch_end"),
        "prune": (checkpoints, "prune"),
        "judge": (sys.modules["happysad.evaluation.judge"], "judge_run"),
    }[where]
    original, calls = getattr(target, name), []

    def stopping(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == count:
            raise Killed
        return original(*args, **kwargs)

    patch.setattr(target, name, stopping)


def test_early_stopping_keeps_the_best_epoch_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_onnx(monkeypatch)
    settings = {**RICH, "epochs": 12, "patience": 1, "learning_rate": 0.05, "schedule": "constant"}
    run = train(tmp_path / "whole", settings)
    losses = [float(row["val_loss"]) for row in rows(run)]
    assert len(losses) < 12
    assert losses[-1] > min(losses)
    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        stop_at(patch, "prune", len(losses))  # the waiting is over, but nothing is shipped yet
        with pytest.raises(Killed):
            train(stopped, settings)
    fit.resume(stopped)
    assert len(rows(stopped)) == len(losses)
    assert final_hash(stopped) == final_hash(run)


def test_fine_tuning_moves_the_backbone(whole: Callable[[dict[str, Any]], Path]) -> None:
    folder = whole(TRANSFER) / "checkpoints"
    assert [int(row["epoch"]) for row in rows(whole(TRANSFER))] == [1, 2, 3, 4]
    assert checkpoints.read_state(checkpoints.latest(folder)).phase == 1
    rate = float(rows(whole(TRANSFER))[-1]["learning_rate"])
    assert rate == pytest.approx(TRANSFER["fine_tune_learning_rate"])


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="must be new or empty"):
        train(tmp_path, CLASSIC)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_an_early_failure_leaves_nothing(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(UsageError, match="no such file"):
        train(run, {**TRANSFER, "weights": "missing.weights.h5"})
    vars(sys.modules["happysad.evaluation.plots"])["samples"] = None
    with pytest.raises(TypeError):
        train(run, CLASSIC)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunError, match="not a run's folder"):
        fit.resume(run)


def test_a_loss_that_is_no_number_says_what_to_do(tmp_path: Path) -> None:
    from happysad.training.feeding import Feed

    from happysad.training.callbacks import Bookkeeper

    images = np.zeros((2, 32, 32, 1), np.uint8)
    feed = Feed(images, np.zeros((2, 1), np.float32), TrainConfig(), training=True)
    books = Bookkeeper(tmp_path, feed, State(), patience=0)
    books.on_epoch_begin(0)
    with pytest.raises(RunError, match=r"diverged in epoch 1 .*--learning-rate"):
        books.on_epoch_end(0, {"loss": float("nan"), "val_loss": 0.5})
    assert list(tmp_path.iterdir()) == []


def test_class_weights_balance() -> None:
    labels = np.array([0, 0, 0, 1], np.float32)
    photos: Any = SimpleNamespace(train=SimpleNamespace(labels=labels))
    assert fit._class_weights(photos) == {0: pytest.approx(4 / 6), 1: 2.0}


def test_sigkill_at_a_random_moment(
    whole: Callable[[dict[str, Any]], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real kill -9 of a real process; the moment differs from run to run, the end must not."""
    settings = [f"{name}={value}" for name, value in KILLED.items()]
    killed = tmp_path / "killed"
    epoch = random.randint(1, KILLED["epochs"])
    command = [sys.executable, "-m", "tests.standins", str(killed), *settings]
    # Before its last step the process waits for its standard input to end: it never gets there.
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        while not any(int(file.stem) >= epoch for file in killed.glob("checkpoints/[0-9]*.npz")):
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    no_onnx(monkeypatch)
    fit.resume(killed)
    assert final_hash(killed) == final_hash(whole(KILLED))
