"""Votes become targets and classes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from happysad.models.face import CLASSES, EMOTIONS
from recipes.face.votes import CLASS_OF, COLUMNS, HAPPY, NEITHER, SAD, targets, true_classes


def votes(**counts: int) -> NDArray[np.int8]:
    return np.array([[counts.get(name, 0) for name in COLUMNS]], np.int8)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [
        ({"sadness": 10}, {"sadness": 1.0}),
        ({"sadness": 6, "neutral": 4}, {"sadness": 0.6, "neutral": 0.4}),
        # a single vote does not count, nor do votes for unknown
        ({"sadness": 6, "neutral": 3, "fear": 1}, {"sadness": 2 / 3, "neutral": 1 / 3}),
        ({"sadness": 4, "neutral": 4, "unknown": 2}, {"sadness": 0.5, "neutral": 0.5}),
    ],
)
def test_targets_are_shares_of_the_votes(counts: dict[str, int], shares: dict[str, float]) -> None:
    found, kept = targets(votes(**counts))
    np.testing.assert_allclose(found[0], [shares.get(name, 0) for name in EMOTIONS], rtol=1e-6)
    assert kept.tolist() == [True]


@pytest.mark.parametrize(
    "counts",
    [
        {"happiness": 7, "not_a_face": 3},
        {"happiness": 4, "unknown": 6},
        {"neutral": 1, "surprise": 1, "sadness": 1, "anger": 1, "fear": 1, "unknown": 5},
    ],
)
def test_unclear_faces_are_left_out(counts: dict[str, int]) -> None:
    assert targets(votes(**counts))[1].tolist() == [False]


def test_most_votes_decide_and_ties_have_no_class() -> None:
    every = [votes(sadness=6, neutral=4), votes(sadness=5, neutral=5), votes(fear=9, happiness=1)]
    emotion, truth = true_classes(np.concatenate(every))
    assert emotion.tolist() == [EMOTIONS.index("sadness"), -1, EMOTIONS.index("fear")]
    assert truth.tolist() == [SAD, -1, NEITHER]


def test_emotions_merge_into_three_classes() -> None:
    assert [CLASSES[place] for place in (HAPPY, NEITHER, SAD)] == ["happy", "neither", "sad"]
    named = dict(zip(EMOTIONS, CLASS_OF.tolist(), strict=True))
    assert (named.pop("happiness"), named.pop("sadness")) == (HAPPY, SAD)
    assert set(named.values()) == {NEITHER}
