"""The last layers of the networks: one sigmoid for two classes, a softmax for three."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import KerasTensor, layers
from numpy.typing import NDArray

from happysad.model_file import PROBABILITIES

__all__ = ["OUTCOMES", "head", "merged_head", "softmax_of"]

#: The name of the softmax whose probabilities `merged_head` adds up.
OUTCOMES = "outcomes"


def head(features: KerasTensor, classes: Sequence[str]) -> KerasTensor:
    """Return the probabilities of the classes from features.

    Args:
        features: float32, shape (n, width).
        classes: the names of the two or three classes.

    Returns:
        float32, 0 to 1: for two classes the probability of the second, shape (n, 1); for three one
        of each, shape (n, 3), sum 1.
    """
    two = len(classes) == 2
    return layers.Dense(
        1 if two else len(classes),
        activation="sigmoid" if two else "softmax",
        dtype="float32",
        name=PROBABILITIES,
    )(features)


def merged_head(features: KerasTensor, class_of: Sequence[int]) -> KerasTensor:
    """Return the probabilities of classes that each consist of one or more outcomes.

    The network has a softmax over all outcomes. The probability of a class is the sum of the
    probabilities of its outcomes.

    Args:
        features: float32, shape (n, width).
        class_of: for each outcome the index of its class.

    Returns:
        float32, 0 to 1, shape (n, classes), sum 1.
    """
    softmax = layers.Dense(len(class_of), activation="softmax", dtype="float32", name=OUTCOMES)
    add_up = layers.Dense(
        max(class_of) + 1, use_bias=False, trainable=False, dtype="float32", name=PROBABILITIES
    )
    p = add_up(softmax(features))
    add_up.set_weights([np.eye(max(class_of) + 1, dtype=np.float32)[list(class_of)]])
    return p


def softmax_of(model: keras.Model) -> tuple[layers.Dense, NDArray[np.float32]]:
    """Return the layer with the softmax of a network of three classes, and what it counts for.

    Args:
        model: a network with the head of `head` or `merged_head`.

    Returns:
        The layer, with k outputs, and a matrix of shape (k, 3): the share of each output in each
        class.
    """
    last = model.get_layer(PROBABILITIES)
    if last.use_bias:
        return last, np.eye(last.units, dtype=np.float32)
    return model.get_layer(OUTCOMES), last.get_weights()[0]
