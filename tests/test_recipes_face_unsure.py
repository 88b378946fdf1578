"""Thresholds keep their risk."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.face.unsure import fit_unsure, risk_coverage


def calibrated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.beta(0.4, 0.4, n)
    return p, (rng.random(n) < p).astype(int)


@pytest.mark.parametrize("risk", [0.01, 0.02, 0.05])
def test_the_risk_is_kept_on_other_photos(risk: float) -> None:
    p, y = calibrated(20_000, 0)
    low, high = fit_unsure(p, y, risk, 0.5)
    assert 0 < low < 0.5 < high < 1
    other_p, other_y = calibrated(200_000, 1)
    answered = (other_p < low) | (other_p >= high)
    assert ((other_p >= high) != other_y)[answered].mean() < risk * 1.05
    # and no more is left unanswered than needed
    wider = fit_unsure(p, y, 2 * risk, 0.5)
    assert wider[0] > low
    assert wider[1] < high


def test_few_photos_are_less_trusted() -> None:
    p, y = calibrated(20_000, 0)
    many, few = fit_unsure(p, y, 0.05, 0.5), fit_unsure(p[:300], y[:300], 0.05, 0.5)
    assert few[0] < many[0]
    assert few[1] > many[1]


@pytest.mark.parametrize(
    ("p", "y", "expected"),
    [
        # all right, and enough of them: nothing is unsure
        (
            np.r_[np.full(500, 0.1), np.full(500, 0.9)],
            np.r_[np.zeros(500), np.ones(500)],
            (0.5, 0.5),
        ),
        # all wrong: never answered
        (np.r_[np.full(50, 0.1), np.full(50, 0.9)], np.r_[np.ones(50), np.zeros(50)], (0.0, 1.0)),
        # equally sure ones are all answered or none, in whatever order they come
        (np.full(100, 0.9), np.r_[np.ones(60), np.zeros(40)], (0.0, 1.0)),
        # too few to be trusted
        (np.array([0.1, 0.9]), np.array([0, 1]), (0.0, 1.0)),
        # nothing at all
        (np.zeros(0), np.zeros(0), (0.0, 1.0)),
    ],
)
def test_edges(p: np.ndarray, y: np.ndarray, expected: tuple[float, float]) -> None:
    assert fit_unsure(p, y, 0.02, 0.5) == expected


def test_photos_of_neither_class_make_it_careful() -> None:
    p, y = calibrated(20_000, 0)
    neither = np.random.default_rng(1).uniform(0.02, 0.5, 2_000)
    low, high = fit_unsure(p, y, 0.02, 0.5)
    careful = fit_unsure(np.r_[p, neither], np.r_[y, np.full(2_000, 2)], 0.02, 0.5)
    assert careful[0] < low
    assert careful[1] > high


def test_risk_rises_with_coverage() -> None:
    coverage, risk = risk_coverage([0, 1, 1, 0], [0.01, 0.95, 0.4, 0.45], 0.5)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk == pytest.approx([0, 0, 1 / 3, 1 / 4])
