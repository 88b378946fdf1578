"""The fit recovers a known temperature; the threshold moves only if that is clearly better."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from happysad.evaluation.calibration import (
    EPSILON,
    TEMPERATURES,
    UNSURE_GROUPS,
    fit_temperature,
    fit_threshold,
    fit_unsure,
    fit_vector,
)
from happysad.model_file import Details
from happysad.probability import of_second, with_temperature


def honest(n: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return calibrated logits z, and classes drawn with probability sigmoid(z)."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, n)
    return z, (rng.random(n) < expit(z)).astype(int)


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_temperature_put_in_is_found(temperature: float) -> None:
    z, y = honest(20_000)
    assert fit_temperature(expit(z * temperature), y) == pytest.approx(temperature, rel=0.05)


def test_it_is_the_slope_of_scikit_learns_logistic_regression() -> None:
    z, y = honest(500)
    p = expit(2.5 * z)
    slope = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-8).fit(2.5 * z[:, None], y)
    found = fit_temperature(p, y)
    assert 1 / found == pytest.approx(slope.coef_[0, 0], rel=1e-3)
    assert log_loss(y, with_temperature(p, found, epsilon=EPSILON)) < log_loss(y, p)


@pytest.mark.parametrize(
    ("p", "y", "wanted"),
    [
        ([0.2, 0.4], [0, 0], 1.0),  # a class is missing
        ([0.2, 0.4], [1, 1], 1.0),
        ([], [], 1.0),
        ([0.1, 0.9, 0.6], [0, 1, 1], 1.0),  # all right: infinite certainty would fit best
        ([0.9, 0.1], [0, 1], 10.0),  # all wrong: the maximum
        ([0.5, 0.5], [0, 1], None),  # all 0.5: every temperature fits equally well
        ([0.0, 1.0, 1.0, 0.0], [0, 1, 0, 1], 10.0),  # exactly 0 and 1, half of it wrong
    ],
)
def test_edges(p: list[float], y: list[int], wanted: float | None) -> None:
    found = fit_temperature(p, y)
    assert 0.1 <= found <= 10.0
    if wanted is not None:
        assert found == pytest.approx(wanted, rel=1e-3)


def alone(n: int) -> list[str]:
    return [str(number) for number in range(n)]


@pytest.mark.parametrize(
    ("shift", "n", "low", "high"),
    [
        (0.0, 2000, 0.5, 0.5),  # 0.5 is right
        (2.0, 2000, 0.75, 0.95),  # the best is sigmoid(2) = 0.88, and 2000 photos show it
        (-2.0, 2000, 0.05, 0.25),
        (2.0, 12, 0.5, 0.5),  # a dozen photos cannot show it
    ],
)
def test_the_threshold_moves_only_for_good_reason(
    shift: float, n: int, low: float, high: float
) -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 2, n)
    p = expit(rng.normal(0, 2, n) + 1.5 * (2 * y - 1) + shift)
    assert low <= fit_threshold(p, y, alone(n), seed=0) <= high


def test_repeated_photos_are_no_good_reason() -> None:
    rng = np.random.default_rng(5)
    y = np.repeat(rng.integers(0, 2, 12), 100)
    p = np.repeat(expit(rng.normal(0, 2, 12)), 100)
    groups = [str(number // 100) for number in range(1200)]
    assert fit_threshold(p, y, groups, seed=0) == 0.5


@pytest.mark.parametrize(
    ("p", "y"),
    [([0.2, 0.9], [0, 0]), ([0.7], [1]), ([0.6] * 4, [0, 1, 0, 1]), ([0.0, 1.0], [0, 1])],
)
def test_the_threshold_is_one_half_where_nothing_can_be_told(p: list[float], y: list[int]) -> None:
    assert fit_threshold(p, y, alone(len(y)), seed=0) == 0.5


def of_three(n: int, shares: tuple[float, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return logits calibrated for equal priors, and classes with these shares."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (8 * n, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(z, axis=1)])
    kept = np.concatenate([np.flatnonzero(y == k)[: int(n * s)] for k, s in enumerate(shares)])
    return z[kept], y[kept]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("shares", [(1 / 3, 1 / 3, 1 / 3), (0.2, 0.7, 0.1)])
def test_the_temperature_and_the_biases_put_in_are_found(
    temperature: float, shares: tuple[float, ...]
) -> None:
    """However many photos each class has, the probabilities are those for equal priors."""
    z, y = of_three(5000, shares)
    shift = np.array([0.8, -0.3, -0.5])
    found, biases = fit_vector(softmax((z - shift) * temperature, axis=1), y, np.eye(3))
    assert found == pytest.approx(temperature, rel=0.1)
    np.testing.assert_allclose(biases, shift, atol=0.2)


def test_weights_say_how_much_each_photo_counts() -> None:
    """A weight of 2 counts as the same photo twice, and a weight of 0 as none."""
    z, y = of_three(300, (0.2, 0.7, 0.1))
    p, twice, never = softmax(z, axis=1), np.arange(len(y)) % 3 == 0, np.arange(len(y)) % 3 == 1
    weights = np.where(twice, 2.0, np.where(never, 0.0, 1.0))
    rows = np.repeat(np.arange(len(y)), weights.astype(int))
    same = fit_vector(p[rows], y[rows], np.eye(3), np.ones(len(rows)))
    found = fit_vector(p, y, np.eye(3), weights)
    assert found[0] == pytest.approx(same[0], rel=1e-3)
    np.testing.assert_allclose(found[1], same[1], atol=1e-3)
    assert found[0] != pytest.approx(fit_vector(p, y, np.eye(3))[0], rel=1e-3)


def test_outputs_that_add_up_to_a_class_get_its_bias() -> None:
    z, y = of_three(5000, (0.2, 0.7, 0.1))
    shift = np.array([0.8, -0.3, -0.5])
    z = z - shift
    # The second class is the sum of two outputs.
    share = np.array([[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    of = z @ share.T + np.log([1, 0.3, 0.7, 1])
    found, biases = fit_vector(softmax(of, axis=1), y, share)
    assert found == pytest.approx(1.0, rel=0.1)
    np.testing.assert_allclose(biases, shift, atol=0.2)


@pytest.mark.parametrize(
    ("p", "y"),
    [
        ([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]], [0, 0]),  # classes are missing
        ([[0.8, 0.1, 0.1], [0.2, 0.6, 0.2], [0.1, 0.2, 0.7]], [0, 1, 2]),  # all are right
    ],
)
def test_three_classes_stay_as_they_are_where_nothing_can_be_told(
    p: list[list[float]], y: list[int]
) -> None:
    temperature, biases = fit_vector(p, y, np.eye(3))
    assert temperature == 1.0
    assert biases.tolist() == [0, 0, 0]


def test_certain_mistakes_keep_three_finite() -> None:
    p = [[1.0, 0.0, 0.0]] * 3 + [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    temperature, biases = fit_vector(p, [0, 1, 2, 1, 2], np.eye(3))
    assert TEMPERATURES[0] <= temperature <= TEMPERATURES[1]
    assert np.abs(biases).max() <= 6


def drawn(n: int, classes: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the probabilities of a classifier that errs, and the classes of n photos each."""
    y = np.repeat(np.arange(classes), n)
    z = rng.normal(size=(len(y), classes)) + 1.2 * np.eye(classes)[y]
    return softmax(2 * z, axis=1), y


