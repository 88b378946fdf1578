"""Every figure agrees with scikit-learn, and every interval with its known properties."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn import metrics as sk

from happysad.errors import DatasetError
from happysad.evaluation.metrics import (
    Figure,
    Score,
    confidence_bins,
    interval,
    resamples,
    score as score_of,
)
from happysad.probability import of_second

LABELS = ("happy", "sad")


def drawn(n: int, seed: int = 0, ties: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    p = np.clip(0.5 + 0.25 * (2 * y - 1) + rng.normal(0, 0.3, n), 0, 1)
    return y, np.round(p, 1) if ties else p


def score(y: Any, p: Any, groups: Sequence[str], **settings: Any) -> Score:
    """Return the score for two classes, from the probability of the second."""
    second = np.asarray(p, dtype=float)
    return score_of(y, of_second(second), groups, classes=LABELS, **settings)


def span(figure: Figure | None) -> tuple[float, float]:
    assert figure is not None
    assert figure.interval is not None
    return figure.interval


def alone(n: int) -> list[str]:
    return [f"{number:05}" for number in range(n)]


@pytest.mark.parametrize(
    ("n", "ties", "threshold"),
    [
        (200, False, 0.5),
        (200, True, 0.5),  # many equal p, some exactly 0, 0.5 and 1
        (200, True, 0.3),
        (37, False, 0.9),
    ],
)
def test_the_figures_are_those_of_scikit_learn(n: int, ties: bool, threshold: float) -> None:
    y, p = drawn(n, ties=ties)
    answer = (p >= threshold).astype(int)
    got = score(y, p, alone(n), threshold=threshold)
    assert got.n == got.groups == n
    assert got.accuracy.value == pytest.approx(sk.accuracy_score(y, answer))
    assert got.balanced_accuracy.value == pytest.approx(sk.balanced_accuracy_score(y, answer))
    assert got.auc is not None
    assert got.auc.value == pytest.approx(sk.roc_auc_score(y, p))
    assert [list(row) for row in got.confusion] == sk.confusion_matrix(y, answer).tolist()
    assert got.wrong == (answer != y).sum()
    report = sk.classification_report(y, answer, target_names=LABELS, output_dict=True)
    for label in LABELS:
        row = got.per_class[label]
        assert row.n == report[label]["support"]
        assert row.answered == (answer == LABELS.index(label)).sum()
        assert row.precision.value == pytest.approx(report[label]["precision"])
        assert row.recall.value == pytest.approx(report[label]["recall"])
        assert row.f1.value == pytest.approx(report[label]["f1-score"])


def test_a_resample_gives_what_scikit_learn_gives_with_those_weights() -> None:
    y, p = drawn(80, ties=True)
    groups = [str(number // 2) for number in range(80)]
    rows = np.concatenate(list(resamples(groups, seed=3)))
    right, happy = (p >= 0.5) == y, y == 0
    higher = (p[:, None] > p) + (p[:, None] == p) / 2
    weights = rows * ~happy, rows * happy
    wanted = {
        "accuracy": rows @ right / rows.sum(axis=1),
        "recall_happy": rows @ (right & happy) / (rows @ happy),
        "auc": (weights[0] @ higher * weights[1]).sum(axis=1)
        / (weights[0].sum(axis=1) * weights[1].sum(axis=1)),
    }
    for place, row in enumerate(rows[:50]):  # scikit-learn takes some milliseconds each
        theirs = {
            "accuracy": sk.accuracy_score(y, p >= 0.5, sample_weight=row),
            "recall_happy": sk.recall_score(y, p >= 0.5, sample_weight=row, pos_label=0),
            "auc": sk.roc_auc_score(y, p, sample_weight=row),
        }
        assert {name: values[place] for name, values in wanted.items()} == pytest.approx(theirs)
    found = score(y, p, groups, seed=3)
    got = {
        "accuracy": span(found.accuracy),
        "recall_happy": span(found.per_class["happy"].recall),
        "auc": span(found.auc),
    }
    for name, values in wanted.items():
        assert got[name] == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=1e-6)


def test_resamples_draw_whole_groups_as_many_as_there_are() -> None:
    groups = ["a", "b", "a", "c", "c", "c"]
    rows = np.concatenate(list(resamples(groups, seed=0, times=250)))
    assert rows.shape == (250, 6)
    assert (rows[:, 0] == rows[:, 2]).all()
    assert (rows[:, 3] == rows[:, 4]).all()
    assert (rows[:, [0, 1, 3]].sum(axis=1) == 3).all()
    assert rows[:, 1].mean() == pytest.approx(1, abs=0.2)


def test_calibration_error_by_hand() -> None:
    # Confidence 0.9 with 8 of 10 right, 0.6 with all of 5 right: (10 * 0.1 + 5 * 0.4) / 15.
    p = [0.9] * 10 + [0.4] * 5
    y = [1] * 8 + [0] * 2 + [0] * 5
    assert score(y, p, alone(15)).ece.value == pytest.approx((1 + 2) / 15)


@pytest.mark.parametrize(
    ("confidence", "place"),
    [(0.0, 0), (1 / 15, 0), (0.07, 1), (0.5, 7), (0.95, 14), (1.0, 14)],
)
def test_bins_are_open_below_and_closed_above(confidence: float, place: int) -> None:
    assert confidence_bins([confidence]).tolist() == [place]


def test_the_interval_of_accuracy_is_the_binomial_one() -> None:
    y, p = np.ones(400, int), np.full(400, 0.9)
    p[:100] = 0.1  # 300 of 400 right, each photo alone
    low, high = span(score(y, p, alone(400)).accuracy)
    assert low == pytest.approx(binom.ppf(0.025, 400, 0.75) / 400, abs=0.006)
    assert high == pytest.approx(binom.ppf(0.975, 400, 0.75) / 400, abs=0.006)


def test_repeated_photos_do_not_narrow_the_interval() -> None:
    y, p = drawn(60)
    once = span(score(y, p, alone(60)).accuracy)
    five = score(np.repeat(y, 5), np.repeat(p, 5), sorted(alone(60) * 5))
    assert five.n == 300
    assert five.groups == 60
    assert span(five.accuracy) == pytest.approx(once)


def test_the_seed_decides_and_the_order_of_groups_does_not() -> None:
    y, p = drawn(50)
    first = score(y, p, alone(50), seed=1)
    assert score(y, p, alone(50), seed=1) == first
    assert score(y, p, alone(50), seed=2) != first
    turned = np.arange(50)[::-1]
    again = score(y[turned], p[turned], alone(50)[::-1], seed=1)
    assert span(again.auc) == pytest.approx(span(first.auc))


@pytest.mark.parametrize(
    ("y", "p", "undefined"),
    [
        # One class is missing: figures that compare the two are undefined.
        ([0, 0, 0], [0.1, 0.2, 0.7], {"balanced_accuracy", "recall of sad", "auc"}),
        ([1, 1, 1], [0.1, 0.2, 0.7], {"balanced_accuracy", "auc"}),
        # sad is never the answer: precision is undefined, but F1 is 0, since there are sad photos.
        ([0, 1, 1], [0.1, 0.2, 0.3], {"precision of sad"}),
        # One photo: a figure, but no interval.
        ([1], [0.8], {"balanced_accuracy", "auc"}),
        # All p equal: AUC is one half.
        ([0, 1, 0, 1], [0.5] * 4, set()),
        # Exactly 0 and 1, including confident mistakes.
        ([0, 1, 0, 1], [0.0, 1.0, 1.0, 0.0], set()),
    ],
)
def test_edges_give_null_and_strict_json(y: list[int], p: list[float], undefined: set[str]) -> None:
    got = score(y, p, alone(len(y)))
    as_json = json.dumps(asdict(got), allow_nan=False)
    assert Score.from_json(json.loads(as_json)) == got
    sad = got.per_class["sad"]
    of_sad = {"precision of sad": sad.precision, "recall of sad": sad.recall, "f1 of sad": sad.f1}
    figures = {**got.figures(), **of_sad}
    assert {name for name, figure in figures.items() if figure.value is None} == undefined
    for figure in figures.values():
        missing = figure.value is None or len(y) == 1
        assert (figure.interval is None) == missing
    if p == [0.5] * 4:
        assert got.auc == Figure(0.5, (0.5, 0.5))
        assert got.confusion == ((0, 2), (0, 2))  # at 0.5, the answer is sad


def test_one_group_alone_has_no_interval() -> None:
    got = score([0, 1], [0.2, 0.7], ["same", "same"])
    assert got.figures()["accuracy"] == Figure(1.0, None)
    assert {figure.interval for figure in got.figures().values()} == {None}
    assert interval(np.array([np.nan, np.nan])) is None


@pytest.mark.parametrize(
    ("y", "p", "groups", "error", "says"),
    [
        ([], [], [], DatasetError, "no photo to judge"),
        ([0, 1], [0.5], ["a", "b"], ValueError, "equally long"),
        ([0, 2], [0.5, 0.5], ["a", "b"], ValueError, "from 0 to 1"),
        ([0, 1], [0.5, 1.5], ["a", "b"], ValueError, "from 0 to 1"),
        ([0, 1], [0.5, -0.5], ["a", "b"], ValueError, "from 0 to 1"),
        ([0, 1], [float("nan")] * 2, ["a", "b"], DatasetError, "no photo to judge"),
    ],
)
def test_wrong_input_is_refused(
    y: list[int], p: list[float], groups: list[str], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        score(y, p, groups)


def test_a_photo_without_an_answer_is_wrong_but_has_no_probability() -> None:
    y, p = drawn(60)
    none = float("nan")
    got = score([*y, 0, 1, 1], [*p, none, none, none], alone(63))
    without = score(y, p, alone(60))
    assert got.accuracy.value == pytest.approx((60 - without.wrong) / 63)
    assert (got.n, got.wrong) == (63, without.wrong + 3)
    for name, more in {"happy": 1, "sad": 2}.items():
        mine, its = got.per_class[name], without.per_class[name]
        assert (mine.n, mine.answered) == (its.n + more, its.answered)
        assert mine.precision.value == its.precision.value
        assert mine.recall.value == pytest.approx((its.recall.value or 0) * its.n / mine.n)
    assert got.confusion == without.confusion
    assert got.ece.value == pytest.approx(without.ece.value)
    assert got.auc is not None
    assert without.auc is not None
    assert got.auc.value == pytest.approx(without.auc.value)


def test_a_row_with_some_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        score_of([0, 1], [[0.5, 0.5], [float("nan"), 0.5]], alone(2), classes=("happy", "sad"))


def test_three_classes_are_those_of_scikit_learn() -> None:
    classes = ("happy", "neither", "sad")
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    p = rng.dirichlet((1, 1, 1), 90) + np.eye(3)[y] * 0.5
    p /= p.sum(axis=1, keepdims=True)
    answer = p.argmax(axis=1)
    got = score_of(y, p, alone(90), classes=classes)
    assert got.accuracy.value == pytest.approx(sk.accuracy_score(y, answer))
    assert got.balanced_accuracy.value == pytest.approx(sk.balanced_accuracy_score(y, answer))
    assert got.auc is None
    assert list(got.figures()) == ["accuracy", "balanced_accuracy", "ece"]
    assert [list(row) for row in got.confusion] == sk.confusion_matrix(y, answer).tolist()
    report = sk.classification_report(y, answer, target_names=classes, output_dict=True)
    for name in classes:
        assert got.per_class[name].recall.value == pytest.approx(report[name]["recall"])
        assert got.per_class[name].f1.value == pytest.approx(report[name]["f1-score"])
    low, high = span(got.balanced_accuracy)
    assert low < sk.balanced_accuracy_score(y, answer) < high
