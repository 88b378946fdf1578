"""Several processes share the gradient, feed their parts, and must have the same inputs."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.errors import UsageError
from happysad.keras_backend import quiet
from happysad.run import Run
from happysad.training import processes
from happysad.training.config import TrainConfig
from happysad.training.processes import VARIABLES, Alone, Member, Share

quiet()

import keras  # noqa: E402

from happysad.training.feed import Accuracy, AccuracyOfThree, Feed  # noqa: E402

needs_jax = pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")

SETTINGS = 'model = "classic"\nsize = 32\nchannels = 1\nepochs = 2\nbatch_size = 10\n'
#: Compiles twice as fast what runs for a few steps only.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"


def start(run: Path, port: int, index: int) -> subprocess.Popen[str]:
    settings = run.with_name("settings.toml")
    settings.write_text(SETTINGS)
    others = dict(zip(VARIABLES, (f"127.0.0.1:{port}", "2", str(index)), strict=True))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.trainings", "member", str(run), str(settings)],
        env={**os.environ, "KERAS_BACKEND": "jax", "XLA_FLAGS": QUICK, **others},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses(run: Path) -> list[list[float]]:
    return [[row.loss, row.val_loss] for row in Run(run).epochs_done()]


@pytest.mark.slow
@needs_jax
def test_two_processes_learn_as_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    runs = [tmp_path / name for name in ("first", "second")]
    started = [start(run, port, index) for index, run in enumerate(runs)]
    started[1].wait(timeout=900)  # process 0 goes last
    outputs = [process.communicate(timeout=900) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    # Standard output contains only what the child prints, without Gloo's greeting.
    (*first, _), second = (output.split() for output, _ in outputs)

    assert len(first) == 2
    assert first == second  # the same weights to the bit, in both trainings
    assert first[0] != first[1]  # process 1's labels reach process 0
    of_one = losses(runs[0] / "alone")
    assert len(of_one) == 2
    assert losses(runs[0] / "as-they-are") == [pytest.approx(row, abs=5e-5) for row in of_one]
    assert not runs[1].exists()  # only process 0 writes


IMAGES = np.random.default_rng(0).integers(0, 256, (37, 32, 32, 1), dtype=np.uint8)
LABELS = np.arange(37, dtype=np.float32)[:, None] % 2


def feeds(training: bool, batch_size: int = 8, targets: NDArray[np.float32] = LABELS) -> list[Feed]:
    """Return a feed of whole batches, and the feeds of two processes of two devices each."""
    config = TrainConfig(batch_size=batch_size)
    shares = (None, Share(0, 2, 4), Share(1, 2, 4))
    return [Feed(IMAGES, targets, config, training=training, share=share) for share in shares]


def test_the_parts_are_the_whole_but_for_what_is_left_over() -> None:
    whole, *parts = feeds(training=True)
    for feed in (whole, *parts):
        feed.begin(3)
    assert len(parts[0]) == len(parts[1]) == len(whole) == 5
    for index in range(5):
        kept = 8 if index < 4 else 4
        for number, values in enumerate(whole[index]):
            together = np.concatenate([part[index][number] for part in parts])
            assert (together == values[:kept]).all()


@pytest.mark.parametrize("classes", [2, 3])
def test_padding_counts_for_nothing_in_validation(classes: int) -> None:
    model = keras.Sequential([keras.Input((32, 32, 1)), keras.layers.Flatten()])
    if classes == 2:
        small = keras.initializers.Constant(1e-5)
        model.add(keras.layers.Dense(1, "sigmoid", kernel_initializer=small))
        loss, accuracy, targets = keras.losses.BinaryCrossentropy(), Accuracy, LABELS
    else:
        small = keras.initializers.RandomNormal(stddev=1e-4, seed=0)
        model.add(keras.layers.Dense(3, "softmax", kernel_initializer=small))
        loss, accuracy = keras.losses.CategoricalCrossentropy(), AccuracyOfThree
        targets = np.eye(3, dtype=np.float32)[np.arange(37) % 3]
    model.compile(loss=loss, metrics=[accuracy(name="accuracy")])
    whole, *parts = feeds(training=False, targets=targets)
    expected = model.evaluate(whole, verbose=0, return_dict=True)
    assert 0 < expected["accuracy"] < 1
    together = [  # as JAX joins them
        np.concatenate([part[index][number] for index in range(5) for part in parts])
        for number in range(3)
    ]
    images, labels, weights = together
    assert len(labels) == 40
    found = model.evaluate(images, labels, 8, 0, sample_weight=weights, return_dict=True)
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (("127.0.0.1:1", "", ""), "must be host:port, a number and a number below it"),
        (("127.0.0.1", "2", "0"), "not '127.0.0.1', '2', '0'"),
        (("127.0.0.1:1", "2", "2"), "a number below it"),
        (("127.0.0.1:1", "two", "0"), "'two'"),
        (("127.0.0.1:1", "2", "-1"), "'-1'"),
        pytest.param(
            ("127.0.0.1:1", "2", "0"),
            "needs KERAS_BACKEND=jax, not tensorflow",
            marks=[
                needs_jax,
                pytest.mark.skipif(
                    keras.backend.backend() != "tensorflow", reason="Keras is not on TensorFlow"
                ),
            ],
        ),
    ],
)
def test_a_wrong_environment_is_refused(
    values: tuple[str, str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(VARIABLES, values, strict=True):
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        processes.this()


def test_alone_without_these_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    alone = processes.this()
    assert isinstance(alone, Alone)
    assert alone.leads
    with alone.folders(Run(tmp_path / "run"), tmp_path / "check") as given:
        assert given == (Run(tmp_path / "run"), tmp_path / "check")
    with alone.resumed(Run(tmp_path / "run")) as same:
        assert same == Run(tmp_path / "run")


def test_whole_photos_with_faces_are_not_shared() -> None:
    config = TrainConfig(model="face", faces="find")
    with pytest.raises(UsageError, match="the model face with --faces find is not trained so"):
        Member("127.0.0.1:1", 2, 0).meet(config)


def test_the_others_go_on_from_copies(tmp_path: Path) -> None:
    run, check = tmp_path / "run", tmp_path / "check"
    for file in ("run/config.toml", "run/manifest.csv", "run/checkpoints/003.npz"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(file)
    check.mkdir()
    (check / "manifest.csv").write_text("splits")
    leader, other = (Member("127.0.0.1:1", 2, index) for index in (0, 1))

    def files(folder: Path) -> dict[str, Any]:
        found = (file for file in folder.rglob("*") if file.is_file())
        return {file.relative_to(folder).as_posix(): file.read_text() for file in found}

    with leader.folders(Run(run), check) as given:
        assert given == (Run(run), check)
    with leader.resumed(Run(run)) as own:
        assert own == Run(run)
    with other.resumed(Run(run)) as own:
        assert files(own.folder) == files(run)
        own.config.write_text("changed")
    with other.folders(Run(run), check) as (own, checked):
        assert not own.folder.exists()
        assert files(checked) == files(check)
    assert not own.folder.parent.exists()
    assert (run / "config.toml").read_text() == "run/config.toml"
