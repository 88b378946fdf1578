"""What a classifier must beat to be worth anything: the larger class, and 32x32 grey pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from happysad.evaluation.metrics import score
from happysad.inputs import network_input
from happysad.photo import Photo

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

__all__ = ["INPUT", "SIDE", "TRAINING", "judged", "small"]

#: The side of the pictures that logistic regression sees, in pixels.
SIDE = 32

#: Prepares these pictures.
INPUT = network_input("photo", SIDE, 1)

#: What `fitted_on` says of baselines that saw the same photos as the model.
TRAINING = "the training photos"

_FOLDS = 5
# The inverse strength of the penalty on squared weights: chosen once for 1024 scaled pixels, weak
# enough for 10,000 photos and strong enough for 200.
_C = 0.01

Floats = NDArray[np.float64]


def small(photo: Photo) -> NDArray[np.uint8]:
    """Return a photo as logistic regression sees it: 32x32 grey pixels, uint8, shape (1024,)."""
    return np.asarray(INPUT.row(photo)["image"].reshape(-1))


def judged(
    y: NDArray[np.intp],
    pictures: NDArray[np.uint8],
    groups: Sequence[str],
    *,
    labels: tuple[str, ...],
    seed: int,
    training: tuple[NDArray[np.intp], NDArray[np.uint8]] | None,
) -> dict[str, dict[str, Any]]:
    """Judge the baselines on photos, as `metrics.score` judges a classifier.

    ``largest_class`` always answers the class that is larger where it was fitted, with that class's
    share for its p. ``logistic_regression`` looks at 32x32 grey pixels, each scaled to mean 0 and
    deviation 1.

    Args:
        y: the truth of the judged photos, 0 or 1, shape (n,).
        pictures: their `small` pictures, uint8, shape (n, 1024).
        groups: their groups, n of them.
        labels: the two classes.
        seed: of the folds and the bootstrap.
        training: the truth and the `small` pictures of the photos that the model was trained on.
            None where they are not known: then the share comes from the judged photos, and the
            regression is fitted on 4 of 5 parts of them to answer for the fifth, in turn; photos of
            one group stay in one part.

    Returns:
        A score by baseline's name, with ``fitted_on`` in words. ``logistic_regression`` is missing
        where a class has too few groups to fit it.
    """

    def scored(p: Floats, fitted_on: str) -> dict[str, Any]:
        return {**score(y, p, groups, labels=labels, seed=seed), "fitted_on": fitted_on}

    share = float(np.mean(y if training is None else training[0]))
    fitted_on = "the judged photos" if training is None else TRAINING
    found = {"largest_class": scored(np.full(len(y), share), fitted_on)}
    if training is None:
        folds = _folds(y, groups)
        if folds >= 2:
            p = _cross_validated(y, pictures, groups, folds, seed)
            fitted_on = f"the judged photos, {folds}-fold cross-validation by group"
            found["logistic_regression"] = scored(p, fitted_on)
    elif len(np.unique(training[0])) == 2:
        model = _regression().fit(training[1], training[0])
        found["logistic_regression"] = scored(model.predict_proba(pictures)[:, 1], fitted_on)
    return found


def _regression() -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression(C=_C, max_iter=1000))


def _folds(y: NDArray[np.intp], groups: Sequence[str]) -> int:
    """Count the folds that leave both classes in each training part."""
    members = np.asarray(groups)
    return min(_FOLDS, *(len(np.unique(members[y == label])) for label in (0, 1)))


def _cross_validated(
    y: NDArray[np.intp],
    pictures: NDArray[np.uint8],
    groups: Sequence[str],
    folds: int,
    seed: int,
) -> Floats:
    from sklearn.model_selection import StratifiedGroupKFold

    p = np.full(len(y), np.nan)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for train, test in splitter.split(pictures, y, groups):
        if len(np.unique(y[train])) == 2:
            p[test] = (
                _regression().fit(pictures[train], y[train]).predict_proba(pictures[test])[:, 1]
            )
        else:  # groups of both classes can leave a part with one: its share is all that is known
            p[test] = y[train].mean()
    return p
