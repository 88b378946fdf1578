from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from happysad.probability import (
    among,
    from_log_odds,
    from_logs,
    log_odds,
    logs,
    mean,
    of_second,
    with_temperature,
)


@given(st.floats(1e-5, 1 - 1e-5))
def test_log_odds_and_back(p: float) -> None:
    assert float(from_log_odds(log_odds(p))) == pytest.approx(p, abs=1e-9)


def test_log_odds_are_finite_at_the_ends() -> None:
    assert np.isfinite(log_odds([0.0, 1.0])).all()
    assert log_odds(0.0, epsilon=1e-3) == pytest.approx(-np.log(999))


def test_logs_and_back_whatever_is_added() -> None:
    p = [0.2, 0.7, 0.1]
    for added in (-900.0, 0.0, 900.0):
        assert from_logs(logs(p) + added) == pytest.approx(p)
    assert np.isfinite(logs([0.0, 1.0])).all()


def test_a_temperature_divides_log_odds() -> None:
    p = with_temperature([0.1, 0.9], 2.0, epsilon=1e-7)
    assert log_odds(p).tolist() == pytest.approx((log_odds([0.1, 0.9]) / 2).tolist())


@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.floats(0.1, 9)), min_size=1, max_size=8))
def test_the_mean_of_two_classes_is_the_mean_of_log_odds(faces: list[tuple[float, float]]) -> None:
    p, weights = (np.array(values) for values in zip(*faces, strict=True))
    expected = from_log_odds(np.average(log_odds(p), weights=weights))
    assert mean(of_second(p), weights)[1] == pytest.approx(float(expected), abs=1e-9)


def test_the_mean_of_three_classes_sums_to_1() -> None:
    rows = np.random.default_rng(0).dirichlet([1, 1, 1], 5)
    came = mean(rows, np.arange(1, 6))
    assert came.sum() == pytest.approx(1, abs=1e-12)
    logs = np.average(np.log(rows), axis=0, weights=np.arange(1, 6))
    assert came == pytest.approx(np.exp(logs) / np.exp(logs).sum())


def test_the_mean_of_one_is_itself() -> None:
    assert mean([[1.0, 0.0]], [3]).tolist() == [1.0, 0.0]


def test_classes_that_are_left_out_leave_a_distribution() -> None:
    rows = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(among(rows, [0, 2]), [[0.4, 0.6], [0.5, 0.5]])
    assert among(rows[:, None], [1, 2]).shape == (2, 1, 2)
