"""The network of the tutorials: three convolutions, 3,696,625 parameters at 256x256 RGB."""

from __future__ import annotations

import keras
from keras import layers

from happysad.model_file import PROBABILITIES

__all__ = ["build"]

_FILTERS = (16, 32, 16)
_DENSE = 256


def build(size: int, channels: int, dropout: float) -> keras.Model:
    """Return the network of the widely copied "happy or sad" tutorials, not compiled.

    Three convolutions of 3x3 without padding, each with ReLU and max pooling, and one dense layer.

    Args:
        size: the side of the input in pixels.
        channels: 3 for RGB, 1 for grey.
        dropout: the share of features dropped before the last layer in training; 0 is the original
            network, which has no dropout layer.
    """
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 255)(image)
    for number, filters in enumerate(_FILTERS, 1):
        x = layers.Conv2D(filters, 3, activation="relu", name=f"convolution_{number}")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(_DENSE, activation="relu", name="dense")(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    p = layers.Dense(1, activation="sigmoid", dtype="float32", name=PROBABILITIES)(x)
    return keras.Model(image, p, name="classic")
