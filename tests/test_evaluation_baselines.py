"""The two things that a classifier must beat, and on what they were fitted."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from happysad.photos import Photo
from numpy.typing import NDArray

from happysad.evaluation.baselines import TRAINING, judged, small
from happysad.images import fit
from tests.pictures import photo

LABELS = ("happy", "sad")


def bright(y: NDArray[np.intp], seed: int = 0) -> NDArray[np.uint8]:
    """Noise, brighter for the second class: easy for 1024 grey values, impossible for one share."""
    noise = np.random.default_rng(seed).integers(0, 200, (len(y), 1024))
    return (noise + 40 * y[:, None]).astype(np.uint8)


def alone(n: int) -> list[str]:
    return [str(number) for number in range(n)]


def test_small_is_what_images_fit_makes() -> None:
    pixels = photo(1, 90, 60)
    seen = small(Photo(pixels))
    assert (seen == fit(pixels, 32, 1).ravel()).all()
    assert seen.shape == (1024,)


def test_fitted_on_the_training_photos() -> None:
    y = np.array([0, 1] * 20)
    train = np.array([0] * 30 + [1] * 10)
    found = judged(
        y, bright(y), alone(40), labels=LABELS, seed=0, training=(train, bright(train, 1))
    )
    largest, regression = found["largest_class"], found["logistic_regression"]
    assert largest["confusion"] == [[20, 0], [20, 0]]  # happy: larger where it was fitted
    assert largest["auc"] == 0.5
    assert largest["ece"] == pytest.approx(0.25)  # it says 0.75 and is right in half of them
    assert regression["accuracy"] > 0.9
    assert {scored["fitted_on"] for scored in found.values()} == {TRAINING}
    json.dumps(found, allow_nan=False)


def test_cross_validated_by_group_where_training_is_not_known() -> None:
    y = np.array([0, 1, 1] * 20)
    found = judged(y, bright(y), alone(60), labels=LABELS, seed=0, training=None)
    assert found["largest_class"]["confusion"] == [[0, 20], [0, 40]]
    assert found["largest_class"]["fitted_on"] == "the judged photos"
    assert found["logistic_regression"]["accuracy"] > 0.9
    assert "5-fold" in found["logistic_regression"]["fitted_on"]


def test_copies_in_one_group_teach_nothing_about_each_other() -> None:
    """Labels without reason, every photo three times: only a leak could tell them."""
    rng = np.random.default_rng(0)
    y = np.repeat(rng.integers(0, 2, 40), 3)
    pictures = np.repeat(rng.integers(0, 256, (40, 1024)).astype(np.uint8), 3, axis=0)
    groups = [str(number // 3) for number in range(120)]
    by_group = judged(y, pictures, groups, labels=LABELS, seed=0, training=None)
    leaking = judged(y, pictures, alone(120), labels=LABELS, seed=0, training=None)
    assert by_group["logistic_regression"]["accuracy"] < 0.7
    assert leaking["logistic_regression"]["accuracy"] > 0.9


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
    found = judged(truth, bright(truth), list(groups), labels=LABELS, seed=0, training=known)
    assert list(found) == ["largest_class"]


def test_a_fold_may_leave_one_class_to_learn_from() -> None:
    """The group of both classes and the only other sad one fall into one fold together."""
    y = np.array([0, 0, 1, 1])
    found = judged(y, bright(y), list("abbc"), labels=LABELS, seed=0, training=None)
    assert found["logistic_regression"]["confusion"][1] == [2, 0]  # the share of sad is 0 there
