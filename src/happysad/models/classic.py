"""The tutorials' network, exactly: three convolutions, 3,696,625 parameters at 256x256 RGB."""

from __future__ import annotations

import keras
from keras import layers

__all__ = ["build"]

_FILTERS = (16, 32, 16)
_DENSE = 256


def build(size: int, channels: int, dropout: float) -> keras.Model:
    """Build the network of the widely copied "happy or sad" tutorials.

    Convolutions of 3x3 without padding, each with ReLU and max pooling; then one dense layer.
    `dropout` 0 is the original; more puts a dropout before the last layer.
    """
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for filters in _FILTERS:
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(_DENSE, activation="relu")(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    p_sad = layers.Dense(1, activation="sigmoid", dtype="float32", name="p_sad")(x)
    return keras.Model(image, p_sad, name="classic")
