"""Slices: read from a table, compared with the other photos, corrected for looking at many."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from happysad.errors import DatasetError
from happysad.evaluation.slices import FEWEST, Slice, read_slices, score_slices

PATHS = [f"happy/{number:03}.png" for number in range(300)]
GROUPS = [str(number) for number in range(300)]


def table_of(folder: Path, text: str) -> dict[str, set[str]]:
    """Return the paths of the photos of each slice in a table."""
    file = folder / "slices.csv"
    file.write_text(text, encoding="utf-8")
    values = read_slices(file, pd.DataFrame({"path": PATHS, "pixels": PATHS}))
    assert values.index.tolist() == PATHS
    return {
        f"{column}: {value}": set(values.index[values[column] == value])
        for column in values
        for value in values[column].cat.categories
        if value
    }


def compared(sizes: list[int], shares: list[float]) -> list[Slice]:
    """Return slices of these sizes, in a row, with these shares of right answers."""
    values, right = [""] * 300, np.ones(300, bool)
    start = 0
    for name, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        values[start : start + size] = [str(name)] * size
        right[start : start + round(size * (1 - share))] = False
        start += size
    return list(score_slices(pd.DataFrame({"part": values}, dtype="category"), right, GROUPS))


def test_each_value_is_a_slice_and_an_empty_one_is_none(tmp_path: Path) -> None:
    text = f"path,light,age\n{PATHS[0]},in,young\n{PATHS[1]},out,\n{PATHS[2]},in,young\n"
    assert table_of(tmp_path, text) == {
        "light: in": {PATHS[0], PATHS[2]},
        "light: out": {PATHS[1]},
        "age: young": {PATHS[0], PATHS[2]},
    }


def test_many_numbers_are_cut_into_thirds(tmp_path: Path) -> None:
    rows = "".join(f"{path},{place}\n" for place, path in enumerate(PATHS[:-3]))
    found = table_of(tmp_path, f"path,width\n{rows}")
    assert [(name, len(paths)) for name, paths in found.items()] == [
        ("width: up to 98.7", 99),
        ("width: 98.7 to 197", 99),
        ("width: above 197", 99),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (f"path\n{PATHS[0]}\n", "needs another column beside path"),
        ("path,a\n" + "".join(f"{p},x{p}\n" for p in PATHS[:20]), "a: has 20 values; allowed are"),
    ],
)
def test_a_table_without_slices_is_refused(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(DatasetError, match=match):
        table_of(tmp_path, text)


def test_a_worse_slice_is_found_and_a_small_one_is_too_few_to_tell() -> None:
    worse, alike, small = compared([60, 60, FEWEST - 1], [0.5, 0.95, 0.1])
    assert (worse.verdict, worse.others) == ("worse than the others", 240)
    assert worse.accuracy.value == 0.5
    assert worse.gap.interval is not None
    assert worse.gap.interval[1] < 0
    assert alike.verdict == "better than the others"
    assert small.p is None
    assert small.verdict == "29 photos are too few to tell"
    found = [worse, alike, small]
    assert [Slice.from_json(asdict(one)) for one in found] == found
    assert compared([299], [1.0])[0].verdict == "1 other photo is too few to tell"


def test_a_gap_that_is_proven_alone_is_not_proven_among_many() -> None:
    """Holm's method multiplies the smallest of twenty p values by twenty."""
    right = np.ones(300, bool)
    right[:18] = right[60:108] = False  # 0.70 and 0.80
    column = pd.Series(["in"] * 60 + [""] * 240, dtype="category")

    def smallest(times: int) -> float | None:
        values = pd.DataFrame({str(number): column for number in range(times)})
        return score_slices(values, right, GROUPS)[0].p

    alone = smallest(1)
    assert alone is not None
    assert 0.05 < alone < 0.2
    assert smallest(2) == pytest.approx(2 * alone)
    assert smallest(20) == 1.0


def test_a_small_slice_without_mistakes_is_not_better() -> None:
    """A bootstrap sees no spread in 30 right answers, and would call them better."""
    right = np.ones(300, bool)
    right[30:39] = False
    values = pd.DataFrame({"part": ["in"] * 30 + [""] * 270}, dtype="category")
    [found] = score_slices(values, right, GROUPS)
    assert found.verdict == "no difference proven"
    assert found.accuracy.interval is not None
    assert found.accuracy.interval[0] < 0.9
    assert found.gap.interval is not None
    assert found.gap.interval[0] < 0 < found.gap.interval[1]


def test_photos_of_one_group_count_as_one() -> None:
    right = np.ones(300, bool)
    right[:20] = False
    values = pd.DataFrame({"part": ["in"] * 60 + [""] * 240}, dtype="category")
    [photos] = score_slices(values, right, GROUPS)
    [copies] = score_slices(values, right, [str(number // 20) for number in range(300)])
    assert photos.is_proven
    assert not copies.is_proven
    assert copies.accuracy.interval is not None
    assert photos.accuracy.interval is not None
    assert copies.accuracy.interval[0] < photos.accuracy.interval[0]


def test_photos_with_nan_are_not_compared() -> None:
    values = pd.DataFrame({"part": ["a"] * 100 + ["b"] * 100 + [None] * 100}, dtype="category")
    right = np.arange(300) < 200
    assert [(one.n, one.others, one.p) for one in score_slices(values, right, GROUPS)] == [
        (100, 100, 1.0),
        (100, 100, 1.0),
    ]


def test_false_alarms_are_rare_and_wrong_labels_in_a_slice_are_named() -> None:
    rng = np.random.default_rng(0)
    thirds = np.tile(["a", "b", "c"], 300)
    values = pd.DataFrame({n: pd.Categorical(rng.permutation(thirds)) for n in ("one", "two")})
    groups = [str(number) for number in range(900)]
    weak = np.flatnonzero(values["one"] == "b")
    alarms = named = 0
    for _ in range(20):
        right = rng.random(900) < 0.9
        alarms += any(one.is_proven for one in score_slices(values, right, groups))
        wrong = rng.choice(weak, 60, replace=False)
        right[wrong] = ~right[wrong]
        found = {one.name: one for one in score_slices(values, right, groups)}
        named += found["one: b"].verdict == "worse than the others"
    assert alarms <= 3  # one is expected at most
    assert named >= 19
