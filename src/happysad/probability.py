"""Arithmetic of probabilities: log-odds, logarithms, temperature and means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "EPSILON",
    "among",
    "from_log_odds",
    "from_logs",
    "log_odds",
    "logs",
    "mean",
    "of_second",
    "with_temperature",
]

#: Probabilities are kept this far from 0 and 1, since a float32 sigmoid reaches both.
EPSILON = 1e-6


def log_odds(p: ArrayLike, *, epsilon: float = EPSILON) -> NDArray[np.float64]:
    """Return ``log(p / (1 - p))``.

    Args:
        p: probabilities from 0 to 1, of any shape.
        epsilon: probabilities are first clipped to the range from `epsilon` to 1 - `epsilon`.

    >>> log_odds(0.5).tolist()
    0.0
    """
    clipped = np.clip(np.asarray(p, dtype=np.float64), epsilon, 1 - epsilon)
    return np.asarray(np.log(clipped / (1 - clipped)))


def from_log_odds(x: ArrayLike) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-x))``, the inverse of `log_odds`.

    >>> from_log_odds([0.0]).tolist()
    [0.5]
    """
    return np.asarray(1 / (1 + np.exp(-np.asarray(x, dtype=np.float64))))


def with_temperature(p: ArrayLike, temperature: float, *, epsilon: float) -> NDArray[np.float64]:
    """Return the probabilities whose log-odds are divided by a temperature.

    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", for two classes.

    Args:
        p: probabilities from 0 to 1, of any shape.
        temperature: above 0; larger values bring the probabilities nearer to 0.5.
        epsilon: as for `log_odds`.

    >>> with_temperature([0.5], 2.0, epsilon=1e-6).tolist()
    [0.5]
    """
    return from_log_odds(log_odds(p, epsilon=epsilon) / temperature)


def logs(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithms of probabilities, clipped to the range from `EPSILON` to 1 - `EPSILON`.

    Args:
        probabilities: from 0 to 1, of any shape.

    >>> logs([1.0]).round(9).tolist()
    [-1e-06]
    """
    p = np.asarray(probabilities, dtype=np.float64)
    return np.asarray(np.log(np.clip(p, EPSILON, 1 - EPSILON)))


def from_logs(x: ArrayLike) -> NDArray[np.float64]:
    """Return the softmax of `x`: the distribution whose logarithms are `x` up to a constant.

    Args:
        x: shape (classes,).

    >>> from_logs([1.0, 1.0]).tolist()
    [0.5, 0.5]
    """
    x = np.asarray(x, dtype=np.float64)
    odds = np.exp(x - x.max())
    return np.asarray(odds / odds.sum())


def mean(probabilities: ArrayLike, weights: ArrayLike) -> NDArray[np.float64]:
    """Return the weighted geometric mean of several distributions, normalised to sum 1.

    For two classes this is the mean in log-odds.

    Args:
        probabilities: shape (n, classes), n at least 1; each row sums to 1.
        weights: shape (n,), each at least 0, and one of them above 0.

    Returns:
        Shape (classes,).

    >>> mean([[0.2, 0.8], [0.8, 0.2]], [1, 1]).tolist()
    [0.5, 0.5]
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    if len(rows) == 1:
        return np.asarray(rows[0])
    weights = np.asarray(weights, dtype=np.float64)
    return from_logs(np.average(logs(rows), axis=0, weights=weights))


def among(probabilities: ArrayLike, places: Sequence[int]) -> NDArray[np.float64]:
    """Return distributions over some of the classes: the others are left out, the rest sums to 1.

    This is the distribution of a photo that is known to be of one of these classes. Equal priors of
    all classes become equal priors of these.

    Args:
        probabilities: shape (..., classes).
        places: the places of the classes that stay.

    Returns:
        Shape (..., len(places)).

    >>> among([0.5, 0.2, 0.3], [0, 1]).round(3).tolist()
    [0.714, 0.286]
    """
    # A softmax in float32 can be 0 for all classes that stay; they then stay equal.
    kept = np.asarray(probabilities, dtype=np.float64)[..., list(places)]
    kept = np.maximum(kept, np.finfo(np.float32).tiny)
    return np.asarray(kept / kept.sum(axis=-1, keepdims=True))


def of_second(p: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distributions over two classes whose second class has probability `p`.

    Args:
        p: the output of a sigmoid, of any shape.

    Returns:
        The shape of `p` with one more axis, of length 2.
    """
    second = p.astype(np.float64)
    return np.stack([1 - second, second], axis=-1)
