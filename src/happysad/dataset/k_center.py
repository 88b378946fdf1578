"""Choose photos that differ from each other, by their features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["k_center"]

Floats = NDArray[np.floating]
Places = NDArray[np.intp]


def k_center(features: Floats, count: int, *, chosen: int = 0) -> Places:
    """Return photos far from each other: each next one is the farthest from those before it.

    The first one is the most central. docs/decisions.md, "Photos that teach most". Source: Gonzalez
    1985, "Clustering to minimize the maximum intercluster distance".

    Args:
        features: shape (n, width).
        count: the number of photos, at most n.
        chosen: the number of photos, the first ones, that are chosen already; `count` and the
            answer are without them.

    >>> k_center(np.array([[0.0], [1.0], [5.0]]), 3).tolist()
    [1, 2, 0]
    >>> k_center(np.array([[0.0], [1.0], [5.0]]), 2, chosen=1).tolist()
    [2, 1]
    """
    order, nearest = list(range(chosen)), np.full(len(features), np.inf)
    central = int(np.square(features - features.mean(axis=0)).sum(axis=1).argmin())
    for done in range(chosen + count):
        if done == len(order):
            order.append(int(nearest.argmax()) if done else central)
        last = order[done]
        nearest = np.minimum(nearest, np.square(features - features[last]).sum(axis=1))
        nearest[last] = -1.0  # never again, even where all others are equal to chosen ones
    return np.array(order[chosen:], dtype=np.intp)
