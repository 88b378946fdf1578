"""When not to answer: two thresholds chosen for a risk, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.evaluation.metrics import interval, resamples

__all__ = ["fit_unsure", "risk_coverage", "selective"]

#: How sure the risk is kept, given the photos that the thresholds are chosen on.
_SURE = 0.9

Floats = NDArray[np.float64]


def fit_unsure(p: ArrayLike, y: ArrayLike, risk: float, threshold: float) -> tuple[float, float]:
    """Find the two thresholds between which a classifier had better say "unsure".

    It answers as often as it can while at most `risk` of its answers are wrong, by the upper 90 %
    bound of Clopper & Pearson (1934) on the photos given: after Geifman & El-Yaniv 2017
    (arXiv:1705.08500). Both thresholds are equally far from `threshold`.

    Args:
        p: calibrated probabilities of the second class on validation photos, shape (n,).
        y: their truth, shape (n,): 0 or 1, or anything else for a photo that is of neither class,
            for which every answer is wrong.
        risk: the share of wrong answers allowed, above 0 and below 1.
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


def selective(
    y: ArrayLike, p: ArrayLike, groups: Sequence[str], unsure: tuple[float, float], seed: int = 0
) -> dict[str, Any]:
    """Judge a classifier that may say "unsure".

    Args:
        y: the truth, 0 or 1, shape (n,).
        p: calibrated probabilities of the second class, shape (n,); NaN where it gives none.
        groups: the group of each photo, n of them.
        unsure: as `fit_unsure` gives it.
        seed: of the bootstrap.

    Returns:
        A dict for JSON: coverage (the share that is answered), selective_accuracy (the share of
        those that is right; None where nothing is answered), no_face (the share without a p) and
        intervals, 95 %, over groups (None of a single one).
    """
    truth, p_second = np.asarray(y), np.asarray(p, dtype=np.float64)
    low, high = unsure
    with np.errstate(invalid="ignore"):
        first, second = p_second < low, p_second >= high
    answered = first | second
    none = np.isnan(p_second)
    right = (first & (truth == 0)) | (second & (truth == 1))

    def figures(weights: NDArray[Any]) -> dict[str, Floats]:
        with np.errstate(invalid="ignore"):
            total, answers = weights.sum(axis=1), weights @ answered.astype(float)
            return {
                "coverage": np.asarray(answers / total),
                "selective_accuracy": np.asarray((weights @ right.astype(float)) / answers),
                "no_face": np.asarray((weights @ none.astype(float)) / total),
            }

    point = {name: float(v[0]) for name, v in figures(np.ones((1, len(truth)))).items()}
    parts = [figures(weights) for weights in resamples(groups, seed)]
    spans = {name: interval(np.concatenate([part[name] for part in parts])) for name in point}
    return {
        **{name: value if np.isfinite(value) else None for name, value in point.items()},
        "intervals": {
            name: spans[name] if np.isfinite(value) and len(set(groups)) > 1 else None
            for name, value in point.items()
        },
    }


def risk_coverage(y: ArrayLike, p: ArrayLike, threshold: float) -> tuple[Floats, Floats]:
    """Give the share of wrong answers when only the surest are answered.

    El-Yaniv & Wiener 2010, "On the Foundations of Noise-free Selective Classification".

    Args:
        y: the truth, 0 or 1, shape (n,).
        p: calibrated probabilities of the second class, shape (n,).
        threshold: from this p on the answer is the second class; far from it is sure.

    Returns:
        coverage, 1 / n to 1, and the risk at each, both of shape (n,).
    """
    truth, p_second = np.asarray(y), np.asarray(p, dtype=np.float64)
    order = np.argsort(-np.abs(p_second - threshold), kind="stable")
    n = np.arange(1, len(truth) + 1)
    wrong = (p_second >= threshold) != (truth == 1)
    return n / len(truth), np.cumsum(wrong[order]) / n
