"""Our own small network: residual, plain convolutions, batch-normalised, with dropout."""

from __future__ import annotations

import keras
from keras import layers

from happysad.models.residual import features

__all__ = ["build"]

#: Features of each stage.
_WIDTHS = (24, 48, 96, 192)
#: Inputs wider than this are halved by the first convolution.
_WIDE = 64


def build(size: int, channels: int, dropout: float) -> keras.Model:
    """Build the network; about 0.7 million parameters at any size from 32 to 256."""
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = features(image, _WIDTHS, stride=2 if size > _WIDE else 1)
    x = layers.Dropout(dropout)(x)
    p_sad = layers.Dense(1, activation="sigmoid", dtype="float32", name="p_sad")(x)
    return keras.Model(image, p_sad, name="compact")
