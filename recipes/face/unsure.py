"""Choose the two thresholds between which the classifier is unsure, for an allowed risk."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["fit_unsure", "risk_coverage"]

#: The confidence of the bound on the risk.
_SURE = 0.9

Floats = NDArray[np.float64]


def fit_unsure(p: ArrayLike, y: ArrayLike, risk: float, threshold: float) -> tuple[float, float]:
    """Return the two thresholds between which a classifier answers "unsure".

    The classifier answers as many photos as possible while at most `risk` of its answers are wrong,
    according to the upper 90 % bound of Clopper & Pearson (1934) on the given photos. Both
    thresholds have the same distance from `threshold`.

    Source: Geifman & El-Yaniv 2017 (arXiv:1705.08500).

    Args:
        p: calibrated probabilities of the second class on validation photos, shape (n,).
        y: the class of these photos, shape (n,): 0 or 1, or another value for a photo of neither
            class, for which every answer is wrong.
        risk: the allowed share of wrong answers, above 0 and below 1.
        threshold: the value of both thresholds if no photo is unsure.

    Returns:
        (low, high) with low <= threshold <= high. A probability below low means the first class,
        one of at least high the second. (0, 1) if no thresholds meet the risk.
    """
    from scipy.stats import beta

    p_second, truth = np.asarray(p, dtype=np.float64), np.asarray(y)
    sure = np.abs(p_second - threshold)
    wrong = truth != (p_second >= threshold)
    order = np.argsort(-sure, kind="stable")
    n = np.arange(1, len(sure) + 1)
    errors = np.cumsum(wrong[order])
    bound = beta.ppf(_SURE, errors + 1, np.maximum(n - errors, 1e-9))
    parted = np.append(np.diff(sure[order]) < 0, True)  # equally sure photos stay together
    kept = np.flatnonzero((bound <= risk) & (errors < n) & parted)
    if not len(kept):
        return 0.0, 1.0
    last = kept[-1]
    if last + 1 == len(sure):
        return threshold, threshold
    least = float(sure[order[last]] + sure[order[last + 1]]) / 2
    return max(0.0, threshold - least), min(1.0, threshold + least)


def risk_coverage(y: ArrayLike, p: ArrayLike, threshold: float) -> tuple[Floats, Floats]:
    """Return the share of wrong answers when only the surest photos are answered.

    Source: El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification".

    Args:
        y: the class of each photo, 0 or 1, shape (n,).
        p: calibrated probabilities of the second class, shape (n,).
        threshold: the smallest p that means the second class; a larger distance is surer.

    Returns:
        The coverages from 1 / n to 1, and the risk at each, both of shape (n,).
    """
    truth, p_second = np.asarray(y), np.asarray(p, dtype=np.float64)
    order = np.argsort(-np.abs(p_second - threshold), kind="stable")
    n = np.arange(1, len(truth) + 1)
    wrong = (p_second >= threshold) != (truth == 1)
    return n / len(truth), np.cumsum(wrong[order]) / n