@pytest.mark.parametrize(("classes", "threshold"), [(2, 0.5), (2, 0.4), (3, 0.5)])
def test_one_in_ten_photos_of_a_class_gets_another(classes: int, threshold: float) -> None:
    rng = np.random.default_rng(1)
    names = ("happy", "neither", "sad")[:classes]
    new, truth = drawn(100, classes, rng)
    wrong = np.zeros((100, classes))
    for one in wrong:
        p, y = drawn(25, classes, rng)
        limits = fit_unsure(p, y, [str(number) for number in range(len(y))], threshold)
        details = Details(
            classes=names,
            size=32,
            channels=1,
            architecture="classic",
            temperature=1.0,
            threshold=threshold,
            trained_on=1,
            version="0",
            unsure=limits,
        )
        labels = np.array([details.label_of(row) for row in new.tolist()])
        for place in range(classes):
            own = labels[truth == place]
            one[place] = ((own != names[place]) & (own != "unsure")).mean()
    assert (wrong.mean(axis=0) <= 0.11).all()
    assert (wrong.mean(axis=0) >= 0.01).all()  # nor is it unsure about all


def test_a_sure_classifier_is_never_unsure() -> None:
    p = of_second(np.repeat([0.1, 0.9], 20))
    y, groups = np.repeat([0, 1], 20), [str(number) for number in range(40)]
    assert fit_unsure(p, y, groups, 0.5) == (0.5, 0.5)


def test_a_group_counts_once_by_its_worst_photo() -> None:
    y = np.repeat([0, 1], 2 * UNSURE_GROUPS)
    groups = [str(number // 2) for number in range(len(y))]
    p = np.where(y == 1, 0.9, 0.1)
    p[1] = 0.7  # of the first group
    assert fit_unsure(of_second(p), y, groups, 0.5) == (0.5, 0.7001)
    assert fit_unsure(of_second(p[2:]), y[2:], groups[2:], 0.5) is None
