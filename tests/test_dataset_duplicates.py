"""Copies and near-copies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from happysad.dataset import duplicates
from happysad.dataset.duplicates import count_pairs, leave_out_copies, near_pairs
from tests.test_dataset_manifest import table


@given(
    st.lists(st.integers(0, 3), max_size=12),
    st.lists(st.lists(st.integers(0, 63), max_size=9), min_size=12, max_size=12),
    st.sampled_from([0, 1, 6, 7, 16, 64]),
)
@settings(deadline=None)
def test_near_pairs_are_all_pairs(seeds: list[int], flips: list[list[int]], radius: int) -> None:
    base = np.random.default_rng(0).integers(0, 2**63, 4, dtype=np.uint64).tolist()
    values = [base[seed] for seed in seeds]
    for place, bits in enumerate(flips[: len(values)]):
        for bit in bits:
            values[place] ^= 1 << bit
    expected = [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= radius
    ]
    found = near_pairs(np.array(values, np.uint64), radius)
    assert list(map(tuple, found.tolist())) == expected


def test_blocks_miss_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(0, 2**10, 300, dtype=np.uint64)
    whole = near_pairs(values, 2)
    monkeypatch.setattr(duplicates, "_BLOCK", 7)
    np.testing.assert_array_equal(near_pairs(values, 2), whole)
    assert len(whole) > 1000


def rows(*photos: tuple[str, str, str]) -> pd.DataFrame:
    return table(
        *(
            {"path": path, "label": path.split("/")[0], "pixels": pixels, "phash": phash}
            for path, pixels, phash in photos
        )
    )


def test_pairs_are_counted_with_exact_ones() -> None:
    photos = rows(
        ("happy/a", "1", "0" * 16),
        ("happy/b", "1", "0" * 16),
        ("sad/c", "2", "000000000000000f"),
        ("sad/d", "3", "00000000ffffffff"),
    )
    assert count_pairs(photos, 6) == 3  # a-b, a-c, b-c
    assert count_pairs(photos, 3) == 1  # a-b


def test_copies_are_left_out_with_a_reason() -> None:
    photos = rows(
        ("happy/a", "1", "0" * 16),
        ("happy/b", "1", "0" * 16),
        ("happy/c", "2", "1" * 16),
        ("happy/d", "3", "2" * 16),
        ("happy/e", "", ""),
        ("sad/c", "2", "1" * 16),
        ("sad/f", "", ""),
    )
    photos.loc[photos["pixels"] == "", "reason"] = "damaged"
    assert dict(zip(photos["path"], leave_out_copies(photos)["reason"], strict=True)) == {
        "happy/a": "",
        "happy/b": "exact duplicate of happy/a",
        "happy/c": "in both classes: also sad/c",
        "happy/d": "",
        "happy/e": "damaged",
        "sad/c": "in both classes: also happy/c",
        "sad/f": "damaged",
    }


def test_near_duplicates_in_the_other_class_are_noted() -> None:
    photos = rows(
        ("happy/a", "1", "0" * 16),
        ("happy/b", "2", "0" * 16),
        ("happy/c", "3", "f" * 16),
        ("sad/d", "4", "0000000000000003"),
    )
    noted, near = duplicates.note_other_class(photos, 6)
    assert noted["notes"].tolist() == [
        "near-duplicate in the other class: sad/d",
        "near-duplicate in the other class: sad/d",
        "",
        "near-duplicate in the other class: happy/a",
    ]
    assert set(noted["note_codes"]) == {"near_other_class", ""}
    assert near == {"happy/a": "sad/d", "happy/b": "sad/d", "sad/d": "happy/a"}
    assert (noted["reason"] == "").all()
