"""Figures of a two-class classifier, each with a 95 % interval that respects groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.errors import DatasetError

__all__ = ["BINS", "RESAMPLES", "confidence_bins", "interval", "resamples", "score"]

#: Bins of the calibration error, as in Guo et al. 2017.
BINS = 15

#: Resamples of the bootstrap: Efron & Tibshirani 1993 (chapter 13) ask about 1000 for percentiles.
RESAMPLES = 1000

_AT_ONCE = 100  # resamples held in memory together: 4 MB for 10,000 photos

Floats = NDArray[np.float64]


def score(
    y: ArrayLike,
    p: ArrayLike,
    groups: Sequence[str],
    *,
    labels: tuple[str, ...],
    threshold: float = 0.5,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge answers against the truth.

    `precision`, `recall` and `f1` are of the second class, as Keras counts them. `ece` is the
    expected calibration error (Guo et al. 2017, "On Calibration of Modern Neural Networks"): the
    mean gap between confidence in the answer and how often it is right, over 15 bins of equal
    width. With few photos it comes out too high, since every bin then has its own luck.

    The intervals are Efron's percentile bootstrap (1979; Efron & Tibshirani 1993, chapter 13) over
    whole groups, 95 %: photos of one group are drawn together, so that repeated photos do not fake
    certainty. A resample in which a figure is undefined does not count for it.

    Args:
        y: the truth, 0 for the first class and 1 for the second, shape (n,).
        p: the probability of the second class, 0 to 1, shape (n,).
        groups: the group of each photo, n of them.
        labels: the names of the two classes.
        threshold: from this p on the answer is the second class.
        seed: of the bootstrap.

    Returns:
        A dict for JSON: n, groups, accuracy, balanced_accuracy, precision, recall, f1, auc, ece,
        per_class (for each label: n, answered, precision, recall, f1), confusion (rows: truth,
        columns: answer) and intervals (a pair each). What is undefined, for want of one class or
        of answers, is None; so is every interval where there is but one group.

    Raises:
        DatasetError: there is nothing to judge.
        ValueError: the lengths differ, or a value is out of range.
    """
    truth, p_second = _checked(y, p, groups)
    judged = _Judged(truth, p_second, threshold, labels)
    point = {name: values[0] for name, values in judged.figures(np.ones((1, len(truth)))).items()}

    parts = [judged.figures(weights) for weights in resamples(groups, seed)]
    several = len(set(groups)) > 1
    intervals = {
        name: interval(np.concatenate([part[name] for part in parts]))
        if several and np.isfinite(point[name])
        else None
        for name in point
    }
    figures = {name: float(v) if np.isfinite(v) else None for name, v in point.items()}
    confusion = judged.confusion(np.ones((1, len(truth))))[0].reshape(2, 2).astype(int)
    return {
        "n": len(truth),
        "groups": len(set(groups)),
        **{name: figures[name] for name in _HEADLINES},
        "per_class": {
            label: {
                "n": int(confusion[place].sum()),
                "answered": int(confusion[:, place].sum()),
                **{name: figures[f"{name}_{label}"] for name in ("precision", "recall", "f1")},
            }
            for place, label in enumerate(labels)
        },
        "confusion": confusion.tolist(),
        "intervals": intervals,
    }


def resamples(
    groups: Sequence[str], seed: int, times: int = RESAMPLES
) -> Iterator[NDArray[np.float32]]:
    """Draw groups with replacement, as many as there are.

    Gives:
        How often each photo was drawn, float32, shape (up to 100, n), until `times` rows came.
    """
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = len(names)
    rng = np.random.default_rng(seed)
    for start in range(0, times, _AT_ONCE):
        rows = min(_AT_ONCE, times - start)
        drawn = rng.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        often = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield often[:, member].astype(np.float32)


