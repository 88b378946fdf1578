"""The learning curve: what it says of classes that are easy, hard or impossible to tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.run import LearningCurve, Verdict
from happysad.training.learning_curve import learning_curve
from happysad.training.logistic_regression import Regression


def regression(figures: NDArray[Any], classes: NDArray[Any]) -> Regression:
    """Fit a linear discriminant, which is faster than a logistic regression."""
    means = np.stack([figures[classes == place].mean(axis=0) for place in np.unique(classes)])
    centred = figures - means[classes.astype(int)]
    spread = centred.T @ centred / len(figures) + 0.1 * np.eye(figures.shape[1])
    kernel = np.linalg.solve(spread, means.T)
    return Regression(kernel, -(kernel * means.T).sum(axis=0) / 2)


def curve_of(
    n: int, *, width: int, distance: float, number: int = 2, group: int = 1, seed: int = 0
) -> LearningCurve | None:
    """Return the curve of one cloud of points for each class; only the first figure differs."""
    rng = np.random.default_rng(seed)
    classes = (np.arange(n) // group % number).astype(np.float32)
    figures = rng.normal(0, 1, (n, width))
    figures[:, 0] += distance * (2 * classes - number + 1)
    groups = [f"group {number // group}" for number in range(n)]
    return learning_curve(figures, classes, groups, regression, seed=seed)


def test_the_numbers_of_photos_double_up_to_half_and_all() -> None:
    curve = curve_of(500, width=2, distance=1)
    assert curve is not None
    assert curve.held_out == 500
    assert [one.photos for one in curve.points] == [10, 20, 40, 80, 200, 400]


@pytest.mark.parametrize(
    ("n", "width", "distance", "verdict"),
    [
        (240, 40, 0.7, Verdict.HELP),  # many figures, few photos
        (400, 2, 0.7, Verdict.NO_HELP),  # two figures are soon learned
        (60, 3, 0.7, Verdict.UNKNOWN),
    ],
)
def test_the_verdict(n: int, width: int, distance: float, verdict: Verdict) -> None:
    curve = curve_of(n, width=width, distance=distance)
    assert curve is not None
    assert curve.verdict is verdict
    half, every = curve.points[-2:]
    assert curve.gain == pytest.approx(half.held_out_log_loss - every.held_out_log_loss)
    assert curve.gain_low < curve.gain < curve.gain_high
    for point in curve.points:
        assert point.held_out_log_loss_low < point.held_out_log_loss < point.held_out_log_loss_high
        assert point.train_accuracy_low <= point.train_accuracy <= point.train_accuracy_high


def test_three_classes_have_a_curve() -> None:
    curve = curve_of(240, width=2, distance=4, number=3)
    assert curve is not None
    assert [one.photos for one in curve.points] == [10, 20, 40, 96, 192]
    assert curve.points[-1].held_out_accuracy > 0.9
    hopeless = curve_of(240, width=2, distance=0, number=3)
    assert hopeless is not None
    assert hopeless.points[-1].held_out_accuracy == pytest.approx(1 / 3, abs=0.12)


def test_photos_learned_by_heart_show_as_a_gap() -> None:
    curve = curve_of(240, width=40, distance=0)  # nothing can be learned
    assert curve is not None
    first = curve.points[0]
    assert first.train_accuracy > 0.95
    for point in curve.points:
        assert point.held_out_accuracy == pytest.approx(0.5, abs=0.12)


def test_the_same_seed_gives_the_same_curve() -> None:
    assert curve_of(60, width=3, distance=1) == curve_of(60, width=3, distance=1)
    assert curve_of(60, width=3, distance=1) != curve_of(60, width=3, distance=1, seed=1)


def test_no_group_is_both_learned_and_held_out() -> None:
    seen: list[set[float]] = []

    def spy(figures: NDArray[Any], classes: NDArray[Any]) -> Regression:
        seen.append(set(figures[:, 0].tolist()))
        return regression(figures, classes)

    # The figures of the photos of a group are equal: they name the group.
    numbers = np.repeat(np.arange(40), 3)
    figures = np.stack([numbers, numbers % 2], axis=1).astype(float)
    groups = [str(number) for number in numbers]
    curve = learning_curve(figures, (numbers % 2).astype(np.float32), groups, spy, seed=0)
    assert curve is not None
    assert max(len(one) for one in seen) == 32  # four fifths of the groups, each one whole
    assert curve.points[-1].photos == 96
    for point in curve.points[:-1]:
        assert point.photos in {10, 20, 48}


@pytest.mark.parametrize(
    "groups",
    [
        ["a", "b"] * 20,  # one group of each class
        ["a", "b", "c", "d"] * 10,  # two groups of each class
        [*("a", "b") * 17, *"cdefgh"],  # one group of each class has most of its photos
    ],
)
def test_too_few_or_too_large_groups_have_no_curve(groups: Sequence[str]) -> None:
    figures = np.random.default_rng(0).normal(size=(40, 2))
    classes = (np.arange(40) % 2).astype(np.float32)
    assert learning_curve(figures, classes, groups, regression, seed=0) is None
