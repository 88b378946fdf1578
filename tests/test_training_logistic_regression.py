"""The logistic regression of two or more classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from happysad.training.logistic_regression import fit, log_losses, most_probable


@pytest.mark.parametrize("number", [2, 3])
def test_the_regression_is_scikit_learns(number: int) -> None:
    rng = np.random.default_rng(0)
    figures = rng.normal(5, 3, (60, 4)) * [1, 10, 0.1, 0]  # the last is the same for all
    order = np.argsort(figures[:, 0] + rng.normal(0, 2, 60))
    classes = np.zeros(60, np.float32)
    classes[order[20:]] = 1
    classes[order[35:]] = number - 1
    found = fit(figures, classes, 0.3, balanced=True)
    assert found.kernel.shape == (4, 1 if number == 2 else 3)
    scaler = StandardScaler().fit(figures)
    theirs = LogisticRegression(C=0.3, class_weight="balanced", tol=1e-8, max_iter=1000)
    theirs.fit(scaler.transform(figures), classes)
    logits = found.logits(figures)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, theirs.predict_proba(scaler.transform(figures)), atol=1e-4)
    np.testing.assert_array_equal(most_probable(logits), p.argmax(axis=1))
    np.testing.assert_allclose(
        log_losses(logits, classes), -np.log(p[range(60), classes.astype(int)])
    )
    assert fit(figures, classes, 0.3, balanced=False).bias[-1] != pytest.approx(found.bias[-1])


def test_the_log_loss_of_sure_answers_is_finite() -> None:
    logits = np.array([[0.0, 0.0], [0.0, 1000.0], [0.0, 1000.0]])
    losses = log_losses(logits, np.array([1, 1, 0], np.float32))
    np.testing.assert_allclose(losses, [np.log(2), 0, 1000])


def test_the_last_of_equally_probable_classes_is_the_answer() -> None:
    assert most_probable(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])).tolist() == [1, 0, 1]