def interval(values: Floats) -> list[float] | None:
    """The middle 95 % of resampled figures, NaN left out; None where none is left."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    return [float(v) for v in np.percentile(finite, [2.5, 97.5])]


def confidence_bins(confidence: ArrayLike) -> NDArray[np.intp]:
    """The calibration bin, 0 to 14, of each confidence, 0 to 1: bin k is (k / 15, (k + 1) / 15]."""
    place = np.ceil(np.asarray(confidence, dtype=np.float64) * BINS).astype(np.intp) - 1
    return np.clip(place, 0, BINS - 1)


_HEADLINES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "ece")


class _Judged:
    """What the figures need, counted once; `figures` then weighs it, many weightings at a time."""

    def __init__(
        self, y: NDArray[np.intp], p: Floats, threshold: float, labels: tuple[str, ...]
    ) -> None:
        self.labels = labels
        answer = (p >= threshold).astype(np.intp)
        confidence = np.where(answer == 1, p, 1 - p)
        self._cells = np.eye(4)[2 * y + answer]
        self._gaps = (
            np.eye(BINS)[confidence_bins(confidence)] * ((answer == y) - confidence)[:, None]
        )
        self._order = np.argsort(p, kind="stable")
        self._second = y[self._order].astype(np.float64)
        self._ties = np.flatnonzero(np.diff(p[self._order], prepend=-1.0))

    def confusion(self, weights: NDArray[Any]) -> Floats:
        """Give the four cells, (truth, answer) = 00, 01, 10, 11: shape (rows, 4)."""
        return np.asarray(weights @ self._cells, dtype=np.float64)

    def figures(self, weights: NDArray[Any]) -> dict[str, Floats]:
        """Give every figure, one value a row of weights (rows, n); NaN where undefined."""
        c00, c01, c10, c11 = self.confusion(weights).T
        total = c00 + c01 + c10 + c11
        with np.errstate(divide="ignore", invalid="ignore"):
            recalls = (c00 / (c00 + c01), c11 / (c10 + c11))
            precisions = (c00 / (c00 + c10), c11 / (c01 + c11))
            f1s = (2 * c00 / (2 * c00 + c01 + c10), 2 * c11 / (2 * c11 + c01 + c10))
            figures = {
                "accuracy": (c00 + c11) / total,
                "balanced_accuracy": (recalls[0] + recalls[1]) / 2,
                "precision": precisions[1],
                "recall": recalls[1],
                "f1": f1s[1],
                "auc": self._auc(weights),
                "ece": np.abs(weights @ self._gaps).sum(axis=1) / total,
            }
        for place, label in enumerate(self.labels):
            figures[f"precision_{label}"] = precisions[place]
            figures[f"recall_{label}"] = recalls[place]
            figures[f"f1_{label}"] = f1s[place]
        return figures

    def _auc(self, weights: NDArray[Any]) -> Floats:
        """Count pairs in order, ties half (Mann & Whitney 1947; Hanley & McNeil 1982)."""
        ordered = weights[:, self._order]
        second = np.add.reduceat(ordered * self._second, self._ties, axis=1)
        first = np.add.reduceat(ordered * (1 - self._second), self._ties, axis=1)
        below = np.cumsum(first, axis=1) - first / 2
        pairs = first.sum(axis=1) * second.sum(axis=1)
        return np.asarray((second * below).sum(axis=1) / pairs)


def _checked(y: ArrayLike, p: ArrayLike, groups: Sequence[str]) -> tuple[NDArray[np.intp], Floats]:
    truth = np.asarray(y).astype(np.intp).reshape(-1)
    p_second = np.asarray(p, dtype=np.float64).reshape(-1)
    if not len(truth) == len(p_second) == len(groups):
        raise ValueError(
            f"y, p and groups must be equally long, not {len(truth)}, {len(p_second)} and "
            f"{len(groups)}"
        )
    if not len(truth):
        raise DatasetError("there is no photo to judge")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("y must hold 0 and 1 alone")
    if not ((p_second >= 0) & (p_second <= 1)).all():
        raise ValueError("p must lie from 0 to 1")
    return truth, p_second
