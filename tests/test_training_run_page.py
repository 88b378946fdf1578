"""The words of a run's page: what is said, and what is warned of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from happysad.evaluation.abstention import abstention
from happysad.evaluation.baselines import Baseline
from happysad.evaluation.evaluator import Evaluation
from happysad.evaluation.metrics import Score, score
from happysad.probability import of_second
from happysad.training.run_page import in_words, warnings

LABELS = ("happy", "sad")


def scored(right: int, n: int, groups: int | None = None) -> Score:
    """Return the score of `right` right answers among `n`; half of the photos are sad."""
    y = np.arange(n) % 2
    answer = np.where(np.arange(n) < right, y, 1 - y)
    names = [str(number % (groups or n)) for number in range(n)]
    return score(y, of_second(0.1 + 0.8 * answer), names, classes=LABELS)


def evaluation(test: Score, baseline: Score, seen: int = 0) -> Evaluation:
    return Evaluation(
        model="run",
        classifier="0123456789ab",
        architecture="classic",
        trained_on=700,
        temperature=1.0,
        threshold=0.5,
        data="data",
        score=test,
        abstention=abstention(LABELS, LABELS, ["a", "b"], classes=LABELS),
        baselines={"logistic_regression": Baseline(baseline, "the training photos")},
        seen_in_training=seen,
    )


EVEN = pd.Series({"happy": 500, "sad": 500})
CHANCE = scored(500, 1000)


@pytest.mark.parametrize(
    ("test", "says"),
    [
        (
            scored(730, 1000),
            "Of 100 new photos like these, about 73 would be right; with what 1,000 test photos "
            "can tell, between 70 and 76.",
        ),
        (scored(20, 20), "Of 100 new photos like these, about 100 would be right."),
        (scored(3, 4, groups=1), "one group of photos is too few"),
    ],
)
def test_an_accuracy_in_words(test: Score, says: str) -> None:
    assert says in in_words(test)


@pytest.mark.parametrize(
    ("test", "baseline", "photos", "seen", "says"),
    [
        (scored(930, 1000), CHANCE, EVEN, 0, None),  # nothing to warn of
        (scored(40, 55), scored(5, 55), EVEN, 0, "The interval is wide, "),
        (scored(95, 99), CHANCE, EVEN, 0, "Only 99 photos were tested"),
        (scored(50, 50), CHANCE, EVEN, 0, "None of the 50 test photos was wrong"),
        (scored(50, 50), CHANCE, EVEN, 0, "up to 6.0 of 100 new photos may still be wrong"),
        (scored(930, 1000), scored(929, 1000), EVEN, 0, "not clearly better than “logistic"),
        (scored(800, 1000), scored(929, 1000), EVEN, 0, "not clearly better than “logistic"),
        (scored(930, 1000), CHANCE, pd.Series({"happy": 700, "sad": 300}), 0, "70 % of the photos"),
        (scored(930, 1000), CHANCE, EVEN, 3, "3 test photos were also trained"),
    ],
)
def test_warnings(
    test: Score,
    baseline: Score,
    photos: pd.Series[int],
    seen: int,
    says: str | None,
) -> None:
    found = warnings(evaluation(test, baseline, seen), photos)
    if says is None:
        assert found == []
    else:
        assert len([words for words in found if says in words]) == 1


def test_a_class_that_was_not_tested_is_told() -> None:
    test = score(
        [0] * 200, of_second(np.full(200, 0.2)), [str(n) for n in range(200)], classes=LABELS
    )
    assert any("hold no sad at all" in words for words in warnings(evaluation(test, CHANCE), EVEN))
