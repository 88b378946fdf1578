"""The base class of learners, through which the rest of a training uses any of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays
from happysad.models import build
from happysad.run import Run
from happysad.training.config import TrainConfig

if TYPE_CHECKING:
    import keras

    from happysad.training.processes import Share

__all__ = ["Floats", "Learner", "Photos"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Photos:
    """The photos of a training."""

    train: Arrays
    """The training photos."""
    val: Arrays
    """The validation photos, on which choices are made."""
    names: tuple[str, ...] = ("happy", "sad")
    """The names of the two or three classes, in the order of `Arrays.classes`."""


class Learner(ABC):
    """Builds a network and trains it."""

    def __init__(self, config: TrainConfig, photos: Photos) -> None:
        """Create the learner.

        Args:
            config: the settings, resolved.
            photos: the training and validation photos.
        """
        self.config = config
        self.photos = photos

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes that the network answers."""
        return self.photos.names

    def build(self, *, pretrained: bool = True) -> keras.Model:
        """Return the network, not compiled.

        Args:
            pretrained: False leaves all weights random, for a checkpoint to be loaded.
        """
        config = self.config
        return build(
            config.model,
            size=config.size,
            channels=config.channels,
            dropout=config.dropout,
            weights=config.weights,
            classes=self.classes,
            pretrained=pretrained,
        )

    @abstractmethod
    def begin(self, model: keras.Model) -> None:
        """Prepare a network for its first checkpoint."""

    @abstractmethod
    def learn(self, model: keras.Model, run: Run, share: Share | None) -> None:
        """Train from the last checkpoint to the end, and set the chosen weights in the network.

        Args:
            model: the network, as `build` returns it.
            run: the run, with a checkpoint.
            share: this process's part of each batch; None for whole batches.
        """

    def finished(self, model: keras.Model) -> keras.Model:
        """Return a copy of the trained network for export, without optimizer or loss."""
        import keras

        copy = keras.Model.from_config(model.get_config())
        copy.set_weights(model.get_weights())
        return copy

    @abstractmethod
    def answers(self, model: keras.Model, photos: Arrays) -> Floats:
        """Return the network's answers.

        Returns:
            If the photos are of two classes, the probability of the second among these two, shape
            (n,); of three the probabilities, shape (n, 3).
        """

    @abstractmethod
    def face_answers(self, model: keras.Model) -> tuple[Floats, Floats]:
        """Return the answers for all faces in the training photos, and their classes.

        Returns:
            For each face the probability of the second of two classes, shape (faces,), or those of
            three, shape (faces, 3); and the index of its class in `classes`, shape (faces,).
        """
