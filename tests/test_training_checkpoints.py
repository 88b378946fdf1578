"""Checkpoints: what is written can be restored, and only the needed files stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.errors import RunError
from happysad.keras_backend import quiet
from happysad.run import Epoch
from happysad.training import checkpoints
from happysad.training.checkpoints import State

quiet()

import keras  # noqa: E402

EPOCH = Epoch(
    epoch=1,
    seconds=2.0,
    images_per_second=3.0,
    learning_rate=0.5,
    loss=0.1,
    accuracy=0.2,
    val_loss=0.3,
    val_accuracy=0.4,
)


def network(width: int = 3) -> Any:
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(width),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(1),
        ]
    )
    optimizer = keras.optimizers.AdamW(1e-2)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, "mse")
    return model


def trained(steps: int) -> Any:
    model = network()
    x = np.random.default_rng(0).random((8, 4), np.float32)
    for _ in range(steps):
        model.train_on_batch(x, x[:, :1])
    return model


def values(model: Any) -> list[Any]:
    variables = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def test_everything_that_training_moves_comes_back(tmp_path: Path) -> None:
    model, again = trained(3), network()
    state = State(epoch=3, best_epoch=2, best_loss=0.25, history=(EPOCH,))
    checkpoints.save(tmp_path, state, model)
    file = checkpoints.latest(tmp_path)
    assert file.name == "003.npz"
    assert checkpoints.read_state(file) == state
    checkpoints.restore(file, again, optimizer=True)
    assert all((a == b).all() for a, b in zip(values(model), values(again), strict=True))
    assert int(again.optimizer.iterations) == 3
    assert any("seed" in variable.path for variable in again.variables)  # dropout's generator
    # The next step is the same too.
    x = np.ones((8, 4), np.float32)
    assert model.train_on_batch(x, x[:, :1]) == again.train_on_batch(x, x[:, :1])
    assert checkpoints.weights_hash(model) == checkpoints.weights_hash(again)


def test_weights_without_the_optimizer(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, State(epoch=1), trained(3))
    model = network()
    checkpoints.restore(checkpoints.latest(tmp_path), model, optimizer=False)
    assert int(model.optimizer.iterations) == 0


def test_infinity_survives(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, State(), network())
    assert checkpoints.read_state(checkpoints.latest(tmp_path)) == State()


def test_the_last_two_and_the_best_stay(tmp_path: Path) -> None:
    for epoch in range(6):
        checkpoints.save(tmp_path, State(epoch=epoch), network(1))
    (tmp_path / ".006-0123abcd.npz").write_bytes(b"half")  # what a kill leaves
    checkpoints.prune(tmp_path, State(epoch=5, best_epoch=2))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["002.npz", "004.npz", "005.npz"]
    assert checkpoints.best(tmp_path, State(epoch=5, best_epoch=2)).name == "002.npz"


def test_a_half_written_checkpoint_is_none(tmp_path: Path) -> None:
    (tmp_path / ".001-0123abcd.npz").write_bytes(b"half")
    with pytest.raises(RunError, match="no checkpoint"):
        checkpoints.latest(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4" + bytes(100)])
def test_a_damaged_checkpoint_is_one_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "001.npz"
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"001\.npz: a damaged checkpoint: "):
        checkpoints.read_state(file)


def test_another_network_s_checkpoint_is_refused(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, State(epoch=1), network())
    with pytest.raises(RunError, match=r"001\.npz: its model variables do not fit"):
        checkpoints.restore(checkpoints.latest(tmp_path), network(2), optimizer=True)


def test_the_hash_sees_one_bit() -> None:
    model = network()
    before = checkpoints.weights_hash(model)
    kernel, bias = model.layers[0].get_weights()
    kernel[0, 0] = np.nextafter(kernel[0, 0], np.float32(9))
    model.layers[0].set_weights([kernel, bias])
    assert checkpoints.weights_hash(model) != before
