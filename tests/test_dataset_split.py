"""No group spans two splits, known photos keep their split, and only content matters."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from happysad.dataset.manifest import SPLITS, Manifest, Split
from happysad.dataset.split import assign, refuse_leaks
from happysad.errors import LeakError
from tests.test_dataset_manifest import table

RADIUS = 6
FRACTIONS = (0.7, 0.2, 0.1)
# Five hashes at such distances from each other that chains of near-duplicates form.
BASES = np.random.default_rng(0).integers(0, 2**63, 5, dtype=np.uint64).tolist()


def row(number: int, label: str, phash: int, prefix: str = "") -> dict[str, object]:
    pixels = hashlib.sha256(f"pixels {number}".encode()).hexdigest()
    return {
        "path": f"{label}/{prefix}{number:04}.png",
        "label": label,
        "pixels": pixels,
        "phash": f"{phash:016x}",
    }


@st.composite
def photos(draw: st.DrawFn, most: int = 40) -> list[dict[str, object]]:
    found = []
    for number in range(draw(st.integers(0, most))):
        phash = draw(st.sampled_from(BASES))
        for bit in draw(st.lists(st.integers(0, 11), max_size=12)):
            phash ^= 1 << bit * 5
        found.append(row(number, draw(st.sampled_from(["happy", "sad"])), phash))
    return found


@st.composite
def group_lists(draw: st.DrawFn, most: int = 40) -> dict[str, set[str]]:
    listed: dict[str, set[str]] = {}
    for number in draw(st.lists(st.integers(0, most - 1), max_size=12)):
        pixels = str(row(number, "sad", 0)["pixels"])
        listed.setdefault(pixels, set()).add(draw(st.sampled_from(["Ann", "Bob", "Cy"])))
    return listed


def dealt(
    rows: list[dict[str, object]],
    listed: Mapping[str, set[str]] | None = None,
    known: Mapping[str, Split] | None = None,
    fractions: tuple[float, float, float] = FRACTIONS,
) -> pd.DataFrame:
    given_ = (
        table(*sorted(rows, key=lambda r: str(r["path"]))) if rows else table(row(0, "a", 0))[:0]
    )
    return assign(given_, radius=RADIUS, fractions=fractions, listed=listed, known=known)


def assert_whole_groups(split: pd.DataFrame, listed: Mapping[str, set[str]]) -> None:
    """Compare every pair of used photos, without any of the code under test."""
    used = split[split["status"] == "used"].to_dict("records")
    for place, a in enumerate(used):
        assert a["split"] in SPLITS
        for b in used[:place]:
            bits = (int(str(a["phash"]), 16) ^ int(str(b["phash"]), 16)).bit_count()
            same = listed.get(str(a["pixels"]), set()) & listed.get(str(b["pixels"]), set())
            if bits <= RADIUS or same:
                assert (a["split"], a["group"]) == (b["split"], b["group"])


def by_pixels(split: pd.DataFrame) -> dict[str, Split]:
    used = split[split["status"] == "used"]
    return dict(zip(used["pixels"], used["split"], strict=True))


@given(photos(), group_lists())
@settings(deadline=None, max_examples=25)
def test_no_group_crosses_splits(
    rows: list[dict[str, object]], listed: dict[str, set[str]]
) -> None:
    split = dealt(rows, listed)
    assert (split["status"] == "used").all()
    assert_whole_groups(split, listed)
    refuse_leaks(Manifest(Path(), split), RADIUS)
    for group, members in split.groupby("group"):
        assert group == members["pixels"].min()[:16]


@given(photos(), group_lists(), st.integers(0, 40), st.randoms())
@settings(deadline=None, max_examples=25)
def test_old_photos_never_move(
    rows: list[dict[str, object]], listed: dict[str, set[str]], first: int, random: Random
) -> None:
    random.shuffle(rows)
    before = by_pixels(dealt(rows[:first], listed))
    gone = set(list(before)[::5])
    rest = [row for row in rows if row["pixels"] not in gone]
    split = dealt(rest, listed, before)
    after = by_pixels(split)
    for pixels, side in before.items():
        assert pixels in gone or after[pixels] == side
    assert_whole_groups(split, listed)
    refuse_leaks(Manifest(Path(), split), RADIUS)
    for reason in split.loc[split["status"] == "left_out", "reason"]:
        assert reason.startswith("ties two splits together: belongs to ")
    again = dealt(rest, listed, after)  # only the photos that a reason names may differ
    pd.testing.assert_frame_equal(again.drop(columns="reason"), split.drop(columns="reason"))


@given(photos(), group_lists(), st.randoms())
@settings(deadline=None, max_examples=15)
def test_names_and_order_decide_nothing(
    rows: list[dict[str, object]], listed: dict[str, set[str]], random: Random
) -> None:
    names = list(range(len(rows)))
    random.shuffle(names)
    renamed = [
        {**row, "path": f"{row['label']}/{name}.jpg"} for row, name in zip(rows, names, strict=True)
    ]
    assert by_pixels(dealt(rows, listed)) == by_pixels(dealt(renamed, listed))


def singles(happy: int, sad: int) -> list[dict[str, object]]:
    """Return photos without near-duplicates: any two hashes differ in about 32 bits."""
    values = np.random.default_rng(1).integers(0, 2**63, happy + sad, dtype=np.uint64).tolist()
    return [
        row(number, "happy" if number < happy else "sad", value)
        for number, value in enumerate(values)
    ]


@pytest.mark.parametrize(
    ("happy", "sad", "fractions"),
    [
        (100, 50, FRACTIONS),
        (1000, 30, FRACTIONS),
        (200, 200, (0.6, 0.2, 0.2)),
        (40, 60, (0.34, 0.33, 0.33)),
    ],
)
def test_each_class_is_split_by_the_fractions(
    happy: int, sad: int, fractions: tuple[float, float, float]
) -> None:
    split = dealt(singles(happy, sad), fractions=fractions)
    for label, total in (("happy", happy), ("sad", sad)):
        counts = split[split["label"] == label]["split"].value_counts()
        for name, part in zip(SPLITS, fractions, strict=True):
            assert abs(counts[name] - part * total) <= 1


@pytest.mark.parametrize("happy", [3, 4, 5, 10])
@pytest.mark.parametrize("sad", [3, 7])
@pytest.mark.parametrize("fractions", [FRACTIONS, (0.98, 0.01, 0.01)])
def test_small_classes_reach_every_split(
    happy: int, sad: int, fractions: tuple[float, float, float]
) -> None:
    split = dealt(singles(happy, sad), fractions=fractions)
    assert split.groupby(["label", "split"]).size().shape == (6,)


def test_large_groups_leave_the_fractions_nearly_right() -> None:
    rows = singles(80, 80)
    for number in range(20):  # twenty of the happy ones are one person's
        rows[number]["phash"] = rows[0]["phash"]
    split = dealt(rows)
    counts = split[split["label"] == "happy"]["split"].value_counts()
    assert counts.to_dict() == {"train": 56, "val": 16, "test": 8}


def test_a_newcomer_joins_the_split_it_is_near() -> None:
    rows = singles(10, 10)
    before = by_pixels(dealt(rows))
    for number, old in enumerate(rows[:20:3]):
        near = row(100 + number, str(old["label"]), int(str(old["phash"]), 16) ^ 0b111)
        split = dealt([*rows, near], known=before)
        assert by_pixels(split)[str(near["pixels"])] == before[str(old["pixels"])]


def test_only_the_newcomer_that_ties_is_left_out() -> None:
    rows = singles(10, 10)
    before = by_pixels(dealt(rows))
    old = int(str(rows[0]["phash"]), 16)
    # A chain from one old photo towards another on the other side, in steps of five bits.
    other = next(r for r in rows if before[str(r["pixels"])] != before[str(rows[0]["pixels"])])
    apart = [bit for bit in range(64) if (old ^ int(str(other["phash"]), 16)) >> bit & 1]
    chain, phash = [], old
    for start in range(0, len(apart), 5):
        for bit in apart[start : start + 5]:
            phash ^= 1 << bit
        chain.append(row(200 + start, "happy", phash))
    split = dealt([*rows, *chain], known=before)
    left_out = split[split["status"] == "left_out"]
    assert len(left_out) == 1
    reason = left_out["reason"].iloc[0]
    assert "(train)" in reason or "(val)" in reason or "(test)" in reason
    assert (left_out["group"] == "").all()
    assert (left_out["split"] == "").all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"group": "g"}, "are of one group"),
        ({"pixels": "p"}, "are the same picture"),
        ({"phash": "00000000000000ff"}, "are near-duplicates"),
        ({"phash": "00000000000000f0"}, "are near-duplicates"),
    ],
)
def test_an_edited_manifest_is_refused(change: dict[str, str], words: str) -> None:
    split = dealt(singles(10, 10))
    refuse_leaks(Manifest(Path(), split), RADIUS)
    places = [split.index[split["split"] == name][0] for name in ("train", "test")]
    for name, value in change.items():
        split.loc[places, name] = value
        if value.endswith("f0"):  # near, and not the same
            split.loc[places[0], name] = value[:-2] + "ff"
    with pytest.raises(LeakError, match=words) as caught:
        refuse_leaks(Manifest(Path(), split), RADIUS)
    for place in places:
        assert split["path"][place] in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    split.loc[places[0], "status"] = "left_out"
    refuse_leaks(Manifest(Path(), split), RADIUS)
