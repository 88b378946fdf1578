"""The splits that a data folder brings, in folders such as train and test: check them for leaks.

The test photos stay as they are. A photo leaves val if it belongs together with one in test, and
train if it belongs together with one in val or test: the same picture, a near-duplicate, or one of
the same group in the list of groups.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd

from happysad.dataset.findings import Code
from happysad.dataset.manifest import SPLITS, Split
from happysad.dataset.split import Key, keys

__all__ = ["known_splits", "leave_out_leaks"]

_WHY = {
    "pixels": "the same picture as",
    "phash": "nearly the same picture as",
    "listed": "of one group with",
}


def leave_out_leaks(
    table: pd.DataFrame, radius: int, listed: Mapping[str, Collection[str]]
) -> pd.DataFrame:
    """Mark photos as left out that belong together with photos of a split nearer to the test.

    Args:
        table: columns as in `manifest.COLUMNS`; `split` is the given one.
        radius: as for `split.assign`.
        listed: as for `split.assign`.

    Returns:
        The table with `reason` and `code` filled in for these photos.
    """
    rows = table[table["reason"] == ""].reset_index()
    rows["order"] = rows["split"].map(SPLITS[::-1].index)
    rows = rows.sort_values(["order", "path"])
    reasons, codes = table["reason"].tolist(), table["code"].tolist()
    first_with: dict[Key, tuple[str, Split]] = {}  # the first photo with a key
    for index, path, split, pixels, (own, near) in zip(
        rows["index"],
        rows["path"],
        rows["split"],
        rows["pixels"],
        keys(rows, radius, listed),
        strict=True,
    ):
        same: Key = ("pixels", pixels)
        found = [
            (kind, first_with[kind, name])
            for kind, name in (same, *own, *near)
            if (kind, name) in first_with
        ]
        leaks = [(kind, other) for kind, other in found if other[1] != split]
        if leaks:
            kind, (other, where) = leaks[0]
            reasons[index] = f"leaks: {_WHY[kind]} {other}, which is in {where}"
            codes[index] = str(Code.LEAKS)
            continue
        for key in (same, *own):
            first_with.setdefault(key, (path, split))
    return table.assign(code=codes, reason=reasons).astype({"code": "str", "reason": "str"})


def known_splits(
    table: pd.DataFrame, earlier: Mapping[str, Split]
) -> tuple[dict[str, Split], tuple[Split, ...]]:
    """Return the split of each photo, and the splits into which the other photos are split.

    Where val or test is not given, its photos are taken from train; those of an earlier check stay.

    Args:
        table: columns as in `manifest.COLUMNS`; `split` is the given one. Of the rows without a
            reason, no two have the same `pixels`.
        earlier: the splits of an earlier check, by `pixels`.

    Returns:
        The splits by `pixels`; and the splits of the photos that are not among these.
    """
    used = table[table["reason"] == ""]
    given: dict[str, Split] = dict(zip(used["pixels"], used["split"], strict=True))
    missing = [split for split in SPLITS if split not in set(table["split"])]
    if not missing:
        return given, SPLITS
    into: tuple[Split, ...] = ("train", *missing)
    known = {one: given[one] for one in given if given[one] != "train"}
    known |= {one: earlier[one] for one in given if one not in known and earlier.get(one) in into}
    return known, into
