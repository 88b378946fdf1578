"""The features of photos that the network of the default training computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.arrays import Arrays
from happysad.inputs import NetworkInput, network_input
from happysad.keras_backend import BUILDING, quiet
from happysad.model_file import PROBABILITIES
from happysad.progress import step
from happysad.training.config import TrainConfig

if TYPE_CHECKING:
    import keras

__all__ = ["FeatureNetwork", "feature_network"]

_BATCH = 64

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureNetwork:
    """A network without its last layer, and what prepares its inputs."""

    input: NetworkInput
    model: keras.Model

    def of(self, photos: Arrays) -> Floats:
        """Return the features of photos that are prepared by `input`, shape (n, width)."""
        found = self.model.predict(photos.inputs, batch_size=_BATCH, verbose=0)
        return np.asarray(found, dtype=np.float64)


@step(BUILDING)
def feature_network(train: pd.DataFrame) -> FeatureNetwork:
    """Return the network of the default training.

    Its features are the figures of faces and photo, or of face crops the network's last features.

    Args:
        train: the training photos: rows of a manifest's table.
    """
    quiet()
    import keras

    from happysad.models import build, faces_and_photo

    config = TrainConfig().resolved(train)
    network = build(config.model, size=config.size, channels=config.channels)
    if config.learns_by_steps:
        last = network.get_layer(PROBABILITIES).input
    else:
        network = faces_and_photo.build(network, ("happy", "sad"))
        last = network.get_layer("figures").output
    seen = network_input(config.looks_at, config.size, config.channels)
    return FeatureNetwork(seen, keras.Model(network.inputs, last))
