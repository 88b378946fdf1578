"""The feed: every photo once in each epoch, determined only by seed, epoch and number."""

from __future__ import annotations

from typing import Any

import numpy as np

from happysad.keras_backend import quiet

quiet()

import keras  # noqa: E402

from happysad.training.config import TrainConfig  # noqa: E402
from happysad.training.feed import Feed  # noqa: E402

N = 37
IMAGES = np.random.default_rng(0).integers(0, 256, (N, 32, 32, 3), dtype=np.uint8)
LABELS = np.arange(N, dtype=np.float32)[:, None]  # so that a label names its photo


def feed(*, training: bool = True, **settings: Any) -> Feed:
    return Feed(IMAGES, LABELS, TrainConfig(batch_size=8, **settings), training=training)


def epoch(source: Feed, number: int) -> tuple[Any, Any]:
    source.begin(number)
    batches = [source[index] for index in range(len(source))]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert labels.shape == (N, 1)
    return images, labels[:, 0]


def test_every_photo_once_an_epoch() -> None:
    images, labels = epoch(feed(augment=False), 3)
    assert sorted(labels) == list(range(N))
    assert (images == IMAGES[labels.astype(int)]).all()
    assert (labels != np.arange(N)).any()


def test_validation_is_in_order_and_unchanged() -> None:
    images, labels = epoch(feed(training=False), 3)
    assert (labels == np.arange(N)).all()
    assert (images == IMAGES).all()


def test_an_epoch_does_not_depend_on_those_before() -> None:
    source = feed()
    first, second = epoch(source, 0), epoch(source, 1)
    assert (first[1] != second[1]).any()
    again = feed()
    again.begin(1)
    for index in reversed(range(len(again))):  # in any order
        images, labels = again[index]
        part = slice(index * 8, index * 8 + 8)
        assert (images == second[0][part]).all()
        assert (labels[:, 0] == second[1][part]).all()
    assert (epoch(feed(seed=1), 1)[1] != second[1]).any()


def test_each_epoch_changes_photos_anew() -> None:
    source = feed()
    (one, order_one), (two, order_two) = epoch(source, 0), epoch(source, 1)
    changed = [(one[order_one == label] != two[order_two == label]).any() for label in range(N)]
    assert all(changed)


def test_keras_sees_the_right_epochs_after_a_resume() -> None:
    """Keras reads batches before training, and calls on_epoch_end once too often."""
    seen: list[tuple[int, list[float]]] = []

    class Spy(Feed):
        def __getitem__(self, index: int) -> Any:
            images, labels = super().__getitem__(index)
            seen.append((self.epoch, list(labels[:, 0])))
            return images, labels

    source = Spy(IMAGES, LABELS, TrainConfig(batch_size=8), training=True)

    class Turn(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            source.begin(epoch)
            seen.clear()

        def on_epoch_end(self, number: int, logs: Any = None) -> None:
            wanted = feed()
            wanted.begin(number)
            assert [labels for _, labels in seen] == [
                list(wanted[index][1][:, 0]) for index in range(len(wanted))
            ]
            epochs.append(number)

    epochs: list[int] = []
    model = keras.Sequential(
        [keras.Input((32, 32, 3)), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile("sgd", "mse")
    model.fit(source, initial_epoch=2, epochs=5, verbose=0, shuffle=False, callbacks=[Turn()])
    assert epochs == [2, 3, 4]
