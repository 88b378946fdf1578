"""The figures of three answers on one set of faces or photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.classifier import Classifier
from happysad.evaluation.abstention import Abstention, abstention
from happysad.evaluation.metrics import (
    BINS,
    Figure,
    Score,
    bootstrap,
    confidence_bins,
    resamples,
    score,
)
from happysad.models.face import CLASSES
from happysad.predictions import NO_FACE
from happysad.probability import among, of_second
from recipes.face.unsure import risk_coverage
from recipes.face.votes import HAPPY, NEITHER, SAD

__all__ = ["Curve", "Figures", "Reliability", "calibration", "curve", "figures", "reliability"]

_Floats = NDArray[np.float64]
_Ints = NDArray[np.intp]

#: The coverages at which the risk-coverage curve is recorded: 0.01 to 1, the surest faces first.
_SHARES = np.arange(1, 101) / 100
_RELIABILITY_BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures on one set."""

    score: Score
    """Of the most probable class; `balanced_accuracy` is the macro recall."""
    auc_sad_neither: Figure | None
    """The AUC of sad against neither, by the probability of sad; None without both."""
    happy_or_sad: Figure | None
    """The balanced accuracy on happy and sad faces if these are the only answers; None without
    both."""
    calibration: dict[str, Figure]
    """The calibration error of the probability of each class, the faces weighted to equal priors;
    empty if a class is missing."""
    default: Abstention
    """Of the labels at the default thresholds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The risk-coverage curve, at every percent of coverage."""

    coverage: list[float]
    risk: list[float]
    low: list[float]
    """The lower end of the 95 % interval of the risk."""
    high: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """The points of a calibration plot for one class: ten bins of equal width."""

    n: list[int]
    """The number of faces in each bin that has any."""
    probability: list[float]
    """Their mean probability, weighted to equal priors."""
    share: list[float]
    """The share of them that is of the class, weighted in the same way."""
    low: list[float]
    """The lower end of the 95 % interval of `share`."""
    high: list[float]


def figures(
    classifier: Classifier, p: _Floats, truth: _Ints, groups: Sequence[str], *, seed: int = 0
) -> Figures:
    """Return the figures of a classifier's answers, with 95 % intervals over groups.

    Args:
        classifier: a classifier of `CLASSES`; its thresholds decide when it is unsure.
        p: the probabilities, shape (n, 3); NaN for a photo without a face, which counts as wrong.
        truth: indices into `CLASSES`, shape (n,).
        groups: the group of each face, n of them.
        seed: the seed of the bootstrap.
    """
    names = np.asarray(groups, dtype=str)

    def of_two(first: int, second: int, chosen: _Floats) -> Score | None:
        rows = np.isin(truth, (first, second))
        if len(set(truth[rows])) < 2:
            return None
        return score(
            (truth[rows] == second).astype(np.intp),
            chosen[rows],
            names[rows].tolist(),
            classes=(CLASSES[first], CLASSES[second]),
            seed=seed,
        )

    against_neither = of_two(NEITHER, SAD, of_second(p[:, SAD]))
    happy_or_sad = of_two(HAPPY, SAD, among(p, [HAPPY, SAD]))
    labels = [NO_FACE if np.isnan(row).any() else classifier.label_of(row.tolist()) for row in p]
    return Figures(
        score=score(truth, p, groups, classes=CLASSES, seed=seed),
        auc_sad_neither=None if against_neither is None else against_neither.auc,
        happy_or_sad=None if happy_or_sad is None else happy_or_sad.balanced_accuracy,
        calibration=calibration(p, truth, names, seed=seed),
        default=abstention(
            labels, [CLASSES[one] for one in truth], groups, classes=CLASSES, seed=seed
        ),
    )


def curve(p: _Floats, truth: _Ints, groups: Sequence[str]) -> Curve:
    """Return the risk-coverage curve with its 95 % interval over groups."""
    coverage, risk = risk_coverage(truth, p)
    at = np.searchsorted(coverage, _SHARES)
    order = np.argsort(-p.max(axis=1), kind="stable")
    wrong = (p.argmax(axis=1) != truth)[order]
    resampled = []
    for weights in resamples(groups, 0):
        ordered = weights[:, order].astype(np.float64)
        answered, errors = ordered.cumsum(axis=1), (ordered * wrong).cumsum(axis=1)
        for n, k in zip(answered, errors, strict=True):
            place = np.searchsorted(n, _SHARES * n[-1])
            resampled.append(k[place] / n[place])
    low, high = np.percentile(resampled, [2.5, 97.5], axis=0)
    return Curve(
        coverage=coverage[at].tolist(),
        risk=risk[at].tolist(),
        low=low.tolist(),
        high=high.tolist(),
    )


def reliability(p: _Floats, truth: _Ints, groups: Sequence[str], label: int) -> Reliability:
    """Return the points of the calibration plot of one class."""
    of_class = np.eye(len(CLASSES))[truth]
    places = np.minimum((p[:, label] * _RELIABILITY_BINS).astype(np.intp), _RELIABILITY_BINS - 1)
    bins, counts = np.unique(places, return_counts=True)
    here = (places[:, None] == bins).astype(np.float64)

    def points(weights: NDArray[Any]) -> dict[str, _Floats]:
        with np.errstate(divide="ignore", invalid="ignore"):
            equal = weights / (weights @ of_class)[:, truth]
            total = equal @ here
            shares = (equal * (truth == label)) @ here / total
            means = (equal * p[:, label]) @ here / total
        return {
            **{f"share {one}": shares[:, place] for place, one in enumerate(bins)},
            **{f"mean {one}": means[:, place] for place, one in enumerate(bins)},
        }

    found = bootstrap(points, groups, 0)
    shares, means = ([found[f"{name} {one}"] for one in bins] for name in ("share", "mean"))
    values = [one.value or 0.0 for one in shares]
    spans = [one.interval or (value, value) for one, value in zip(shares, values, strict=True)]
    return Reliability(
        n=counts.tolist(),
        probability=[one.value or 0.0 for one in means],
        share=values,
        low=[low for low, _ in spans],
        high=[high for _, high in spans],
    )


def calibration(
    p: _Floats, truth: _Ints, groups: NDArray[np.str_], *, seed: int = 0
) -> dict[str, Figure]:
    """Return the calibration error of each class, all classes equally frequent; see `figures`.

    It is empty if a class is missing.
    """
    answered = ~np.isnan(p).any(axis=1)
    p, truth = p[answered], truth[answered]
    if len(set(truth)) < len(CLASSES):
        return {}
    of_class = np.eye(len(CLASSES))[truth]

    def errors(weights: NDArray[Any]) -> dict[str, _Floats]:
        with np.errstate(divide="ignore", invalid="ignore"):
            equal = weights / (weights @ of_class)[:, truth] / len(CLASSES)
        return {
            name: np.abs(
                (equal * (p[:, k] - of_class[:, k])) @ np.eye(BINS)[confidence_bins(p[:, k])]
            ).sum(axis=1)
            for k, name in enumerate(CLASSES)
        }

    return bootstrap(errors, groups[answered].tolist(), seed)
