"""Photos without an answer lower the coverage, not the accuracy of the answers."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from happysad.evaluation.abstention import Abstention, abstention
from happysad.evaluation.metrics import Figure


def test_unanswered_photos_count_for_coverage_alone() -> None:
    right = np.array([1, 0, 1, 0, 0, 0], bool)
    answered = np.array([1, 0, 1, 1, 0, 0], bool)
    no_face = np.array([0, 0, 0, 0, 0, 1], bool)
    got = abstention(right, answered, no_face, list("abcdef"))
    assert got.n == 6
    assert got.coverage.value == 0.5
    assert got.selective_accuracy.value == pytest.approx(2 / 3)
    assert got.no_face.value == pytest.approx(1 / 6)
    for figure in (got.coverage, got.no_face):
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval[0] < figure.value < figure.interval[1]
    assert Abstention.from_json(json.loads(json.dumps(asdict(got)))) == got


def test_where_nothing_is_answered_no_answer_is_right_or_wrong() -> None:
    none = np.zeros(3, bool)
    got = abstention(none, none, none, list("abc"))
    assert got.coverage.value == 0
    assert got.selective_accuracy == Figure(None, None)


def test_one_group_has_no_interval() -> None:
    every = np.ones(3, bool)
    got = abstention(every, every, ~every, list("aaa"))
    assert got.coverage == Figure(1.0, None)
