"""A new classifier is better only where the same photos prove it."""

from __future__ import annotations

import json
import re
from dataclasses import asdict

import numpy as np
import pytest

from happysad.evaluation.comparison import Comparison, Outcome, compare


def compared(
    mine: list[int],
    built_in: list[int] | None,
    groups: int | None = None,
    before: list[int] | None = None,
) -> Comparison:
    """Compare classifiers by 1 for each right answer; the largest class is right in every 4th."""
    n = len(mine)
    return compare(
        np.array(mine, float),
        [str(number % (groups or n)) for number in range(n)],
        built_in=None if built_in is None else np.array(built_in, float),
        no_face=0,
        largest_class=(np.arange(n) % 4 == 0).astype(float),
        largest="sad",
        seed=0,
        before=None if before is None else np.array(before, float),
        before_name="faces-1",
    )


@pytest.mark.parametrize(
    ("mine", "built_in", "verdict"),
    [
        ([1] * 40, [0] * 10 + [1] * 30, "It is better than the built-in classifier."),
        ([0] * 10 + [1] * 30, [1] * 40, "It is worse than the built-in classifier: keep"),
        ([1] * 40, [1] * 40, "not proven better than the built-in classifier: keep the built-in"),
        ([0, 1] * 20, [1, 0] * 20, "not proven better than the built-in classifier"),
        ([1] * 40, [0] * 5 + [1] * 35, "not proven better"),  # five groups prove nothing
        ([1] * 40, [0] * 6 + [1] * 34, "It is better"),
        ([1] * 40, None, "It is better than always answering sad; the built-in"),
        ([0, 1] * 3, None, "not proven better than always answering sad: add photos"),
        ([0] * 28 + [1] * 12, [0] * 40, "but not proven better than always answering sad"),
    ],
)
def test_the_verdict(mine: list[int], built_in: list[int] | None, verdict: str) -> None:
    assert verdict in compared(mine, built_in).verdict


def test_the_summary_has_difference_n_and_interval() -> None:
    found = compared([1] * 30 + [0] * 10, [1] * 20 + [0] * 20)
    assert found.summary.startswith(f"{found.verdict} The difference in accuracy is +25.0 points")
    assert re.search(r"same 40 photos \(95 % interval: \+1\d\.\d to \+3\d\.\d\)\.$", found.summary)
    assert "too few groups" in compared([1, 0], None, groups=1).summary


def test_the_difference_is_that_of_the_same_photos() -> None:
    found = compared([1] * 30 + [0] * 10, [1] * 20 + [0] * 20)
    assert found.built_in is not None
    assert found.accuracy.value == 0.75
    assert found.built_in.accuracy.value == 0.5
    assert found.built_in.difference.value == 0.25
    assert found.built_in.different_groups == 10
    low, high = found.built_in.difference.interval or (0.0, 0.0)
    # Paired: the photos on which both agree add no spread, as they would to two intervals.
    assert 0.10 < low < 0.25 < high < 0.40


def test_the_gain_over_the_run_before_has_its_interval() -> None:
    found = compared([1] * 30 + [0] * 10, None, before=[1] * 20 + [0] * 20)
    pattern = (
        r"It is better than the run before \(faces-1\)\. .* is \+25\.0 points .* \+3\d\.\d\)\."
    )
    assert re.fullmatch(pattern, found.gain)
    assert list(found.rivals) == ["always sad", "run before"]
    assert Comparison.from_json(json.loads(json.dumps(asdict(found)))) == found
    assert compared([1] * 30 + [0] * 10, None).gain == ""


def test_photos_of_one_group_count_once() -> None:
    found = compared([1] * 40, [0] * 40, groups=4)
    assert found.built_in is not None
    assert (found.n, found.groups, found.built_in.different_groups) == (40, 4, 4)
    assert found.built_in.outcome is Outcome.NOT_PROVEN
    one = compared([1] * 40, [0] * 40, groups=1)
    assert one.built_in is not None
    assert one.built_in.difference.interval is None
    assert one.built_in.outcome is Outcome.NOT_PROVEN


@pytest.mark.parametrize("built_in", [None, [0, 1] * 10])
def test_a_comparison_is_read_from_json(built_in: list[int] | None) -> None:
    found = compared([1] * 20, built_in)
    assert Comparison.from_json(json.loads(json.dumps(asdict(found)))) == found
