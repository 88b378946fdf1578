"""Figures against votes: the class with the most votes, and the distance from their shares."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from happysad.errors import DatasetError
from happysad.evaluation.vote_score import VoteScore, vote_score

CLASSES = ("happy", "neither", "sad")
P = np.array(
    [
        [0.8, 0.1, 0.1],
        [0.2, 0.6, 0.2],
        [0.1, 0.1, 0.8],
        [0.3, 0.4, 0.3],
        [np.nan, np.nan, np.nan],
        [0.9, 0.1, 0.0],
    ]
)
VOTES = np.array([[8, 1, 1], [5, 0, 5], [0, 6, 4], [0, 10, 0], [0, 0, 3], [0, 0, 0]], float)


def test_the_class_with_the_most_votes_is_the_truth() -> None:
    found = vote_score(P, VOTES, list("abcdef"), classes=CLASSES, threshold=0.5, seed=0)
    assert (found.n, found.without, found.tied) == (5, 1, 1)
    score = found.score
    assert score.n == 4  # without the tie
    assert score.accuracy.value == 2 / 4  # what has no answer is wrong
    assert score.confusion == ((1, 0, 0), (0, 1, 1), (0, 0, 0))
    assert score.per_class["sad"].recall.value == 0
    distances = [0.0, 0.6, 0.5, 0.6]
    assert found.distance.value == pytest.approx(np.mean(distances))
    assert found.distance.interval is not None
    low, high = found.distance.interval
    assert 0 <= low < np.mean(distances) < high <= 0.6
    assert VoteScore.from_json(json.loads(json.dumps(asdict(found)))) == found


def test_nothing_to_compare_with() -> None:
    ties = np.ones((6, 3))
    with pytest.raises(DatasetError, match="no photo to judge"):
        vote_score(P, ties, list("abcdef"), classes=CLASSES, threshold=0.5, seed=0)
