"""The two baselines that a classifier must beat, and the photos they are fitted on."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.evaluation.baselines import TRAINING, Baseline, Baselines, score_baselines, small
from happysad.evaluation.metrics import Figure
from happysad.images import fit
from happysad.photo import Photo
from tests.pictures import photo

LABELS = ("happy", "sad")


def bright(y: NDArray[np.intp], seed: int = 0) -> NDArray[np.uint8]:
    """Return noise, brighter for the second class: only the baseline on pixels can use it."""
    noise = np.random.default_rng(seed).integers(0, 200, (len(y), 1024))
    return (noise + 40 * y[:, None]).astype(np.uint8)


def alone(n: int) -> list[str]:
    return [str(number) for number in range(n)]


def accuracy(found: Baselines) -> float:
    return found["logistic_regression"].score.accuracy.value or 0.0


def test_small_is_what_images_fit_makes() -> None:
    pixels = photo(1, 90, 60)
    seen = small(Photo(pixels))
    assert (seen == fit(pixels, 32, 1).ravel()).all()
    assert seen.shape == (1024,)


def test_fitted_on_the_training_photos() -> None:
    y = np.array([0, 1] * 20)
    train = np.array([0] * 30 + [1] * 10)
    found = score_baselines(
        y, bright(y), alone(40), classes=LABELS, seed=0, training=(train, bright(train, 1))
    )
    largest, regression = (found[name].score for name in ("largest_class", "logistic_regression"))
    assert largest.confusion == ((20, 0), (20, 0))  # happy: larger where it was fitted
    assert largest.auc == Figure(0.5, (0.5, 0.5))
    assert largest.ece.value == pytest.approx(0.25)  # p is 0.75, and half of the answers are right
    assert (regression.accuracy.value or 0) > 0.9
    assert {scored.fitted_on for scored in found.values()} == {TRAINING}
    as_json = json.dumps({name: asdict(one) for name, one in found.items()}, allow_nan=False)
    again = {name: Baseline.from_json(one) for name, one in json.loads(as_json).items()}
    assert again == found


def test_cross_validated_by_group_where_training_is_not_known() -> None:
    y = np.array([0, 1, 1] * 20)
    found = score_baselines(y, bright(y), alone(60), classes=LABELS, seed=0, training=None)
    assert found["largest_class"].score.confusion == ((0, 20), (0, 40))
    assert found["largest_class"].fitted_on == "the judged photos"
    assert accuracy(found) > 0.9
    assert "5-fold" in found["logistic_regression"].fitted_on


def test_copies_in_one_group_teach_nothing_about_each_other() -> None:
    """Random labels, every photo three times: only a leak could predict them."""
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 40), 3)
    pictures = np.repeat(rng.integers(0, 256, (40, 1024)).astype(np.uint8), 3, axis=0)
    groups = [str(number // 3) for number in range(120)]
    by_group = score_baselines(y, pictures, groups, classes=LABELS, seed=0, training=None)
    leaking = score_baselines(y, pictures, alone(120), classes=LABELS, seed=0, training=None)
    assert accuracy(by_group) < 0.7
    assert accuracy(leaking) > 0.9


@pytest.mark.parametrize(
    ("y", "groups", "training"),
    [
        ([0, 0, 0], "abc", None),  # one class alone
        ([0, 0, 1, 1], "abcc", None),  # one group of a class: nothing to learn it from
        ([0, 1], "ab", [0, 0, 0]),  # training photos of one class
    ],
)
def test_where_regression_cannot_be_fitted_it_is_missing(
    y: list[int], groups: str, training: list[int] | None
) -> None:
    truth = np.array(y)
    known: Any = None
    if training is not None:
        known = (np.array(training), bright(np.array(training)))
    found = score_baselines(
        truth, bright(truth), list(groups), classes=LABELS, seed=0, training=known
    )
    assert list(found) == ["largest_class"]


def test_a_fold_may_leave_one_class_to_learn_from() -> None:
    """The group of both classes and the only other sad one fall into one fold together."""
    y = np.array([0, 0, 1, 1])
    found = score_baselines(y, bright(y), list("abbc"), classes=LABELS, seed=0, training=None)
    assert found["logistic_regression"].score.confusion[1] == (2, 0)  # the share of sad is 0 there


def test_three_classes() -> None:
    y = np.array([0, 1, 2, 2] * 10)
    pictures = bright(y) // 2
    pictures[y == 2] += 40
    found = score_baselines(
        y, pictures, alone(40), classes=("happy", "neither", "sad"), seed=0, training=None
    )
    assert found["largest_class"].score.confusion == ((0, 0, 10), (0, 0, 10), (0, 0, 20))
    assert found["largest_class"].score.auc is None
    assert accuracy(found) > 0.9
