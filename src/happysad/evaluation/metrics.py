"""Figures of a classifier, each with a 95 % interval that respects groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from happysad.errors import DatasetError, counted

__all__ = [
    "BINS",
    "RESAMPLES",
    "ClassScore",
    "Figure",
    "Score",
    "answers_of",
    "bootstrap",
    "calibration_error",
    "caution",
    "confidence_bins",
    "interval",
    "resamples",
    "score",
]

#: The number of bins of the calibration error, as in Guo et al. 2017.
BINS = 15

#: The number of resamples of the bootstrap. Source: Efron & Tibshirani 1993, chapter 13.
RESAMPLES = 1000

# Fewer photos than this prove little.
_FEW = 30
_AT_ONCE = 100  # resamples in memory together: 4 MB for 10,000 photos

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with its interval."""

    value: float | None
    """None where it is undefined, such as the recall of a class without photos."""
    interval: tuple[float, float] | None
    """The 95 % interval; None where the figure is undefined or there is only one group."""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the figure from its `asdict`, as read from JSON."""
        return cls(fields["value"], fields["interval"] and tuple(fields["interval"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """The figures of one class."""

    n: int
    """The number of its photos."""
    answered: int
    """The number of photos for which it is the answer."""
    precision: Figure
    """The share of these answers that are right."""
    recall: Figure
    """The share of its photos for which it is the answer."""
    f1: Figure
    """The harmonic mean of precision and recall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The figures of a classifier on some photos, where every answer is one of the classes."""

    classes: tuple[str, ...]
    n: int
    """The number of photos."""
    groups: int
    """The number of groups that they form."""
    accuracy: Figure
    """The share of the answers that is right."""
    balanced_accuracy: Figure
    """The mean of the recall of all classes."""
    ece: Figure
    """The expected calibration error: the mean gap between the probability of the answer and the
    share of right answers, over `BINS` bins of equal width. It is biased upwards for few photos.
    Source: Guo et al. 2017, "On Calibration of Modern Neural Networks"."""
    auc: Figure | None
    """The area under the ROC curve of the second of two classes; None for three classes."""
    per_class: dict[str, ClassScore]
    confusion: tuple[tuple[int, ...], ...]
    """The number of photos by class (rows) and answer (columns), in the order of `classes`. A photo
    without an answer is counted nowhere in it."""

    def figures(self) -> dict[str, Figure]:
        """Return the figures over all classes by name."""
        auc = {} if self.auc is None else {"auc": self.auc}
        balanced = {"balanced_accuracy": self.balanced_accuracy}
        return {"accuracy": self.accuracy, **balanced, **auc, "ece": self.ece}

    @property
    def wrong(self) -> int:
        """The number of wrong answers."""
        return self.n - sum(self.confusion[place][place] for place in range(len(self.classes)))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return the score from its `asdict`, as read from JSON."""
        headlines = ("accuracy", "balanced_accuracy", "ece")
        return cls(
            classes=tuple(fields["classes"]),
            n=fields["n"],
            groups=fields["groups"],
            **{name: Figure.from_json(fields[name]) for name in headlines},
            auc=fields["auc"] and Figure.from_json(fields["auc"]),
            per_class={
                name: ClassScore(
                    n=one["n"],
                    answered=one["answered"],
                    **{key: Figure.from_json(one[key]) for key in _OF_CLASS},
                )
                for name, one in fields["per_class"].items()
            },
            confusion=tuple(map(tuple, fields["confusion"])),
        )


_OF_CLASS = ("precision", "recall", "f1")


