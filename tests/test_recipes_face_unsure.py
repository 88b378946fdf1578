"""Thresholds keep their risk."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.face.unsure import fit_unsure, risk_coverage


def calibrated(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of three classes, of which the third is rare, and what is true."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet((0.5, 0.5, 0.12), n)
    return p, np.array([rng.choice(3, p=row) for row in p])


def answered(p: np.ndarray, thresholds: tuple[float, ...]) -> np.ndarray:
    return np.asarray(p.max(axis=1) >= np.array(thresholds)[p.argmax(axis=1)])


@pytest.mark.parametrize("risk", [0.02, 0.05])
def test_the_risk_is_kept_on_other_faces(risk: float) -> None:
    p, y = calibrated(10_000, 0)
    thresholds = fit_unsure(p, y, risk)
    assert all(0.34 <= one < 1 for one in thresholds)
    other_p, other_y = calibrated(20_000, 1)
    here = answered(other_p, thresholds)
    assert (other_p.argmax(axis=1) != other_y)[here].mean() < risk * 1.1
    # and a larger risk answers more
    assert answered(other_p, fit_unsure(p, y, 2 * risk)).mean() > here.mean()


def test_few_faces_are_less_trusted() -> None:
    p, y = calibrated(10_000, 0)
    many, few = fit_unsure(p, y, 0.05), fit_unsure(p[:300], y[:300], 0.05)
    assert answered(p, few).mean() < answered(p, many).mean()


def test_a_rare_class_counts_as_much_as_a_frequent_one() -> None:
    # Answers of 0.5 are half wrong. The risk allows them for one class only: for the second, which
    # has few faces, so that the share of them that is answered rightly rises most.
    sure = [[0.9, 0.05, 0.05]] * 900 + [[0.05, 0.9, 0.05]] * 10 + [[0.05, 0.05, 0.9]] * 200
    half = [[0.5, 0.3, 0.2]] * 20 + [[0.2, 0.5, 0.3]] * 20
    p = np.array(sure + half)
    y = np.array([0] * 900 + [1] * 10 + [2] * 200 + [0, 1] * 10 + [1, 0] * 10)
    assert fit_unsure(p, y, 0.015) == (0.51, 0.34, 0.34)


@pytest.mark.parametrize(
    ("p", "y", "expected"),
    [
        # all right, and enough of them: nothing is unsure
        (np.repeat(np.eye(3), 300, axis=0), np.repeat([0, 1, 2], 300), (0.34, 0.34, 0.34)),
        # all wrong: never answered
        (np.repeat(np.eye(3), 300, axis=0), np.repeat([1, 2, 0], 300), (1.0, 1.0, 1.0)),
        # too few to be trusted
        (np.eye(3), np.arange(3), (1.0, 1.0, 1.0)),
        (np.zeros((0, 3)), np.zeros(0), (1.0, 1.0, 1.0)),
    ],
)
def test_edges(p: np.ndarray, y: np.ndarray, expected: tuple[float, ...]) -> None:
    assert fit_unsure(p, y, 0.02) == expected


def test_risk_rises_with_coverage() -> None:
    p = [[0.9, 0.05, 0.05], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3], [0.2, 0.6, 0.2]]
    coverage, risk = risk_coverage([0, 2, 0, 1], p)
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk == pytest.approx([0, 0, 0, 1 / 4])
