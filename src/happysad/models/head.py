"""The last layer of every network: one sigmoid for two classes, a softmax for three."""

from __future__ import annotations

from collections.abc import Sequence

from keras import KerasTensor, layers

from happysad.model_file import PROBABILITIES

__all__ = ["head"]


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