def score(
    y: ArrayLike,
    p: ArrayLike,
    groups: Sequence[str],
    *,
    classes: Sequence[str],
    threshold: float = 0.5,
    seed: int = 0,
) -> Score:
    """Return the figures of a classifier's answers.

    The intervals come from the percentile bootstrap (Efron 1979; Efron & Tibshirani 1993, chapter
    13) over whole groups: photos of one group are drawn together, so that repeated photos do not
    narrow an interval. A resample in which a figure is undefined does not count for that figure.

    Args:
        y: the class of each photo, shape (n,): an index into `classes`.
        p: the probabilities, 0 to 1, shape (n, classes). A row of NaN is a photo without an answer:
            it counts as wrong, but neither for the calibration error nor for the AUC.
        groups: the group of each photo, n of them.
        classes: the names of the two or three classes.
        threshold: with two classes, the lowest probability of the second for which it is the
            answer. With three, the answer is the most probable class.
        seed: the seed of the bootstrap.

    Raises:
        DatasetError: there is no photo with an answer.
        ValueError: the lengths differ, or a value is out of range.
    """
    truth, probabilities = _checked(y, p, groups, len(classes))
    judged = _Judged(truth, probabilities, threshold)
    figures = bootstrap(judged.figures, groups, seed)
    confusion = judged.confusion(np.ones((1, len(truth))))[0].astype(int)
    return Score(
        classes=tuple(classes),
        n=len(truth),
        groups=len(set(groups)),
        accuracy=figures["accuracy"],
        balanced_accuracy=figures["balanced_accuracy"],
        ece=figures["ece"],
        auc=figures.get("auc"),
        per_class={
            name: ClassScore(
                n=int((truth == place).sum()),
                answered=int(confusion[:, place].sum()),
                **{key: figures[f"{key} {place}"] for key in _OF_CLASS},
            )
            for place, name in enumerate(classes)
        },
        confusion=tuple(tuple(row) for row in confusion.tolist()),
    )


def bootstrap(
    figures: Callable[[NDArray[Any]], Mapping[str, Floats]], groups: Sequence[str], seed: int
) -> dict[str, Figure]:
    """Return figures with bootstrap intervals; see `score`.

    Args:
        figures: takes weights of the photos, shape (rows, n), and returns each figure by name,
            shape (rows,), NaN where it is undefined.
        groups: the group of each photo, n of them.
        seed: the seed of the bootstrap.
    """
    parts = [figures(weights) for weights in resamples(groups, seed)]
    several = len(set(groups)) > 1
    found = {}
    for name, (value,) in figures(np.ones((1, len(groups)))).items():
        found[name] = Figure(None, None)
        if np.isfinite(value):
            resampled = np.concatenate([part[name] for part in parts])
            found[name] = Figure(float(value), interval(resampled) if several else None)
    return found


def answers_of(p: Floats, threshold: float) -> NDArray[np.intp]:
    """Return the answer for each row of probabilities, which is always a class.

    Args:
        p: shape (n, classes).
        threshold: as for `score`.

    Returns:
        The index of the class, shape (n,).
    """
    two = p.shape[1] == 2
    return (p[:, 1] >= threshold).astype(np.intp) if two else p.argmax(axis=1)


def resamples(
    groups: Sequence[str], seed: int, times: int = RESAMPLES
) -> Iterator[NDArray[np.float32]]:
    """Draw as many groups as there are, with replacement, `times` times.

    Yields:
        The number of times that each photo was drawn, float32, shape (up to 100, n); `times` rows
        in all.
    """
    names, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = len(names)
    rng = np.random.default_rng(seed)
    for start in range(0, times, _AT_ONCE):
        rows = min(_AT_ONCE, times - start)
        drawn = rng.integers(0, count, (rows, count)) + count * np.arange(rows)[:, None]
        often = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield often[:, member].astype(np.float32)


