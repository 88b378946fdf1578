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


def table_of(folder: Path, text: str) -> dict[str, frozenset[str]]:
    file = folder / "slices.csv"
    file.write_text(text, encoding="utf-8")
    return read_slices(file, pd.DataFrame({"path": PATHS, "pixels": PATHS}))


def compared(sizes: list[int], shares: list[float]) -> dict[str, Slice]:
    """Return slices of these sizes, in a row, with these shares of right answers."""
    slices, right = {}, np.ones(300, bool)
    start = 0
    for name, (size, share) in enumerate(zip(sizes, shares, strict=True)):
        slices[str(name)] = frozenset(PATHS[start : start + size])
        right[start : start + round(size * (1 - share))] = False
        start += size
    found = score_slices(slices, PATHS, right, GROUPS, seed=0)
    return {one.name: one for one in found}


def test_each_value_is_a_slice_and_an_empty_one_is_none(tmp_path: Path) -> None:
    text = f"path,light,age\n{PATHS[0]},in,young\n{PATHS[1]},out,\n{PATHS[2]},in,young\n"
    assert table_of(tmp_path, text) == {
        "light: in": {PATHS[0], PATHS[2]},
        "light: out": {PATHS[1]},
        "age: young": {PATHS[0], PATHS[2]},
    }


def test_many_numbers_are_cut_into_thirds(tmp_path: Path) -> None:
    rows = "".join(f"{path},{place}\n" for place, path in enumerate(PATHS))
    found = table_of(tmp_path, f"path,width\n{rows}")
    assert {name: len(paths) for name, paths in found.items()} == {
        "width: up to 99.6667": 100,
        "width: 99.6667 to 199.333": 100,
        "width: above 199.333": 100,
    }


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
    found = compared([60, 60, FEWEST - 1], [0.5, 0.95, 0.1])
    assert found["0"].verdict == "worse than the others"
    assert found["0"].accuracy.value == 0.5
    assert found["0"].gap.interval is not None
    assert found["0"].gap.interval[1] < 0
    assert found["2"].p is None
    assert found["2"].verdict.startswith("too few to tell")
    assert [Slice.from_json(asdict(one)) for one in found.values()] == list(found.values())


def test_a_gap_that_is_proven_alone_is_not_proven_among_many() -> None:
    """Holm's method multiplies the smallest of ten p values by ten."""
    members, right = frozenset(PATHS[:60]), np.ones(300, bool)
    right[:18] = right[60:108] = False  # 0.70 and 0.80

    def smallest(times: int) -> float | None:
        slices = {str(number): members for number in range(times)}
        return score_slices(slices, PATHS, right, GROUPS, seed=0)[0].p

    alone = smallest(1)
    assert alone is not None
    assert 0.05 < alone < 0.2
    assert smallest(2) == pytest.approx(2 * alone)
    assert smallest(20) == 1.0


def test_no_gap_is_found_where_all_are_alike() -> None:
    found = compared([100, 100], [1.0, 1.0])
    assert [one.p for one in found.values()] == [1.0, 1.0]
