"""Slices: read from a table, compared with the other photos, corrected for looking at many."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from happysad.errors import DatasetError
from happysad.evaluation.slices import FEWEST, Slice, read_slices, score_slices

PATHS = [f"happy/{number:03}.png" for number in range(300)]
GROUPS = [str(number) for number in range(300)]
ONE_CLASS = np.zeros(300, int)


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
    return list(
        score_slices(pd.DataFrame({"part": values}, dtype="category"), right, ONE_CLASS, GROUPS)
    )


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
        return score_slices(values, right, ONE_CLASS, GROUPS)[0].p

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
    [found] = score_slices(values, right, ONE_CLASS, GROUPS)
    assert found.verdict == "no difference proven"
    assert found.accuracy.interval is not None
    assert found.accuracy.interval[0] < 0.9
    assert found.gap.interval is not None
    assert found.gap.interval[0] < 0 < found.gap.interval[1]


def test_photos_of_one_group_count_as_one() -> None:
    right = np.ones(300, bool)
    right[:20] = False
    values = pd.DataFrame({"part": ["in"] * 60 + [""] * 240}, dtype="category")
    [photos] = score_slices(values, right, ONE_CLASS, GROUPS)
    [copies] = score_slices(values, right, ONE_CLASS, [str(number // 20) for number in range(300)])
    assert photos.is_proven
    assert not copies.is_proven
    assert copies.accuracy.interval is not None
    assert photos.accuracy.interval is not None
    assert copies.accuracy.interval[0] < photos.accuracy.interval[0]


def test_photos_with_nan_are_not_compared() -> None:
    values = pd.DataFrame({"part": ["a"] * 100 + ["b"] * 100 + [None] * 100}, dtype="category")
    right = np.arange(300) < 200
    assert [
        (one.n, one.others, one.p) for one in score_slices(values, right, ONE_CLASS, GROUPS)
    ] == [
        (100, 100, 1.0),
        (100, 100, 1.0),
    ]


def test_a_harder_mix_of_classes_alone_is_no_difference() -> None:
    """Dark photos hold more sad ones, and sad is harder; within a class, dark does not matter."""
    dark = np.arange(200) < 100
    y = np.repeat([1, 0, 0, 1], [80, 20, 80, 20])  # dark: 80 sad of 100; the others: 20 of 100
    right = np.ones(200, bool)
    for start, count in ((0, 32), (80, 1), (100, 4), (180, 8)):  # 0.60 of sad, 0.95 of happy
        right[start : start + count] = False
    values = pd.DataFrame({"light": np.where(dark, "dark", "")}, dtype="category")
    assert fisher_exact(np.array([[67, 33], [88, 12]])).pvalue < 0.001
    [found] = score_slices(values, right, y, GROUPS[:200])
    assert found.verdict == "no difference proven"
    assert found.p == pytest.approx(1.0)
    assert found.accuracy.value == pytest.approx(0.67)
    assert found.gap.value == pytest.approx(0.0)
    # Nor does the mix hide a difference: here, dark photos of both classes are worse.
    right[32:48] = right[81:85] = False
    [found] = score_slices(values, right, y, GROUPS[:200])
    assert found.verdict == "worse than the others"
    assert found.gap.value == pytest.approx(-0.2)


def test_with_one_class_it_is_fishers_test() -> None:
    for own, other in ((20, 40), (5, 3), (0, 9)):
        right = np.ones(300, bool)
        right[:own] = right[60 : 60 + other] = False
        values = pd.DataFrame({"part": ["in"] * 60 + [""] * 240}, dtype="category")
        [found] = score_slices(values, right, ONE_CLASS, GROUPS)
        counts = np.array([[60 - own, own], [240 - other, other]])
        assert found.p == pytest.approx(fisher_exact(counts).pvalue)


def test_p_is_that_of_exchanging_photos_within_each_class() -> None:
    rng = np.random.default_rng(3)
    y = np.repeat([0, 1, 2], [60, 40, 50])
    inside = rng.random(150) < np.array([0.2, 0.7, 0.4])[y]
    right = rng.random(150) < np.array([0.9, 0.6, 0.8])[y] - 0.1 * inside
    values = pd.DataFrame({"part": np.where(inside, "in", "")}, dtype="category")
    [found] = score_slices(values, right, y, GROUPS[:150])
    counts = np.zeros(20_000, int)
    for one in range(3):
        wrong = np.tile(~right[y == one], (20_000, 1))
        counts += rng.permuted(wrong, axis=1)[:, : inside[y == one].sum()].sum(axis=1)
    share = np.bincount(counts, minlength=151) / 20_000
    seen = share[(~right & inside).sum()]
    assert found.p is not None
    assert 0.02 < found.p < 0.9
    assert found.p == pytest.approx(share[share <= seen].sum(), abs=0.02)


def test_photos_of_a_class_that_the_slice_lacks_are_not_compared() -> None:
    y = np.repeat([0, 1, 2], 100)
    values = pd.DataFrame({"part": ["in"] * 50 + [""] * 250}, dtype="category")
    [found] = score_slices(values, np.ones(300, bool), y, GROUPS)
    assert (found.n, found.others) == (50, 50)
    [found] = score_slices(values, np.ones(300, bool), np.repeat([0, 1], [50, 250]), GROUPS)
    assert found.verdict == "0 other photos are too few to tell"


def test_false_alarms_are_rare_and_wrong_labels_in_a_slice_are_named() -> None:
    rng = np.random.default_rng(0)
    thirds = np.tile(["a", "b", "c"], 300)
    values = pd.DataFrame({n: pd.Categorical(rng.permutation(thirds)) for n in ("one", "two")})
    groups = [str(number) for number in range(900)]
    y = np.tile([0, 1, 2], 300)
    weak = np.flatnonzero(values["one"] == "b")
    alarms = named = 0
    for _ in range(20):
        right = rng.random(900) < 0.9
        alarms += any(one.is_proven for one in score_slices(values, right, y, groups))
        wrong = rng.choice(weak, 60, replace=False)
        right[wrong] = ~right[wrong]
        found = {one.name: one for one in score_slices(values, right, y, groups)}
        named += found["one: b"].verdict == "worse than the others"
    assert alarms <= 3  # one is expected at most
    assert named >= 19
