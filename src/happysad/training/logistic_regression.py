"""A logistic regression of two or more classes on figures of photos."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Regression", "fit", "log_losses", "most_probable"]

Floats = NDArray[np.float64]
Classes = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Regression:
    """A fitted regression, as the weights of a layer of neurons.

    There is one neuron for two classes, with the log-odds of the second, and otherwise one for each
    class.
    """

    kernel: Floats
    """Shape (width, neurons)."""
    bias: Floats
    """Shape (neurons,)."""

    def logits(self, figures: Floats) -> Floats:
        """Return the logarithms of the classes' probabilities, up to a constant for each photo.

        Args:
            figures: shape (n, width).

        Returns:
            Shape (n, classes).
        """
        logits = figures @ self.kernel + self.bias
        return np.pad(logits, ((0, 0), (1, 0))) if len(self.bias) == 1 else np.asarray(logits)


def fit(figures: Floats, classes: Classes, strength: float, *, balanced: bool) -> Regression:
    """Fit a regression to figures, after scaling each to mean 0 and deviation 1.

    Args:
        figures: shape (n, width).
        classes: 0, 1, …, each at least once, shape (n,).
        strength: the inverse strength of the L2 penalty.
        balanced: whether photos of smaller classes get more weight.

    Returns:
        The regression, for the figures before scaling.
    """
    from sklearn.linear_model import LogisticRegression

    mean, deviation = figures.mean(axis=0), figures.std(axis=0)
    scale = np.where(deviation > 1e-9, 1 / np.maximum(deviation, 1e-9), 0.0)
    two = classes.max() == 1
    fitted = LogisticRegression(
        C=strength,
        class_weight="balanced" if balanced else None,
        # Before scikit-learn 1.6, newton-cholesky has no softmax.
        solver="newton-cholesky" if two else "lbfgs",
        tol=1e-8,
        max_iter=1000,
    ).fit((figures - mean) * scale, classes)
    kernel = (fitted.coef_ * scale).T
    return Regression(kernel, np.asarray(fitted.intercept_ - mean @ kernel))


def log_losses(logits: Floats, classes: Classes) -> Floats:
    """Return the log loss of each answer.

    Args:
        logits: as `Regression.logits` returns them, shape (n, classes).
        classes: the right class of each, shape (n,): 0, 1, …
    """
    right = np.take_along_axis(logits, classes.astype(np.intp)[:, None], axis=1)
    return np.asarray(np.logaddexp.reduce(logits - right, axis=1))


def most_probable(logits: Floats) -> NDArray[np.intp]:
    """Return the most probable class of each; the last of equally probable ones, shape (n,).

    Args:
        logits: as `Regression.logits` returns them, shape (n, classes).
    """
    return np.asarray(logits.shape[1] - 1 - logits[:, ::-1].argmax(axis=1))
