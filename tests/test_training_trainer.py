"""The whole path of a training on small photos: begin, stop, resume, end."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.classifier import Classifier
from happysad.dataset.arrays import Arrays
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.errors import ConfigError, DatasetError, RunError, UsageError
from happysad.evaluation.evaluator import evaluate
from happysad.keras_backend import deterministic, quiet
from happysad.probability import from_log_odds, log_odds
from happysad.run import Epoch, Run, Stage
from happysad.training import checkpoints
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig, choose, load, of_run
from happysad.training.learner import learner
from happysad.training.learner_base import Photos
from happysad.training.processes import Alone
from happysad.training.trainer import (
    align_output_sign,
    keep_neither,
    resume,
    train,
    train_in,
    unsure_beside_neither,
)
from tests.conftest import Once
from tests.pictures import folders, photo, save
from tests.trainings import arrays, begun, small_data

quiet()

import keras  # noqa: E402

from happysad.models import transfer  # noqa: E402
from happysad.models.head import head  # noqa: E402
from happysad.training.callbacks import Bookkeeper  # noqa: E402
from happysad.training.feed import Feed  # noqa: E402
from happysad.training.step_learner import class_weights_of  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("blank_plots")]

#: Everything that could differ: augmentation, dropout, schedule, weight decay, class weights.
SETTINGS: dict[str, Any] = {
    "model": "classic",
    "size": 32,
    "channels": 1,
    "batch_size": 8,
    "epochs": 4,
    "augment": True,
    "dropout": 0.3,
    "schedule": "cosine",
    "weight_decay": 0.02,
    "class_weights": True,
}


@pytest.fixture(scope="module")
def trained(once: Once) -> Path:
    """A folder with data/, check/ and an uninterrupted run/, and the output of training."""

    def make(folder: Path) -> None:
        found = train(small_data(folder), folder / "run", check_folder=folder / "check", **SETTINGS)
        assert found.evaluation is not None
        (folder / "evaluation.json").write_text(json.dumps(asdict(found.evaluation.test)))

    return once("small-training", make)


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Run:
    """A copy of the run that a test may change."""
    return Run(Path(shutil.copytree(trained / "run", tmp_path / "run")))


def timeless(run: Run) -> list[dict[str, float]]:
    """Return the history without the columns that differ from one training to the next."""
    rows = [asdict(row) for row in run.epochs_done()]
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "images_per_second")} for row in rows
    ]


def test_a_finished_run(trained: Path) -> None:
    run = Run(trained / "run")
    assert run.stage is Stage.FINISHED
    for file in (run.config, run.manifest, run.history, run.network, run.metrics, run.report):
        assert file.is_file()
    assert any(run.tensorboard.glob("train/*"))
    assert any(run.tensorboard.glob("validation/*"))
    assert not any(path.name.startswith(".") for path in trained.rglob("*"))

    history = run.epochs_done()
    assert [row.epoch for row in history] == [1, 2, 3, 4]
    assert history[1].learning_rate == pytest.approx(1e-3)  # two epochs of warm-up
    assert history[3].learning_rate == pytest.approx(0, abs=1e-9)  # the cosine ends at 0
    assert all(row.images_per_second > 0 for row in history)

    # The shipped network is the best epoch's, calibrated, takes uint8, and is the same in both
    # files.
    classifier = Classifier(run.folder)
    details = classifier.details
    assert (details.size, details.channels, details.architecture) == (32, 1, "classic")
    assert details.trained_on == len(happysad_manifest(run).of("train"))
    model = keras.saving.load_model(run.network)
    assert not model.compiled
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
    config = of_run(run)
    raw = learner(config, arrays(config)).build()
    state = checkpoints.read_state(checkpoints.latest(run.checkpoints))
    assert state.best_epoch == min(history, key=lambda row: row.val_loss).epoch
    checkpoints.restore(checkpoints.best(run.checkpoints, state), raw, optimizer=False)
    looks = [raw.predict(look, verbose=0)[:, 0] for look in (images, images[:, :, ::-1])]
    mean = np.mean([log_odds(p) for p in looks], axis=0)
    calibrated = from_log_odds(mean / details.temperature)
    assert details.temperature != 1
    np.testing.assert_allclose(model.predict(images, verbose=0)[:, 0], calibrated, atol=1e-4)
    answered = classifier.run({"image": images}).probabilities[:, 1]
    np.testing.assert_allclose(answered, calibrated, atol=1e-4)


def happysad_manifest(run: Run) -> Manifest:
    return Manifest.read(run.manifest, run.data())


@pytest.mark.usefixtures("eager")
def test_it_prints_one_line_for_each_epoch(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = load(None, SETTINGS)
    model, run = begun(learner(config, arrays(config)), tmp_path)
    capfd.readouterr()
    learner(config, arrays(config)).learn(model, run, None)
    out, err = capfd.readouterr()
    assert out == ""
    assert [line.split("  ")[0] for line in err.splitlines()] == [
        f"epoch {n}/4" for n in (1, 2, 3, 4)
    ]
    assert all("end in" in line and "val_accuracy" in line for line in err.splitlines())


def test_evaluate_returns_what_the_training_found(trained: Path) -> None:
    found = evaluate(trained / "run")
    assert json.loads((trained / "evaluation.json").read_text()) == json.loads(
        json.dumps(asdict(found))
    )
    rows = happysad_manifest(Run(trained / "run")).of("test")
    files = [trained / "data" / path for path in rows["path"]]
    answers = Classifier(trained / "run").predict(files)
    right = [answer.label == label for answer, label in zip(answers, rows["label"], strict=True)]
    assert found.score.accuracy.value == pytest.approx(np.mean(right))


def test_a_killed_training_resumes_to_the_same_weights(trained: Path, tmp_path: Path) -> None:
    """A process is killed by kill -9, at a batch that differs from test to test."""
    run, settings = Run(tmp_path / "run"), tmp_path / "settings.toml"
    lines = [f"{name} = {json.dumps(value)}" for name, value in SETTINGS.items()]
    settings.write_text("\n".join(lines) + "\n")
    batch = random.randint(2, 16)
    command = ["killed", str(run.folder), str(trained / "data"), str(batch), str(settings)]
    ended = subprocess.run(
        [sys.executable, "-m", "tests.trainings", *command],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert run.stage is Stage.LEARNING
    resumed = resume(run.folder)
    assert resumed.folder == run.folder
    whole = Run(trained / "run")
    assert timeless(run) == timeless(whole), f"killed at batch {batch}"
    for name in ("model.onnx", "checkpoints/finished.json"):
        assert (run.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    with pytest.raises(RunError, match="finished already"):
        resume(run.folder)


def test_a_training_killed_in_its_last_steps_ends_in_the_same_files(
    trained: Path, copy: Run
) -> None:
    (copy.checkpoints / "finished.json").unlink()
    copy.metrics.unlink()
    copy.report.unlink()
    (copy.folder / "model.onnx").write_text("half")
    resume(copy.folder)
    whole = Run(trained / "run")
    for name in ("model.onnx", "checkpoints/finished.json"):
        assert (copy.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    old, new = (json.loads(run.metrics.read_text()) for run in (whole, copy))
    assert new["test"].pop("model") == str(copy.folder)
    assert old["test"].pop("model") == str(whole.folder)
    assert old == new


@pytest.mark.usefixtures("eager")
def test_early_stopping_keeps_the_best_epoch_and_resumes(tmp_path: Path) -> None:
    settings = {**SETTINGS, "epochs": 12, "patience": 1, "learning_rate": 0.05}
    config = load(None, {**settings, "schedule": "constant"})
    learns = learner(config, arrays(config))
    model, run = begun(learns, tmp_path)
    learns.learn(model, run, None)
    losses = [row.val_loss for row in run.epochs_done()]
    assert len(losses) < 12
    assert losses[-1] > min(losses)
    ended = checkpoints.weights_hash(model)
    again = learns.build()
    learns.learn(again, run, None)  # it had learned, but was stopped before it shipped
    assert [row.val_loss for row in run.epochs_done()] == losses
    assert checkpoints.weights_hash(again) == ended


def tiny_backbone(include_top: bool, weights: str | None, input_shape: Any, pooling: str) -> Any:
    """Return a stand-in for a network of keras.applications: small, with the same parts."""
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3)(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.2)(x)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


@pytest.mark.usefixtures("eager")
def test_fine_tuning_moves_the_backbone_also_where_it_begins_after_a_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(transfer.BACKBONES, "mobilenetv3", tiny_backbone)
    given = {"model": "mobilenetv3", "size": 32, "batch_size": 8, "epochs": 2}
    frozen = load(None, {**given, "fine_tune_epochs": 0})
    whole = load(None, {**given, "fine_tune_epochs": 2, "fine_tune_learning_rate": 1e-2})
    hashes, backbones = [], []
    for name, configs in {"whole": [whole], "stopped": [frozen, whole]}.items():
        for config in configs:
            learns = learner(config, arrays(config))
            model, run = (
                begun(learns, tmp_path / name)
                if config is configs[0]
                else (
                    learns.build(pretrained=False),
                    Run(tmp_path / name),
                )
            )
            learns.learn(model, run, None)
            backbones.append(transfer.backbone(model).get_weights()[0])
        hashes.append(checkpoints.weights_hash(model))
        assert [row.epoch for row in run.epochs_done()] == [1, 2, 3, 4]
        assert run.epochs_done()[-1].learning_rate == pytest.approx(1e-2)
        assert checkpoints.read_state(checkpoints.latest(run.checkpoints)).phase == 1
    assert hashes[0] == hashes[1]
    assert (backbones[1] != backbones[2]).any()  # the frozen one, and the one that moved


def test_a_used_folder_is_refused(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match="must be new or empty"):
        train(trained / "data", tmp_path, check_folder=trained / "check", **SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_an_early_failure_leaves_nothing(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(UsageError, match="no such file"):
        train(
            trained / "data",
            run,
            check_folder=trained / "check",
            model="vgg16",
            size=32,
            weights=Path("missing.weights.h5"),
        )
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RunError, match="not a run's folder"):
        resume(run)


def test_settings_that_whole_photos_do_not_use_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for label in ("happy", "sad"):
        for number in range(3):
            save(data / label / f"{number}.png", photo(number + 10 * (label == "sad"), 80, 80))
    with pytest.raises(ConfigError, match="on whole photos does not use epochs, augment: it is"):
        train(data, tmp_path / "run", check_folder=tmp_path / "check", epochs=2, augment=True)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "check"}
    with pytest.raises(ConfigError, match="on whole photos does not use epochs"):
        train(data, tmp_path / "run", check_folder=tmp_path / "new", faces="find", epochs=2)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "check"}


class StoppedError(Exception):
    """The photos are split and loaded."""


class Stopping(Alone):
    """A process that ends before a network is built."""

    def meet(self, config: TrainConfig, **facts: str) -> None:
        raise StoppedError


def test_fractions_count_unless_an_earlier_check_has_split_the_photos(tmp_path: Path) -> None:
    data, run = folders(tmp_path / "data", each=20), Run(tmp_path / "run")

    def split(name: str, *fractions: float) -> None:
        chosen = choose(None, {**SETTINGS, "fractions": fractions})
        with pytest.raises(StoppedError):
            train_in(Stopping(), data, chosen, run, tmp_path / name)

    split("halves", 0.5, 0.3, 0.2)
    manifest = Manifest.read(tmp_path / "halves" / "manifest.csv", data)
    assert [len(manifest.of(name)) for name in SPLITS] == [20, 12, 8]
    split("halves", 0.5, 0.3, 0.2)  # the same command again
    save(data / "happy" / "new.png", photo(77))
    split("halves", 0.5, 0.3, 0.2)  # with a photo more
    with pytest.raises(UsageError, match=r"halves: its manifest keeps .* 51 %, 29 %, 20 %, so"):
        split("halves", 0.7, 0.2, 0.1)


THREE = ("happy", "neither", "sad")


@pytest.mark.parametrize(
    ("labels", "settings", "says"),
    [
        (("angry", "happy", "sad"), {}, "needs two classes, or two and neither, not angry, happy"),
        (THREE, {"keep_neither": True}, "keep_neither is for two folders"),
    ],
)
def test_three_classes_that_cannot_be_learned(
    tmp_path: Path, labels: tuple[str, ...], settings: dict[str, Any], says: str
) -> None:
    data = folders(tmp_path / "data", each=12, labels=labels)
    with pytest.raises(UsageError, match=says):
        train(data, tmp_path / "run", check_folder=tmp_path / "check", **settings)
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("eager")
def test_neither_is_learned_from_votes_and_goes_on_after_a_stop(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(transfer.BACKBONES, "mobilenetv3", tiny_backbone)
    data = folders(tmp_path / "data", each=20, labels=THREE)
    small = {"model": "mobilenetv3", "epochs": 2, "fine_tune_epochs": 0}
    settings = {**SETTINGS, **small, "check_folder": tmp_path / "check"}
    votes = voted(data, THREE, tmp_path / "votes.csv", turned=20)
    votes.write_text("\n".join(votes.read_text().splitlines()[:-3]) + "\n")
    whole = train(data, tmp_path / "whole", votes=votes, **settings)
    err = capfd.readouterr().err
    assert "57 of 60 photos have votes; of the other 3 it learns the folder" in err
    assert whole.run.epochs_done()[0].loss > 0
    assert whole.evaluation is not None
    test = whole.evaluation.test
    assert test.score.classes == THREE
    assert test.threshold == 0.5
    against = test.votes
    assert against is not None
    assert against.tied == 0
    # All photos have most votes for their own folder.
    assert against.score.n == against.n == test.score.n - against.without
    classifier = whole.classifier()
    assert classifier.classes == THREE
    model = keras.saving.load_model(whole.run.network)
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1), dtype=np.uint8)
    p = classifier.run({"image": images}).probabilities
    assert p.shape == (5, 3)
    np.testing.assert_allclose(p, model.predict(images, verbose=0), atol=1e-4)
    page = whole.run.report.read_text()
    for words in ("happy, neither or sad: how good", "recall of neither", "the most probable"):
        assert words in page
    plots = {file.stem for file in whole.run.plots.iterdir()}
    assert {"calibration-0", "calibration-1", "calibration-2"} <= plots

    votes.unlink()  # the run has its own copy
    stopped = Run(Path(shutil.copytree(whole.folder, tmp_path / "stopped")))
    (stopped.checkpoints / "002.npz").unlink()
    for file in (stopped.checkpoints / "finished.json", stopped.network, stopped.metrics):
        file.unlink()
    resume(stopped.folder)
    for name in ("model.onnx", "checkpoints/finished.json"):
        assert (stopped.folder / name).read_bytes() == (whole.folder / name).read_bytes()


@pytest.mark.usefixtures("eager")
def test_neither_is_kept_from_the_classifier_that_ships(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = folders(tmp_path / "data", each=24)
    settings: dict[str, Any] = {
        "epochs": 1,
        "learning_rate": 1e-8,
        "faces": "given",
        "fractions": (0.4, 0.4, 0.2),
        "keep_neither": True,
    }
    kept = train(data, tmp_path / "kept", check_folder=tmp_path / "check", **settings)
    assert "for every face" not in capfd.readouterr().err
    classifier = kept.classifier()
    assert classifier.classes == THREE
    assert classifier.details.keeps_neither
    unsure, least = (one.details.unsure for one in (classifier, Classifier()))
    assert unsure is not None and least is not None
    assert unsure[1] == least[1]
    assert unsure[0] >= least[0] and unsure[2] >= least[2]
    assert "none of these thresholds is below" in kept.run.report.read_text(encoding="utf-8")
    # At this learning rate, it still answers as the classifier that ships.
    images = np.random.default_rng(0).integers(0, 256, (20, 48, 48, 1), dtype=np.uint8)
    p = classifier.run({"image": images}).probabilities
    np.testing.assert_allclose(p, Classifier().run({"image": images}).probabilities, atol=1e-4)
    assert kept.evaluation is not None
    test = kept.evaluation.test
    assert test.score.classes == ("happy", "sad")
    assert set(test.abstention.called) == {*THREE, "unsure"}
    again = evaluate(kept.folder)
    assert again.score == test.score


@pytest.mark.parametrize(
    ("of_two", "expected"),
    [
        ((0.5, 0.5), {}),
        ((0.0123, 0.5), {"happy": 0.9877}),
        ((0.3, 0.9321), {"sad": 0.9321}),
    ],
)
def test_beside_neither_only_higher_thresholds_replace_those_that_ship(
    of_two: tuple[float, float], expected: dict[str, float]
) -> None:
    shipped = Classifier().details
    assert shipped.unsure is not None
    thresholds = dict(zip(shipped.classes, shipped.unsure, strict=True)) | expected
    assert unsure_beside_neither(THREE, of_two) == tuple(thresholds.values())
    # Learned classes with other names are as strict as the strictest that ships.
    strictest = max(shipped.unsure)
    assert unsure_beside_neither(("angry", "neither", "smiling"), (0.5, 0.5)) == (
        strictest,
        shipped.unsure[1],
        strictest,
    )


def test_neither_keeps_the_share_that_the_classifier_that_ships_answers() -> None:
    config = load(None, {"model": "face", "faces": "given", "size": 48, "channels": 1})
    two = arrays(config)
    three = keep_neither(two)
    assert three.names == THREE
    for split, of_two in ((three.train, two.train), (three.val, two.val)):
        assert split.shares is not None
        neither = Classifier().run({"image": split.images}).probabilities[:, 1]
        assert neither.std() > 0.01
        expected = np.stack([np.zeros_like(neither), neither, np.zeros_like(neither)], axis=1)
        expected[np.arange(len(neither)), split.classes.astype(int)] = 1 - neither
        np.testing.assert_allclose(split.shares, expected, atol=1e-6)
        assert split.classes.tolist() == (2 * of_two.classes).tolist()


def test_votes_and_a_kept_neither_are_refused_together(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=12)
    votes = voted(data, ("happy", "sad"), tmp_path / "votes.csv", 3)
    settings: dict[str, Any] = {"faces": "given", "keep_neither": True, "votes": votes}
    with pytest.raises(UsageError, match="votes cannot be combined with keep_neither"):
        train(data, tmp_path / "run", check_folder=tmp_path / "check", **settings)


def voted(data: Path, labels: tuple[str, ...], file: Path, turned: int) -> Path:
    """Write votes: 7 of 10 for the class of the folder, for the next one from number `turned`."""
    lines = [",".join(("path", *labels))]
    for place, label in enumerate(labels):
        for number, path in enumerate(sorted((data / label).iterdir())):
            counts = [0] * len(labels)
            counts[place], counts[(place + 1) % len(labels)] = (7, 3) if number < turned else (3, 7)
            lines.append(f"{label}/{path.name}," + ",".join(map(str, counts)))
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.mark.parametrize("labels", [("happy", "sad"), THREE])
def test_the_shares_are_the_targets_and_most_votes_the_class(
    labels: tuple[str, ...], tmp_path: Path
) -> None:
    data = folders(tmp_path / "data", each=12, labels=labels)
    settings = {**SETTINGS, "model": "compact"}
    votes = voted(data, labels, tmp_path / "votes.csv", turned=0)  # all for the next class
    seen: list[Photos] = []

    class Watching(Alone):
        def learn(self, learner: Any, model: Any, run: Run) -> None:
            seen.append(learner.photos)
            raise StoppedError

    run = Run(tmp_path / "run")
    with pytest.raises(StoppedError):
        train_in(Watching(), data, choose(None, settings), run, tmp_path / "check", votes=votes)
    manifest = happysad_manifest(run)
    folder = np.array([labels.index(name) for name in manifest.of("train")["label"]])
    after = (folder + 1) % len(labels)
    [photos] = seen
    assert photos.train.shares is not None
    np.testing.assert_array_equal(photos.train.classes, after)
    one = np.eye(len(labels))
    np.testing.assert_allclose(photos.train.shares, 0.3 * one[folder] + 0.7 * one[after], rtol=1e-6)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("names", [("happy", "sad"), THREE])
def test_a_network_learns_the_shares_or_else_the_class(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    config = load(None, {**SETTINGS, "model": "compact", "epochs": 1})
    without = arrays(config).train
    sure = np.eye(len(names), dtype=np.float32)[without.classes.astype(int)]
    unsure = 0.6 * sure + np.float32(0.4 / len(names))
    weights = []
    for number, shares in enumerate((None, sure, unsure)):
        part = replace(without, shares=shares)
        learns, run = learner(config, Photos(part, part, names)), Run(tmp_path / str(number))
        deterministic(config.seed)
        image = keras.Input((config.size, config.size, config.channels))
        model = keras.Model(image, head(keras.layers.GlobalAveragePooling2D()(image), names))
        learns.begin(model)
        checkpoints.save(run.checkpoints, State(), model)
        learns.learn(model, run, None)
        weights.append(checkpoints.weights_hash(model))
    assert weights[0] == weights[1] != weights[2]


def test_faces_and_photo_together_learn_no_votes(tmp_path: Path) -> None:
    data = folders(tmp_path / "data", each=12)
    votes = voted(data, ("happy", "sad"), tmp_path / "votes.csv", turned=12)
    with pytest.raises(UsageError, match="face on whole photos learns classes, not votes"):
        train(data, tmp_path / "run", check_folder=tmp_path / "check", votes=votes, faces="find")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("eager")
def test_the_tutorials_network_learns_two_and_says_so(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = folders(tmp_path / "data", each=15, labels=THREE)
    settings = {**SETTINGS, "epochs": 1}
    run = train(data, tmp_path / "run", check_folder=tmp_path / "check", **settings)
    assert run.classifier().classes == ("happy", "sad")
    err = capfd.readouterr().err
    assert "classic has one sigmoid, for two classes: it learns happy and sad" in err


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("classes", [("glum", "jolly", "neither"), ("jolly", "neither", "weepy")])
def test_the_network_of_faces_is_turned_round_where_the_photos_say_so(
    classes: tuple[str, ...],
) -> None:
    """Photos of the class that the network ranks lower are those of its first class."""
    config = load(None, {"model": "face", "faces": "given", "size": 48, "channels": 1})
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (40, 48, 48, 1), dtype=np.uint8)
    two = [place for place, name in enumerate(classes) if name != "neither"]
    every = Arrays({"image": images}, np.zeros(40, np.float32), [])
    known = learner(config, Photos(every, every, classes))
    before = known.build().predict(images, verbose=0)
    ranked = np.argsort(np.argsort(before[:, two[1]] - before[:, two[0]]))
    truth = np.where(ranked < 20, two[1], two[0]).astype(np.float32)  # in reverse
    truth[::5] = classes.index("neither")
    photos = Arrays({"image": images}, truth, [])
    learns = learner(config, Photos(photos, photos, classes))
    model = learns.build()
    align_output_sign(model, learns)
    after = model.predict(images, verbose=0)
    np.testing.assert_allclose(after[:, two], before[:, two[::-1]], atol=1e-6)
    align_output_sign(model, learns)  # now it is right
    np.testing.assert_array_equal(model.predict(images, verbose=0), after)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'; the nearest is 'epochs'"),
        ({"model": "classic", "size": 31}, "size must be 0 or from 32"),
        ({"model": "compact", "keep_neither": True}, "the model compact does not use keep_neither"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_read(
    tmp_path: Path, settings: dict[str, Any], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        train(tmp_path / "nowhere", tmp_path / "run", **settings)
    with pytest.raises(ConfigError, match=says):
        train(tmp_path / "nowhere", tmp_path / "run", config=TrainConfig(), **settings)


def test_a_changed_photo_is_refused_when_a_run_is_resumed(
    trained: Path, copy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(trained / "data", tmp_path / "data"))
    settings = copy.settings()
    copy.write_settings(settings, data)
    (copy.checkpoints / "finished.json").unlink()
    path = happysad_manifest(copy).of("train")["path"].iloc[0]
    (data / path).write_bytes((data / path).read_bytes() + b"more")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(DatasetError, match="the file has changed since it was checked"):
        resume(copy.folder)


def test_a_loss_that_is_not_finite_says_what_to_do(tmp_path: Path) -> None:
    images = np.zeros((2, 32, 32, 1), np.uint8)
    feed = Feed(images, np.zeros((2, 1), np.float32), TrainConfig(), training=True)
    books = Bookkeeper(Run(tmp_path), feed, State(), patience=0)
    books.on_epoch_begin(0)
    for logs in ({"loss": float("nan"), "val_loss": 0.5}, {"loss": 0.5, "val_loss": float("nan")}):
        [name] = [name for name, value in logs.items() if value != 0.5]
        words = rf"diverged in epoch 1 \({name} nan\); .*--learning-rate"
        with pytest.raises(RunError, match=words):
            books.on_epoch_end(0, logs)
    assert list(tmp_path.iterdir()) == []


def test_class_weights_balance() -> None:
    photos = arrays(load(None, SETTINGS)).train
    few = type(photos)(photos.inputs, np.array([0, 0, 0, 1], np.float32), [])
    assert class_weights_of(few) == {0: pytest.approx(4 / 6), 1: 2.0}
    three = type(photos)(photos.inputs, np.array([0, 0, 1, 2], np.float32), [])
    assert class_weights_of(three, 3) == {0: pytest.approx(2 / 3), 1: 4 / 3, 2: 4 / 3}


def test_an_epoch_is_a_row_of_the_history(trained: Path) -> None:
    header = (trained / "run" / "history.csv").read_text().splitlines()[0]
    assert header.split(",") == list(Epoch.__dataclass_fields__)
