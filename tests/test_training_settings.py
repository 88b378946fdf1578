"""Every setting of every model changes what is trained, or is refused."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from happysad.dataset.arrays import Arrays
from happysad.dataset.check import check
from happysad.errors import ConfigError
from happysad.inputs import FACES, PHOTO_SIZE
from happysad.keras_backend import deterministic, quiet
from happysad.models import TRANSFER
from happysad.run import Run
from happysad.training import checkpoints
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig, choose, used_settings
from happysad.training.learner import learner
from happysad.training.learner_base import Learner, Photos
from happysad.training.trainer import keep_neither
from tests.pictures import folders, photo, save

quiet()

import keras  # noqa: E402

from happysad.models import transfer  # noqa: E402
from happysad.models.head import head  # noqa: E402
from happysad.training.callbacks import Bookkeeper  # noqa: E402
from happysad.training.feed import Feed  # noqa: E402

pytestmark = pytest.mark.slow

#: Settings of which all others depend, so that these are used; few photos and pixels.
_EPOCHS: dict[str, Any] = {"epochs": 4, "batch_size": 8, "schedule": "cosine", "augment": True}
_SMALL: dict[str, Any] = {"size": 32, "channels": 1, **_EPOCHS}
WAYS: dict[str, dict[str, Any]] = {
    "whole photos": {"model": "face", "faces": "find", "learning_curve": False},
    "face crops": {"model": "face", "faces": "given", **_EPOCHS},
    "classic": {"model": "classic", **_SMALL},
    "compact": {"model": "compact", **_SMALL},
    **{name: {"model": name, "fine_tune_epochs": 2, **_SMALL} for name in TRANSFER},
}
#: The photos of every training; the ways depend on the settings alone.
ROWS = pd.DataFrame({"width": [500], "height": [500], "channels": [3]})
#: The settings of the split, and those of the network and its first weights.
OF_SPLIT = ("classes", "fractions", "radius")
OF_NETWORK = (
    "model", "faces", "keep_neither", "size", "channels", "dropout", "weights", "seed",
)  # fmt: skip
FIGURES = ("loss", "accuracy", "val_loss", "val_accuracy")
#: Another value of each setting. A new setting needs a value here.
OTHERS: dict[str, Any] = {
    "model": "another",
    "classes": ("happy", "sad"),
    "fractions": (0.5, 0.3, 0.2),
    "radius": 0,
    "size": 40,
    "channels": 3,
    "faces": "given",
    "keep_neither": True,
    "learning_curve": True,
    "epochs": 5,
    "batch_size": 4,
    "learning_rate": 0.05,
    "schedule": "constant",
    "warmup": 1,
    "weight_decay": 0.1,
    "label_smoothing": 0.2,
    "dropout": 0.6,
    "patience": 1,
    "class_weights": "another",
    "augment": False,
    "flip": False,
    "rotation": 90.0,
    "shift": 0.3,
    "zoom": 0.5,
    "light": 0.8,
    "worsening": 1.0,
    "erasing": 1.0,
    "fine_tune_epochs": 3,
    "fine_tune_learning_rate": 0.01,
    "weights": "a file",
    "seed": 1,
}


def another(way: str, name: str, weights: Path) -> dict[str, Any]:
    """Return the settings of a way with another value of one setting."""
    if name == "model":
        return WAYS["compact" if way == "classic" else "classic"]
    if name == "faces" and WAYS[way]["model"] == "face":
        return WAYS["face crops" if way == "whole photos" else "whole photos"]
    values = {"class_weights": not choose(None, WAYS[way]).config.class_weights, "weights": weights}
    return {**WAYS[way], name: values.get(name, OTHERS[name])}


def tiny_backbone(include_top: bool, weights: str | None, input_shape: Any, pooling: str) -> Any:
    """Return a stand-in for a network of keras.applications."""
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3)(image)
    return keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))


def noise(n: int, *shape: int) -> Any:
    return np.random.default_rng(n).integers(0, 256, (n, *shape), dtype=np.uint8)


def pictures(config: TrainConfig) -> Photos:
    """Return 20 photos to learn from and 8 to choose by; a quarter has the second class."""
    parts = []
    for n in (20, 8):
        classes = (np.arange(n) % 4 == 0).astype(np.float32)
        inputs: dict[str, Any] = {"image": noise(n, config.size, config.size, config.channels)}
        if not config.learns_by_steps:
            weights = np.zeros((n, FACES), np.float32)
            weights[:, 0] = 0.5
            inputs = {"faces": noise(n, FACES, 48, 48, 1), "weights": weights}
            inputs["photo"] = noise(n, PHOTO_SIZE, PHOTO_SIZE, 3)
        parts.append(Arrays(inputs, classes, [f"{n}-{place}" for place in range(n)]))
    train, val = parts
    photos = Photos(train, val)
    return keep_neither(photos) if config.keep_neither and config.learns_by_steps else photos


class Trainings:
    """Short trainings of which Keras's `fit` is replaced: it records what it gets.

    The record has all that decides how a network is fitted: the network and its weights, the
    optimizer, the loss, the batches of every epoch and the weights of the classes. Only the fusion
    of faces and photo, which needs no `fit`, is really learned.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.weights = folder / "backbone.weights.h5"
        keras.utils.set_random_seed(9)
        tiny_backbone(False, None, (32, 32, 3), "avg").save_weights(self.weights)
        self.data = folders(folder / "data", labels=("happy", "neither", "sad"))
        near = (0.9 * photo(0) + 0.1 * photo(77)).astype(np.uint8)  # 4 bits from the first photo
        save(self.data / "happy" / "near.png", near)
        self.record: list[object] = []
        self._of_way: dict[str, str] = {}
        self._splits: dict[object, str] = {}
        self._networks: dict[object, tuple[Any, str]] = {}

    def of_way(self, way: str) -> str:
        """Return the training with the settings of a way."""
        if way not in self._of_way:
            self._of_way[way] = self.of(choose(None, WAYS[way]).resolved(ROWS))
        return self._of_way[way]

    def of(self, config: TrainConfig) -> str:
        """Return the split, the network and its fit on pictures of noise, as a text."""
        learns = learner(config, pictures(config))
        model, network = self._network(learns)
        self.record = [type(learns).__name__, self.split(config), network]
        if config.learns_by_steps and config.model not in TRANSFER:
            image = keras.Input((config.size, config.size, config.channels))
            p = head(keras.layers.GlobalAveragePooling2D()(image), learns.photos.names)
            model = keras.Model(image, p)  # a small stand-in, since the network is recorded
        run = Run(Path(tempfile.mkdtemp(dir=self.folder)))
        learns.begin(model)
        checkpoints.save(run.checkpoints, State(), model)
        learns.learn(model, run, None)
        if not config.learns_by_steps:
            self.record += [checkpoints.weights_hash(model), run.fusion()]
        return json.dumps(self.record, default=str)

    def fit(
        self,
        model: Any,
        feed: Feed,
        *,
        initial_epoch: int,
        epochs: int,
        class_weight: dict[int, float] | None,
        callbacks: list[keras.callbacks.Callback],
        **_: object,
    ) -> None:
        """Record what decides the fit; the first epoch is the best."""
        [books] = [one for one in callbacks if isinstance(one, Bookkeeper)]
        books.set_model(model)
        model.stop_training = False
        optimizer = {**model.optimizer.get_config(), "name": ""}  # a number counts them
        loss = model.loss.get_config()
        shapes = [one.shape for one in model.trainable_variables]
        self.record += [optimizer, loss, shapes, class_weight]
        for epoch in range(initial_epoch, epochs):
            books.on_epoch_begin(epoch)
            for batch in range(len(feed)):
                self.record.append(
                    [hashlib.sha256(part.tobytes()).hexdigest() for part in feed[batch]]
                )
            books.on_test_begin()
            books.on_epoch_end(epoch, dict.fromkeys(FIGURES, 1.0 + epoch))
            if model.stop_training:
                return

    def split(self, config: TrainConfig) -> str:
        """Return the split of the photos, as a CSV."""
        key = (config.classes, config.fractions, config.radius)
        if key not in self._splits:
            out = self.folder / f"check-{len(self._splits)}"
            checked = check(
                self.data,
                out,
                classes=config.classes,
                fractions=config.fractions,
                radius=config.radius,
                quality=False,
            )
            self._splits[key] = checked.manifest.table[["path", "split", "group"]].to_csv()
        return self._splits[key]

    def _network(self, learns: Learner) -> tuple[Any, str]:
        """Return the network and a text on it; it is built once for equal settings."""
        config = learns.config
        key = tuple(getattr(config, name) for name in OF_NETWORK)
        if key not in self._networks:
            keras.utils.clear_session()  # begins the names of layers anew
            deterministic(config.seed)
            model = learns.build()
            text = json.dumps(model.get_config(), default=str) + checkpoints.weights_hash(model)
            self._networks[key] = model, text
        return self._networks[key]


