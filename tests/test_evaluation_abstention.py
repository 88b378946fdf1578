"""Photos without an answer lower the coverage, not the accuracy of the answers."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from happysad.evaluation.abstention import Abstention, abstention
from happysad.evaluation.metrics import Figure

CLASSES = ("happy", "sad")


def test_unanswered_photos_count_for_coverage_alone() -> None:
    labels = ["happy", "unsure", "sad", "happy", "unsure", "no_face"]
    truth = ["happy", "happy", "sad", "sad", "sad", "sad"]
    got = abstention(labels, truth, list("abcdef"), classes=CLASSES)
    assert got.n == 6
    assert got.coverage.value == 0.5
    assert got.selective_accuracy.value == pytest.approx(2 / 3)
    assert got.no_face.value == pytest.approx(1 / 6)
    called = {name: figure.value for name, figure in got.called.items()}
    assert called == pytest.approx({"happy": 2 / 6, "sad": 1 / 6, "unsure": 2 / 6})
    assert got.labels == {
        "happy": {"happy": 1, "sad": 0, "unsure": 1, "no_face": 0},
        "sad": {"happy": 1, "sad": 1, "unsure": 1, "no_face": 1},
    }
    for figure in (got.coverage, got.no_face):
        assert figure.value is not None
        assert figure.interval is not None
        assert figure.interval[0] < figure.value < figure.interval[1]
    assert Abstention.from_json(json.loads(json.dumps(asdict(got)))) == got


def test_where_nothing_is_answered_no_answer_is_right_or_wrong() -> None:
    got = abstention(["unsure"] * 3, ["sad"] * 3, list("abc"), classes=CLASSES)
    assert got.coverage.value == 0
    assert got.selective_accuracy == Figure(None, None)


def test_one_group_has_no_interval() -> None:
    got = abstention(["sad"] * 3, ["sad"] * 3, list("aaa"), classes=CLASSES)
    assert got.coverage == Figure(1.0, None)
