"""The thresholds below which the classifier is unsure, for an allowed risk."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["fit_unsure", "risk_coverage"]

# The thresholds that are tried.
_GRID = np.arange(34, 101) / 100
#: The confidence of the bound on the risk.
_SURE = 0.9

Floats = NDArray[np.float64]


def fit_unsure(p: ArrayLike, y: ArrayLike, risk: float) -> tuple[float, ...]:
    """Return the thresholds below which a classifier of three classes answers "unsure".

    An answer is given if its probability reaches the threshold of its class. The thresholds are
    chosen jointly. They maximise the mean over the classes of the share of faces that is answered
    rightly, while at most `risk` of all answers are wrong, according to the upper 90 % bound of
    Clopper & Pearson (1934) on the given faces. docs/decisions.md, "When an answer is unsure".

    Source: Geifman & El-Yaniv 2017 (arXiv:1705.08500), here with a threshold for each class.

    Args:
        p: calibrated probabilities on validation faces, shape (n, 3).
        y: the class of these faces, an index, shape (n,).
        risk: the allowed share of wrong answers, above 0 and below 1.

    Returns:
        A threshold for each class, from 0.34 to 1 in steps of 0.01. All are 1 if no thresholds meet
        the risk.
    """
    from scipy.stats import binom

    probabilities, truth = np.asarray(p, dtype=np.float64), np.asarray(y)
    answer, sure = probabilities.argmax(axis=1), probabilities.max(axis=1, initial=0.0)
    answered, right, recalls = [], [], []  # for each class: at each threshold
    for label in range(probabilities.shape[1]):
        given = (answer == label) & (sure >= _GRID[:, None])
        answered.append(given.sum(axis=1))
        right.append((given & (truth == label)).sum(axis=1))
        recalls.append(right[-1] / max(1, int((truth == label).sum())))
    n = reduce(np.add.outer, answered)
    wrong = n - reduce(np.add.outer, right)
    # The bound is at most `risk` if this number of errors or fewer has a probability of at most
    # 1 - _SURE at that risk.
    allowed = binom.cdf(wrong, n, risk) <= 1 - _SURE
    if not allowed.any():
        return (1.0,) * len(recalls)
    best = np.where(allowed, reduce(np.add.outer, recalls), -1.0)
    places = np.unravel_index(int(np.argmax(best)), best.shape)
    return tuple(_GRID[list(places)].tolist())


def risk_coverage(y: ArrayLike, p: ArrayLike) -> tuple[Floats, Floats]:
    """Return the share of wrong answers if only the surest faces are answered.

    Source: El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification".

    Args:
        y: the class of each face, an index, shape (n,).
        p: calibrated probabilities, shape (n, classes); the surest answer is the most probable.

    Returns:
        The coverages from 1 / n to 1, and the risk at each, both of shape (n,).
    """
    truth, probabilities = np.asarray(y), np.asarray(p, dtype=np.float64)
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    n = np.arange(1, len(truth) + 1)
    wrong = probabilities.argmax(axis=1) != truth
    return n / len(truth), np.cumsum(wrong[order]) / n
