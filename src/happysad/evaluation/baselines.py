"""Baselines that a useful classifier must beat: the largest class, and 32x32 grey pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from happysad.evaluation.metrics import Score, score
from happysad.inputs import network_input
from happysad.photo import Photo

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = [
    "INPUT",
    "LARGEST_CLASS",
    "LOGISTIC_REGRESSION",
    "SIDE",
    "TRAINING",
    "Baseline",
    "Baselines",
    "score_baselines",
    "small",
]

#: The names of the baselines.
LARGEST_CLASS, LOGISTIC_REGRESSION = "largest_class", "logistic_regression"

#: The side of the pictures for logistic regression, in pixels.
SIDE = 32
#: Prepares these pictures.
INPUT = network_input("photo", SIDE, 1)

#: `Baseline.fitted_on` of baselines that were fitted on the same photos as the model.
TRAINING = "the training photos"

_FOLDS = 5
# The inverse strength of the L2 penalty.
# docs/decisions.md, "Penalty of the logistic regression on pixels".
_C = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline and its score."""

    score: Score
    fitted_on: str
    """The photos that it was fitted on, in words."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the baseline from its `asdict`, as read from JSON."""
        return cls(Score.from_json(fields["score"]), fields["fitted_on"])


Baselines = dict[str, Baseline]


def small(photo: Photo) -> NDArray[np.uint8]:
    """Return a photo as the input of logistic regression: 32x32 grey pixels, uint8, (1024,)."""
    return np.asarray(INPUT.row(photo)["image"].reshape(-1))


def score_baselines(
    y: NDArray[np.intp],
    pictures: NDArray[np.uint8],
    groups: Sequence[str],
    *,
    classes: Sequence[str],
    seed: int,
    training: tuple[NDArray[np.intp], NDArray[np.uint8]] | None,
) -> Baselines:
    """Return the scores of the baselines on some photos.

    `LARGEST_CLASS` always answers the largest class among the photos that it was fitted on; its
    probabilities are the shares of the classes among them. The inputs of `LOGISTIC_REGRESSION` are
    32x32 grey pixels, each scaled to mean 0 and deviation 1.

    Args:
        y: the class of each photo, shape (n,): an index into `classes`.
        pictures: their `small` pictures, uint8, shape (n, 1024).
        groups: their groups, n of them.
        classes: the names of the classes.
        seed: the seed of the folds and of the bootstrap.
        training: the classes and the `small` pictures of the photos that the model was trained on;
            None if they are unknown. In this case, the shares are those of the judged photos, and
            the regression is cross-validated on them in up to 5 folds; photos of one group stay in
            one fold.

    Returns:
        The scores by the baseline's name, without `LOGISTIC_REGRESSION` if a class has too few
        groups to fit it.
    """

    def scored(p: Floats, fitted_on: str) -> Baseline:
        return Baseline(score(y, p, groups, classes=classes, seed=seed), fitted_on)

    known = y if training is None else training[0]
    fitted_on = "the judged photos" if training is None else TRAINING
    shares = np.bincount(known, minlength=len(classes)) / len(known)
    found = {LARGEST_CLASS: scored(np.tile(shares, (len(y), 1)), fitted_on)}
    if training is None:
        folds = _folds(y, groups, len(classes))
        if folds >= 2:
            p = _cross_validated(y, pictures, groups, folds, seed, len(classes))
            fitted_on = f"the judged photos, {folds}-fold cross-validation by group"
            found[LOGISTIC_REGRESSION] = scored(p, fitted_on)
    elif len(np.unique(known)) == len(classes):
        model = _regression().fit(training[1], known)
        found[LOGISTIC_REGRESSION] = scored(model.predict_proba(pictures), fitted_on)
    return found


def _regression() -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000))


def _folds(y: NDArray[np.intp], groups: Sequence[str], classes: int) -> int:
    """Return the largest number of folds that leaves every class in each training part."""
    members = np.asarray(groups)
    return min(_FOLDS, *(len(np.unique(members[y == place])) for place in range(classes)))


def _cross_validated(
    y: NDArray[np.intp],
    pictures: NDArray[np.uint8],
    groups: Sequence[str],
    folds: int,
    seed: int,
    classes: int,
) -> Floats:
    from sklearn.model_selection import StratifiedGroupKFold

    p = np.full((len(y), classes), np.nan)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(pictures, y, groups):
        if len(np.unique(y[train])) == classes:
            p[test] = _regression().fit(pictures[train], y[train]).predict_proba(pictures[test])
        else:  # a group of several classes can leave the other folds without a class: use shares
            p[test] = np.bincount(y[train], minlength=classes) / len(train)
    return p
