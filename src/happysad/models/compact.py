"""A small network for photos: residual, with batch normalisation and dropout."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from happysad.models.head import head
from happysad.models.residual import features

__all__ = ["build"]

#: The number of features of each stage.
_WIDTHS = (24, 48, 96, 192)
#: Inputs wider than this, in pixels, are halved by the first convolution.
_WIDE = 64


def build(size: int, channels: int, dropout: float, classes: Sequence[str]) -> keras.Model:
    """Return the network, about 0.7 million parameters at any size, not compiled.

    Args:
        size: the side of the input in pixels.
        channels: 3 for RGB, 1 for grey.
        dropout: the share of features dropped before the last layer in training.
        classes: the names of the two or three classes.
    """
    image = layers.Input((size, size, channels), dtype="uint8", name="image")
    x = features(image, _WIDTHS, stride=2 if size > _WIDE else 1)
    x = layers.Dropout(dropout)(x)
    p = head(x, classes)
    return keras.Model(image, p, name="compact")
