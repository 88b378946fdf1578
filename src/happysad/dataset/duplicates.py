"""Copies and near-copies: equal decoded pixels, and perceptual hashes within a radius."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.findings import Code, add_notes, near_other_class

__all__ = [
    "RADIUS",
    "count_pairs",
    "hashes",
    "leave_out_copies",
    "near_any",
    "near_groups",
    "near_pairs",
    "note_other_class",
]

#: The default radius: the maximum number of bits, of 64, in which the perceptual hashes of
#: near-duplicates differ.
RADIUS = 6

# Two blocks of this many hashes are compared at once: 8 MB, which fit in a CPU's cache.
_BLOCK = 1024


def hashes(table: pd.DataFrame) -> NDArray[np.uint64]:
    """Return the column `phash` as numbers, shape (rows,)."""
    return np.array([int(digits, 16) for digits in table["phash"]], dtype=np.uint64)


def near_pairs(values: NDArray[np.uint64], radius: int) -> NDArray[np.int64]:
    """Find all pairs of hashes that differ in at most `radius` of their 64 bits.

    Two such hashes are equal in at least one of ``radius + 1`` bands of bits (multi-index hashing,
    Norouzi et al. 2012). So only hashes with an equal band are compared, and no pair is missed.

    Args:
        values: hashes, shape (n,).
        radius: the maximum Hamming distance; if it is negative, there are no pairs.

    Returns:
        Indices i < j, shape (pairs, 2), sorted.
    """
    found = [np.empty(0, np.int64)]
    edges = np.linspace(0, 64, min(radius, 63) + 2).astype(int).tolist()
    for low, high in pairwise(edges):
        band = (values >> np.uint64(low)) & np.uint64(2 ** (high - low) - 1)
        order = np.argsort(band, kind="stable")
        starts = np.flatnonzero(np.diff(band[order])) + 1
        for bucket in np.split(order, starts):
            if len(bucket) > 1:
                found += _compare(values, bucket, radius)
    first, second = np.divmod(np.unique(np.concatenate(found)), max(1, len(values)))
    return np.stack([first, second], axis=1)


def near_any(rows: pd.DataFrame, others: pd.DataFrame) -> NDArray[np.bool_]:
    """Return whether each photo is a copy or near-duplicate, within `RADIUS`, of one of `others`.

    Args:
        rows: rows of a manifest's table, with `phash`.
        others: more such rows, of the same or of another table.

    Returns:
        Shape (rows,).
    """
    own, theirs = hashes(rows), hashes(others)
    values = np.unique(np.concatenate([own, theirs]))
    is_theirs = np.isin(values, theirs)
    near = is_theirs.copy()
    first, second = near_pairs(values, RADIUS).T
    near[first[is_theirs[second]]] = True
    near[second[is_theirs[first]]] = True
    return np.asarray(near[np.searchsorted(values, own)])


def near_groups(rows: pd.DataFrame) -> list[str]:
    """Return the group of each photo, where near-duplicates within `RADIUS` form one group.

    Two photos are in one group if they are near-duplicates or a chain of near-duplicates links
    them.

    Args:
        rows: rows of a manifest's table, with `phash` and `pixels`.

    Returns:
        The name of each row's group: the smallest `pixels` in the group, so that the order of the
        rows does not matter.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    values, member = np.unique(hashes(rows), return_inverse=True)
    first, second = near_pairs(values, RADIUS).T
    near = coo_array((np.ones(len(first)), (first, second)), shape=(len(values), len(values)))
    _, group = connected_components(near, directed=False)
    return rows["pixels"].groupby(group[member]).transform("min").tolist()


def count_pairs(table: pd.DataFrame, radius: int) -> int:
    """Return the number of pairs of near-duplicates, exact duplicates included."""
    values, counts = np.unique(hashes(table), return_counts=True)
    pairs = near_pairs(values, radius)
    within = int((counts * (counts - 1) // 2).sum())
    return within + int((counts[pairs[:, 0]] * counts[pairs[:, 1]]).sum())


def leave_out_copies(table: pd.DataFrame) -> pd.DataFrame:
    """Mark exact duplicates, rows with equal `pixels`, as left out.

    If copies of a photo are in several classes, all of them are left out, because the right class
    is unknown. If all copies are in one class, the one with the smallest path is used. Rows that
    are already left out are ignored.

    Args:
        table: columns as in `manifest.COLUMNS`, sorted by path.

    Returns:
        The table with `reason` and `code` filled in for the copies that are left out.
    """
    reasons, codes = table["reason"].tolist(), table["code"].tolist()
    classes = "both classes" if table["label"].nunique() == 2 else "several classes"
    standing = table[table["reason"] == ""]
    for _, copies in standing[standing.duplicated("pixels", keep=False)].groupby("pixels"):
        indices, labels = copies.index.tolist(), copies["label"].tolist()
        paths = copies["path"].tolist()
        if len(set(labels)) > 1:
            for index, label in zip(indices, labels, strict=True):
                other = next(p for p, lb in zip(paths, labels, strict=True) if lb != label)
                reasons[index] = f"in {classes}: also {other}"
                codes[index] = Code.BOTH_CLASSES
        else:
            for index in indices[1:]:
                reasons[index] = f"exact duplicate of {paths[0]}"
                codes[index] = Code.EXACT_DUPLICATE
    return table.assign(code=list(map(str, codes)), reason=reasons).astype(
        {"code": "str", "reason": "str"}
    )


def note_other_class(table: pd.DataFrame, radius: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Add a note to photos that have a near-duplicate in another class.

    Both photos stay in use, in one group.

    Returns:
        The table with the notes added; and the path of a near-duplicate, by the path of the photo.
    """
    standing = table[table["reason"] == ""]
    # Photos with the same hash and class have the same near-duplicates, so one of them is enough.
    one = standing.drop_duplicates(["phash", "label"]).reset_index(drop=True)
    labels, paths = one["label"].to_numpy(), one["path"].to_numpy()
    other: dict[tuple[str, str], str] = {}
    for i, j in near_pairs(hashes(one), radius):
        if labels[i] != labels[j]:
            for a, b in ((i, j), (j, i)):
                key = (one["phash"][a], labels[a])
                other[key] = min(other.get(key, paths[b]), paths[b])
    near = {
        path: other[phash, label]
        for path, phash, label in standing[["path", "phash", "label"]].itertuples(index=False)
        if (phash, label) in other
    }
    classes = table["label"].nunique()
    notes = {path: [near_other_class(them, classes=classes)] for path, them in near.items()}
    return add_notes(table, notes), near


def _compare(
    values: NDArray[np.uint64], bucket: NDArray[np.int64], radius: int
) -> list[NDArray[np.int64]]:
    """Compare all hashes of one bucket in blocks; return pairs as ``first * n + second``."""
    found = []
    for i in range(0, len(bucket), _BLOCK):
        rows = bucket[i : i + _BLOCK]
        for j in range(i, len(bucket), _BLOCK):
            columns = bucket[j : j + _BLOCK]
            distance = np.bitwise_count(values[rows, None] ^ values[None, columns])
            a, b = np.nonzero(distance <= radius)
            first, second = rows[a], columns[b]
            once = first < second  # a stable sort keeps a bucket's indices in ascending order
            found.append(first[once] * len(values) + second[once])
    return found
