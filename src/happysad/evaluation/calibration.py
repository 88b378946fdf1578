"""The temperature and the decision threshold, which are fitted on validation after training."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.evaluation.metrics import resamples

__all__ = [
    "EPSILON",
    "TEMPERATURES",
    "THRESHOLDS",
    "UNSURE_GROUPS",
    "equal_weights",
    "fit_temperature",
    "fit_threshold",
    "fit_unsure",
    "fit_vector",
    "groups_lacking",
]

#: The range in which the temperature is searched.
TEMPERATURES = (0.1, 10.0)

#: The thresholds that are tried: 0.05, 0.06, … 0.95.
THRESHOLDS = np.arange(5, 96) / 100

#: Probabilities are clipped to this distance from 0 and 1, which float32 sigmoids reach.
EPSILON = 1e-7

# The share of the photos of each class that may get another class as their answer:
# docs/decisions.md, "Unsure in a classifier of one's own".
_ALLOWED = 0.1
#: The fewest groups of validation photos of a class from which `fit_unsure` can tell this share.
UNSURE_GROUPS = 9
# The thresholds of `fit_unsure` are multiples of 1 / _STEPS.
_STEPS = 10_000

# The range of a bias of `fit_vector`.
_MOST_BIAS = 3.0
_HALF = 45  # the index of 0.5 in `THRESHOLDS`
_SURE = 0.95  # the share of the resamples that must prefer another threshold to 0.5

Floats = NDArray[np.float64]


def fit_temperature(p: ArrayLike, y: ArrayLike) -> float:
    """Return the temperature T for which ``sigmoid(logit(p) / T)`` is calibrated.

    T minimises the negative log-likelihood, which has one minimum since it is convex in 1 / T. No
    answer changes, only its probability: T above 1 moves it towards 0.5, T below 1 away from 0.5.

    Source: temperature scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks"), for
    two classes.

    Args:
        p: the raw outputs of the network's sigmoid on validation photos, 0 to 1, shape (n,).
        y: the class of these photos, 0 or 1, shape (n,).

    Returns:
        T, from 0.1 to 10. It is 1.0 if the photos do not determine it: a class is missing, or every
        answer is right (the negative log-likelihood then has no minimum).
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logit

    truth = np.asarray(y).astype(bool).reshape(-1)
    if truth.all() or not truth.any():
        return 1.0
    # docs/decisions.md, "How the temperature is searched".
    clipped = np.clip(np.asarray(p, dtype=np.float64).reshape(-1), EPSILON, 1 - EPSILON)
    right_way = np.where(truth, 1.0, -1.0) * logit(clipped)
    if (right_way > 0).all():
        return 1.0

    def loss(log_t: float) -> float:
        return float(np.logaddexp(0, -right_way / np.exp(log_t)).mean())

    low, high = np.log(TEMPERATURES)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def fit_vector(
    p: ArrayLike, y: ArrayLike, share: ArrayLike, weights: ArrayLike | None = None
) -> tuple[float, Floats]:
    """Return the temperature T and biases b that calibrate a softmax.

    The calibrated probabilities are ``softmax(log(p) / T + share @ b) @ share``. They minimise the
    negative log-likelihood of photos with weights, by which all classes should weigh the same,
    however many photos they have: each probability is then that of a photo of which all classes are
    equally likely beforehand.

    Source: vector scaling (Guo et al. 2017, "On Calibration of Modern Neural Networks") with one
    scale for all classes; bias-corrected temperature scaling in Alexandari et al. 2020.

    Args:
        p: the outputs of the softmax on validation photos, shape (n, k).
        y: the class of these photos, shape (n,): an index.
        share: the share of each output in each class, 0 or 1, shape (k, classes); the identity if
            the outputs are the classes.
        weights: the weight of each photo, shape (n,); None means those of `equal_weights`.

    Returns:
        T, from 0.1 to 10, and the biases, shape (classes,), from -3 to 3. They are 1.0 and 0 if the
        photos do not determine them: a class is missing, or every answer is right.
    """
    from scipy.optimize import minimize
    from scipy.special import log_softmax, logsumexp

    merge = np.asarray(share, dtype=np.float64)
    probabilities = np.clip(np.asarray(p, dtype=np.float64), EPSILON, 1.0)
    truth = np.asarray(y).astype(np.intp).reshape(-1)
    classes = merge.shape[1]
    counts = np.bincount(truth, minlength=classes)
    if not counts.all() or ((probabilities @ merge).argmax(axis=1) == truth).all():
        return 1.0, np.zeros(classes)
    logs = np.log(probabilities)
    weight = equal_weights(truth, classes) if weights is None else np.asarray(weights)
    right = merge.T[truth]  # the outputs that count for the class of each photo

    def loss(parameters: Floats) -> float:
        calibrated = log_softmax(logs / np.exp(parameters[0]) + merge @ parameters[1:], axis=1)
        return -float(weight @ logsumexp(calibrated, axis=1, b=right))

    bounds = [tuple(np.log(TEMPERATURES)), *[(-_MOST_BIAS, _MOST_BIAS)] * classes]
    found = minimize(loss, np.zeros(1 + classes), method="L-BFGS-B", bounds=bounds).x
    return float(np.exp(found[0])), np.asarray(found[1:] - found[1:].mean())


def equal_weights(y: ArrayLike, classes: int) -> Floats:
    """Return the weight of each photo by which all classes weigh the same; they sum to 1.

    Args:
        y: the class of each photo, shape (n,): an index; every class has a photo.
        classes: the number of classes.
    """
    truth = np.asarray(y)
    return np.asarray(1 / (classes * np.bincount(truth, minlength=classes)[truth]))