def interval(values: Floats) -> tuple[float, float] | None:
    """Return the interval of the middle 95 % of resampled figures, without NaN; None if all are."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    low, high = np.percentile(finite, [2.5, 97.5])
    return float(low), float(high)


def caution(n: int) -> str:
    """Return a sentence on how little n photos prove; an empty one for 30 photos or more.

    >>> caution(12)
    '12 photos prove little: one more wrong answer changes the accuracy by 8 points of 100.'
    """
    if n >= _FEW:
        return ""
    points = f"{100 / n:.0f} points of 100"
    return (
        f"{counted(n, 'photo')} prove{'s' if n == 1 else ''} little: one more wrong answer changes "
        f"the accuracy by {points}."
    )


def confidence_bins(confidence: ArrayLike) -> NDArray[np.intp]:
    """Return the bin of each confidence, 0 to 14; bin k holds those in (k / 15, (k + 1) / 15].

    Args:
        confidence: values from 0 to 1, of any shape.
    """
    place = np.ceil(np.asarray(confidence, dtype=np.float64) * BINS).astype(np.intp) - 1
    return np.clip(place, 0, BINS - 1)


def calibration_error(y: ArrayLike, p: ArrayLike) -> float:
    """Return the expected calibration error of the probability of one class.

    It is the mean gap between this probability and the share of photos of this class, over `BINS`
    bins of equal width; 0 to 1.

    Args:
        y: 1 for a photo of this class, 0 for another, shape (n,), n at least 1.
        p: the probabilities, 0 to 1, shape (n,).

    >>> calibration_error([1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25])
    0.0
    """
    probabilities = np.asarray(p, dtype=np.float64)
    gaps = probabilities - np.asarray(y, dtype=np.float64)
    by_bin = np.bincount(confidence_bins(probabilities), weights=gaps, minlength=BINS)
    return float(np.abs(by_bin).sum() / len(gaps))


class _Judged:
    """The terms of each photo in the figures; `figures` sums them for many weightings at once."""

    def __init__(self, y: NDArray[np.intp], p: Floats, threshold: float) -> None:
        self._classes = p.shape[1]
        answered: NDArray[np.bool_] = np.asarray(~np.isnan(p).any(axis=1))
        answer = answers_of(p, threshold)
        confidence = np.where(answered, p[np.arange(len(p)), answer], 0.0)
        self._truth = np.eye(self._classes)[y]
        self._cells = np.eye(self._classes**2)[self._classes * y + answer] * answered[:, None]
        self._gaps = (
            np.eye(BINS)[confidence_bins(confidence)]
            * (((answer == y) - confidence) * answered)[:, None]
        )
        places = np.flatnonzero(answered)
        self._order = places[np.argsort(p[places, 1], kind="stable")]
        self._second = y[self._order].astype(np.float64)
        self._ties = np.flatnonzero(np.diff(p[self._order, 1], prepend=-1.0))

    def confusion(self, weights: NDArray[Any]) -> Floats:
        """Return the weight of each class (rows) and answer (columns): (rows, classes, classes)."""
        shape = (len(weights), self._classes, self._classes)
        return np.asarray(weights @ self._cells, dtype=np.float64).reshape(shape)

    def figures(self, weights: NDArray[Any]) -> dict[str, Floats]:
        """Return every figure, one value for each row of weights (rows, n); NaN where undefined."""
        cells = self.confusion(weights)
        right = np.diagonal(cells, axis1=1, axis2=2)
        of_class, answered = weights @ self._truth, cells.sum(axis=1)
        total = of_class.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            recall, precision = right / of_class, right / answered
            f1 = 2 * right / (of_class + answered)
            figures = {
                "accuracy": right.sum(axis=1) / total,
                "balanced_accuracy": recall.sum(axis=1) / self._classes,
                "ece": np.abs(weights @ self._gaps).sum(axis=1) / answered.sum(axis=1),
            }
            if self._classes == 2:
                figures["auc"] = self._auc(weights)
        for place in range(self._classes):
            figures[f"precision {place}"] = precision[:, place]
            figures[f"recall {place}"] = recall[:, place]
            figures[f"f1 {place}"] = f1[:, place]
        return figures

    def _auc(self, weights: NDArray[Any]) -> Floats:
        """Return the share of pairs in the right order, where ties count half.

        Source: Mann & Whitney 1947; Hanley & McNeil 1982.
        """
        ordered = weights[:, self._order]
        second = np.add.reduceat(ordered * self._second, self._ties, axis=1)
        first = np.add.reduceat(ordered * (1 - self._second), self._ties, axis=1)
        below = np.cumsum(first, axis=1) - first / 2
        pairs = first.sum(axis=1) * second.sum(axis=1)
        return np.asarray((second * below).sum(axis=1) / pairs)


def _checked(
    y: ArrayLike, p: ArrayLike, groups: Sequence[str], classes: int
) -> tuple[NDArray[np.intp], Floats]:
    truth = np.asarray(y).astype(np.intp).reshape(-1)
    probabilities = np.asarray(p, dtype=np.float64).reshape(-1, classes)
    if not len(truth) == len(probabilities) == len(groups):
        raise ValueError(
            f"y, p and groups must be equally long, not {len(truth)}, {len(probabilities)} and "
            f"{len(groups)}"
        )
    unanswered: NDArray[np.bool_] = np.asarray(np.isnan(probabilities).all(axis=1))
    if unanswered.all():
        raise DatasetError("there is no photo to judge")
    if not ((truth >= 0) & (truth < classes)).all():
        raise ValueError(f"y must lie from 0 to {classes - 1}")
    rest = probabilities[~unanswered]
    if not ((rest >= 0) & (rest <= 1)).all():  # NaN is refused as well
        raise ValueError("p must lie from 0 to 1")
    return truth, probabilities
