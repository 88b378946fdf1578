"""Small real trainings: photos of noise, a run on them, and processes that train on them.

``python -m tests.trainings killed RUN DATA BATCH SETTINGS`` kills itself at a batch of a training.
``python -m tests.trainings member RUN SETTINGS`` is one of several processes, which the environment
describes. They train on generated arrays and write RUN/as-they-are, then train with the classes of
process 1 exchanged and write RUN/flipped. At last, process 0 trains alone and writes RUN/alone. The
command prints the hash of the weights after each training. SETTINGS is a TOML file.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays
from happysad.run import Run
from happysad.training import checkpoints, processes, trainer
from happysad.training.checkpoints import State
from happysad.training.config import TrainConfig, choose, load
from happysad.training.learner_base import Learner, Photos
from happysad.training.processes import Alone, Member
from tests.pictures import folders

__all__ = ["COUNTS", "Stopping", "arrays", "begun", "small_data"]

#: The number of photos in each split of `arrays`.
COUNTS = {"train": 20, "val": 8}


def small_data(root: Path) -> Path:
    """Write 40 photos of noise into DATA/happy and DATA/sad; return the folder."""
    return folders(root / "data", each=20)


def arrays(config: TrainConfig) -> Photos:
    """Return photos of noise; every second photo is brighter and has the second class."""
    parts = []
    for count in COUNTS.values():
        classes = (np.arange(count) % 2).astype(np.float32)
        shape = (count, config.size, config.size, config.channels)
        noise = np.random.default_rng(count).integers(0, 200, shape, dtype=np.uint8)
        images = noise + (classes * 55).astype(np.uint8)[:, None, None, None]
        groups = [f"{count}-{number}" for number in range(count)]
        parts.append(Arrays({"image": images}, classes, groups))
    train, val = parts
    return Photos(train, val)


def begun(learns: Learner, folder: Path) -> tuple[Any, Run]:
    """Return a new network and a run with its first checkpoint."""
    from happysad.keras_backend import deterministic

    run = Run(folder)
    deterministic(learns.config.seed)
    model = learns.build()
    learns.begin(model)
    checkpoints.save(run.checkpoints, State(), model)
    return model, run


class Stopping:
    """Pictures that kill the process when the `batch`-th batch is read."""

    def __init__(self, images: NDArray[np.uint8], batch: int) -> None:
        self._images = images
        self._left = batch
        self.shape = images.shape

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, chosen: Any) -> Any:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self._images[chosen]


class _Killed(Alone):
    """A process that kills itself during the training."""

    def __init__(self, batch: int) -> None:
        self.batch = batch

    def learn(self, learner: Learner, model: Any, run: Run) -> None:
        images: Any = Stopping(learner.photos.train.images, self.batch)
        learner.photos.train.inputs["image"] = images
        super().learn(learner, model, run)


class _Staying(Member):
    """A process that stays connected to the others, for another training."""

    def part(self) -> None:
        """Do nothing."""


def _train_together(folder: Path, config: TrainConfig) -> None:
    process = processes.this()
    assert isinstance(process, Member)
    photos = arrays(config)
    first = _Staying(process.address, process.count, process.index)
    first.meet(config, settings=repr(config))
    _learn(first, config, photos, folder / "as-they-are")
    flipped = photos
    if process.index == 1:
        train = Arrays(photos.train.inputs, 1 - photos.train.classes, photos.train.groups)
        flipped = Photos(train, photos.val)
    _learn(process, config, flipped, folder / "flipped")
    if process.leads:
        _learn(Alone(), config, photos, folder / "alone")
        sys.stdin.read()  # the other processes are connected through process 0


def _small_learner(config: TrainConfig, photos: Photos) -> Learner:
    """Return a learner whose network has two layers of weights, which JAX compiles quickly."""
    import keras

    from happysad.models.head import head
    from happysad.training.step_learner import StepLearner

    class Small(StepLearner):
        def build(self, *, pretrained: bool = True) -> keras.Model:
            image = keras.Input((config.size, config.size, config.channels))
            x = keras.layers.Rescaling(1 / 255)(image)
            x = keras.layers.Conv2D(4, 3, activation="relu")(x)
            x = keras.layers.Flatten()(keras.layers.MaxPooling2D(4)(x))
            return keras.Model(image, head(x, self.classes))

    return Small(config, photos)


def _learn(process: processes.Process, config: TrainConfig, photos: Photos, folder: Path) -> None:
    learns = _small_learner(config, photos)
    with process.folders(Run(folder), folder.with_name("check")) as (own, _):
        model, run = begun(learns, own.folder)
        process.learn(learns, model, run)
    sys.stdout.write(checkpoints.weights_hash(model) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    task, target, *others, settings = sys.argv[1:]
    if task == "member":
        _train_together(Path(target), load(Path(settings)))
    else:
        data, batch = others
        trainer.train_in(
            _Killed(int(batch)),
            Path(data),
            choose(Path(settings)),
            Run(Path(target)),
            Path(target).with_name("check"),
        )