def fit_threshold(p: ArrayLike, y: ArrayLike, groups: Sequence[str], seed: int) -> float:
    """Return the lowest probability of the second class for which it is the answer.

    This threshold is 0.5 unless another is clearly better on validation: the best one by balanced
    accuracy must beat 0.5 in at least 95 % of 1000 bootstrap resamples of groups. Each resample
    chooses its own threshold and compares it on the groups that were not drawn (out of the bag), so
    that no threshold is judged by the photos it was chosen on.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap".

    Args:
        p: calibrated probabilities of the second class on validation photos, shape (n,).
        y: the class of these photos, 0 or 1, shape (n,).
        groups: the group of each photo, n of them.
        seed: the seed of the bootstrap.

    Returns:
        A threshold from 0.05 to 0.95 in steps of 0.01; 0.5 if a class is missing.
    """
    p_second = np.asarray(p, dtype=np.float64).reshape(-1)
    truth = np.asarray(y).astype(np.intp).reshape(-1)
    if len(np.unique(truth)) < 2:
        return 0.5
    wins = judged = 0
    for weights in resamples(groups, seed):
        chosen = np.argmax(_balanced(p_second, truth, weights, THRESHOLDS), axis=1)
        unseen = _balanced(p_second, truth, (weights == 0).astype(np.float32), THRESHOLDS)
        gain = np.take_along_axis(unseen, chosen[:, None], axis=1)[:, 0] - unseen[:, _HALF]
        wins += int((gain > 0).sum())
        judged += int(np.isfinite(gain).sum())
    if judged == 0 or wins < _SURE * judged:
        return 0.5
    whole = _balanced(p_second, truth, np.ones((1, len(truth)), np.float32), THRESHOLDS)[0]
    best = np.flatnonzero(whole == whole.max())
    return float(THRESHOLDS[best[len(best) // 2]])


def groups_lacking(y: ArrayLike, groups: Sequence[str], classes: int) -> int:
    """Return how many groups the class with the fewest lacks for `fit_unsure`; 0 if it has enough.

    Args:
        y: the class of each validation photo, an index, shape (n,).
        groups: the group of each, n of them.
        classes: the number of classes.

    >>> groups_lacking([0] * 9 + [1] * 4, list("abcdefghijklm"), 2)
    5
    """
    truth, names = np.asarray(y).astype(np.intp), np.asarray(groups)
    fewest = min(len(np.unique(names[truth == place])) for place in range(classes))
    return max(0, UNSURE_GROUPS - fewest)


def fit_unsure(
    p: ArrayLike, y: ArrayLike, groups: Sequence[str], threshold: float
) -> tuple[float, ...] | None:
    """Return the thresholds below which a classifier answers "unsure", as in `Details.unsure`.

    At most 10 % of the photos of each class get another class as their answer. This holds for new
    photos like those of validation, on the average over all validation sets of this size, whatever
    the network (split conformal prediction within each class). Of each group, the photo that is
    nearest to a wrong answer counts.

    Source: Vovk 2012, "Conditional Validity of Inductive Conformal Predictors" (label-conditional).

    Args:
        p: the probabilities of validation photos, shape (n, classes).
        y: the class of these photos, an index, shape (n,).
        groups: the group of each photo, n of them.
        threshold: with two classes, the lowest probability of the second for which it is the answer
            if nothing is unsure.

    Returns:
        The thresholds, multiples of 0.0001; None if a class has fewer than `UNSURE_GROUPS` groups.
    """
    probabilities, truth = np.asarray(p, dtype=np.float64), np.asarray(y).astype(np.intp)
    classes = probabilities.shape[1]
    if groups_lacking(truth, groups, classes):
        return None
    limits = []
    for place in range(classes):
        own = truth == place
        wrong = np.delete(probabilities[own], place, axis=1).max(axis=1)
        if classes > 2:  # an answer is the most probable class
            wrong = np.where(wrong > probabilities[own, place], wrong, 0.0)
        names, member = np.unique(np.asarray(groups)[own], return_inverse=True)
        worst = np.zeros(len(names))
        np.maximum.at(worst, member, wrong)
        limit = np.sort(worst)[-int(_ALLOWED * (len(names) + 1))]
        limits.append(min(1.0, (math.floor(limit * _STEPS) + 1) / _STEPS))
    if classes == 2:
        return min(threshold, round(1 - limits[1], 4)), max(threshold, limits[0])
    return tuple(max(limits[:place] + limits[place + 1 :]) for place in range(classes))


def _balanced(
    p: Floats, truth: NDArray[np.intp], weights: NDArray[np.float32], thresholds: Floats
) -> Floats:
    """Return the weighted balanced accuracy at each threshold, shape (rows, thresholds)."""
    order = np.argsort(p, kind="stable")
    below = np.searchsorted(p[order], thresholds, side="left")
    ordered, second = weights[:, order], truth[order] == 1
    none = np.zeros((len(weights), 1))
    first_below = np.hstack([none, np.cumsum(ordered * ~second, axis=1)])
    second_below = np.hstack([none, np.cumsum(ordered * second, axis=1)])
    with np.errstate(divide="ignore", invalid="ignore"):
        recall_first = first_below[:, below] / first_below[:, -1:]
        recall_second = 1 - second_below[:, below] / second_below[:, -1:]
    return np.asarray((recall_first + recall_second) / 2)
