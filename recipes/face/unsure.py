"""When not to answer: two thresholds chosen for a risk, and what they cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["fit_unsure", "risk_coverage"]

#: The probability with which the risk is kept, given the photos that the thresholds are chosen on.
_SURE = 0.9

Floats = NDArray[np.float64]


def fit_unsure(p: ArrayLike, y: ArrayLike, risk: float, threshold: float) -> tuple[float, float]:
    """Return the two thresholds between which a classifier answers "unsure".

    It answers as many photos as it can while at most `risk` of its answers are wrong, by the upper
    90 % bound of Clopper & Pearson (1934) on the given photos. Both thresholds are equally far from
    `threshold`.

    Source: Geifman & El-Yaniv 2017 (arXiv:1705.08500).

    Args:
        p: calibrated probabilities of the second class on validation photos, shape (n,).
        y: the class of these photos, shape (n,): 0 or 1, or anything else for a photo of neither
            class, for which every answer is wrong.
        risk: the share of wrong answers that is allowed, above 0 and below 1.
        threshold: where the two meet if nothing is unsure.

    Returns:
        (low, high), low <= threshold <= high: below low the first class, from high on the second;
        (0, 1) where the risk cannot be kept.
    """
    from scipy.stats import beta

    p_second, truth = np.asarray(p, dtype=np.float64), np.asarray(y)
    sure = np.abs(p_second - threshold)
    wrong = truth != (p_second >= threshold)
    order = np.argsort(-sure, kind="stable")
    n = np.arange(1, len(sure) + 1)
    errors = np.cumsum(wrong[order])
    bound = beta.ppf(_SURE, errors + 1, np.maximum(n - errors, 1e-9))
    parted = np.append(np.diff(sure[order]) < 0, True)  # equally sure ones are answered together
    kept = np.flatnonzero((bound <= risk) & (errors < n) & parted)
    if not len(kept):
        return 0.0, 1.0
    last = kept[-1]
    if last + 1 == len(sure):
        return threshold, threshold
    least = float(sure[order[last]] + sure[order[last + 1]]) / 2
    return max(0.0, threshold - least), min(1.0, threshold + least)


def risk_coverage(y: ArrayLike, p: ArrayLike, threshold: float) -> tuple[Floats, Floats]:
    """Return the share of wrong answers where only the surest photos are answered.

    Source: El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification".

    Args:
        y: the class of each photo, 0 or 1, shape (n,).
        p: calibrated probabilities of the second class, shape (n,).
        threshold: the second class is the answer from this p on; p far from it is sure.

    Returns:
        coverage, 1 / n to 1, and the risk at each, both of shape (n,).
    """
    truth, p_second = np.asarray(y), np.asarray(p, dtype=np.float64)
    order = np.argsort(-np.abs(p_second - threshold), kind="stable")
    n = np.arange(1, len(truth) + 1)
    wrong = (p_second >= threshold) != (truth == 1)
    return n / len(truth), np.cumsum(wrong[order]) / n