@pytest.fixture(scope="module")
def trainings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainings]:
    made = Trainings(tmp_path_factory.mktemp("trainings"))
    with pytest.MonkeyPatch.context() as patch:
        for name in TRANSFER:
            patch.setitem(transfer.BACKBONES, name, tiny_backbone)
        patch.setattr(
            keras.Model, "fit", lambda model, *args, **named: made.fit(model, *args, **named)
        )
        yield made


@pytest.mark.parametrize("way", WAYS)
def test_the_same_settings_train_the_same(way: str, trainings: Trainings) -> None:
    assert trainings.of(choose(None, WAYS[way]).resolved(ROWS)) == trainings.of_way(way)


@pytest.mark.parametrize("name", [field.name for field in fields(TrainConfig)])
@pytest.mark.parametrize("way", WAYS)
def test_every_setting_changes_the_training_or_is_refused(
    way: str, name: str, trainings: Trainings
) -> None:
    chosen = choose(None, another(way, name, trainings.weights))
    try:
        config = chosen.resolved(ROWS)
    except ConfigError as error:
        assert f"does not use {name}: " in str(error)
        assert name not in used_settings(choose(None, WAYS[way]).config)
    else:
        assert name in used_settings(config)
        base = choose(None, WAYS[way]).resolved(ROWS)
        if name in OF_SPLIT:
            assert trainings.split(config) != trainings.split(base)
        elif way in TRANSFER[1:] and name not in OF_NETWORK:
            # The transfer models differ in their networks alone; the first shows the rest.
            assert used_settings(base) == used_settings(replace(base, model=TRANSFER[0]))
            assert config != base
        else:
            assert trainings.of(config) != trainings.of_way(way)
