"""Split photos into train, val and test by group: photos that belong together are in one split.

The content of the photos decides, not their names or their order:

1. Near-duplicates (perceptual hashes within a radius) form a group, and so do photos that the list
   of groups names together.
2. A photo of an earlier manifest keeps its split.
3. New photos are added one by one, in the order of their `pixels` hash. A photo that belongs with
   photos of one split joins that split; a photo that would tie two splits together is left out.
4. The remaining groups are assigned: first the groups with most classes, then the larger ones, then
   by their id. Each goes to the split that lacks most photos of the group's classes, measured by
   the split's fraction. If a class has only as many groups left as there are splits without it, its
   groups go to those splits.

The same photos get the same split on every machine, since only hashes and integers are compared.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from happysad.dataset.duplicates import hashes, near_pairs
from happysad.dataset.findings import Code
from happysad.dataset.manifest import SPLITS, Manifest, Split
from happysad.errors import LeakError

__all__ = ["MORE_GROUPS", "Key", "assign", "keys", "refuse_leaks"]

#: What photos that belong together share: the kind, "phash" or "listed", and the value.
Key = tuple[str, str]

#: Advice for errors when many photos, such as those of a webcam, form few groups.
MORE_GROUPS = (
    "nearly equal photos form one group: add photos from other distances, from other sides and "
    "in other light"
)


def assign(
    table: pd.DataFrame,
    *,
    radius: int,
    fractions: tuple[float, float, float],
    listed: Mapping[str, Collection[str]] | None = None,
    known: Mapping[str, Split] | None = None,
    into: Sequence[Split] = SPLITS,
) -> pd.DataFrame:
    """Fill in group, split and status, and leave out photos that would tie two splits together.

    Args:
        table: columns as in `manifest.COLUMNS`. Rows without a reason are split; no two of them
            may have the same `pixels`.
        radius: the maximum Hamming distance of near-duplicates' perceptual hashes, in bits; if it
            is negative, there are no near-duplicates.
        fractions: the shares of train, val and test; their sum is 1.
        listed: the groups of each photo in the list of groups, by `pixels`.
        known: the split of each photo of an earlier manifest, by `pixels`.
        into: the splits for groups without a known one, in the proportion of their fractions.

    Returns:
        The table with group, split, status, code and reason filled in.
    """
    rows = table[table["reason"] == ""].sort_values("pixels").reset_index()
    groups, splits, tying = _tie(rows, radius, listed or {}, known or {})
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        if place not in tying:
            members[group].append(place)
    shares = {split: part for split, part in zip(SPLITS, fractions, strict=True) if split in into}
    dealt = _deal(rows, members, splits, shares)

    columns = {name: table[name].tolist() for name in ("group", "reason", "code")}
    columns["split"] = [""] * len(table)
    indices, pixels = rows["index"].tolist(), rows["pixels"].tolist()
    for group, places in members.items():
        for place in places:  # sorted by pixels: the first has the smallest hash
            columns["group"][indices[place]] = pixels[places[0]][:16]
            columns["split"][indices[place]] = (known or {}).get(pixels[place]) or dealt[group]
    for place, reason in tying.items():
        columns["reason"][indices[place]] = reason
        columns["code"][indices[place]] = str(Code.TIES_SPLITS)
    columns["status"] = ["left_out" if reason else "used" for reason in columns["reason"]]
    return table.assign(
        **{name: pd.Series(v, index=table.index, dtype="str") for name, v in columns.items()}
    )


def refuse_leaks(manifest: Manifest, radius: int) -> None:
    """Raise LeakError if photos that belong together are in different splits.

    Photos belong together if they have the same group or the same pixels, or if they are
    near-duplicates. Near-duplicates are searched for again, independently of the groups.

    Args:
        manifest: the manifest; only its used photos are compared.
        radius: as for `assign`.

    Raises:
        LeakError: two photos belong together and are in different splits; the message names both.
    """
    used = manifest.used
    for column, why in (
        ("group", "are of one group"),
        ("pixels", "are the same picture"),
        *([("phash", "are near-duplicates")] if radius >= 0 else []),
    ):
        one = used.drop_duplicates([column, "split"])
        both = one[one.duplicated(column, keep=False)].sort_values([column, "path"])
        if len(both):
            raise LeakError(_leak(both, 0, 1, why))
    one = used.drop_duplicates("phash").reset_index(drop=True)
    split = one["split"].to_numpy()
    for i, j in near_pairs(hashes(one), radius):
        if split[i] != split[j]:
            raise LeakError(_leak(one, i, j, "are near-duplicates"))


def keys(
    rows: pd.DataFrame, radius: int, listed: Mapping[str, Collection[str]]
) -> list[tuple[list[Key], list[Key]]]:
    """Return, for each row, its own keys and the keys of the photos that it belongs with.

    Args:
        rows: columns as in `manifest.COLUMNS`.
        radius: as for `assign`.
        listed: as for `assign`.
    """
    unique = rows.drop_duplicates("phash")
    phashes = unique["phash"].tolist()
    near: dict[str, list[Key]] = {one: [("phash", one)] for one in phashes if radius >= 0}
    for i, j in near_pairs(hashes(unique), radius).tolist():
        near[phashes[i]].append(("phash", phashes[j]))
        near[phashes[j]].append(("phash", phashes[i]))
    found = []
    for pixels, phash in zip(rows["pixels"], rows["phash"], strict=True):
        own = [("listed", name) for name in sorted(listed.get(pixels, ()))]
        found.append(([("phash", phash), *own], [*near.get(phash, ()), *own]))
    return found


def _leak(rows: pd.DataFrame, i: int, j: int, why: str) -> str:
    first, second = (f"{rows['path'].iloc[k]} ({rows['split'].iloc[k]})" for k in (i, j))
    return (
        f"{first} and {second} {why} and must be in one split; "
        "delete the manifest to split all photos anew"
    )


def _tie(
    rows: pd.DataFrame,
    radius: int,
    listed: Mapping[str, Collection[str]],
    known: Mapping[str, Split],
) -> tuple[list[int], dict[int, set[Split]], dict[int, str]]:
    """Join photos to groups.

    Returns:
        The number of each row's group; the splits of each group that has any, by its number; and
        the positions of new photos that would tie two splits together, with the reason.
    """
    from scipy.cluster.hierarchy import DisjointSet

    belongs = keys(rows, radius, listed)
    union = DisjointSet(range(len(rows)))
    first_with: dict[Key, int] = {}  # the first photo with a key; the others join its group
    splits: dict[int, set[Split]] = defaultdict(set)
    tying: dict[int, str] = {}
    paths, pixels = rows["path"].tolist(), rows["pixels"].tolist()
    old = [place for place in range(len(rows)) if pixels[place] in known]
    new = [place for place in range(len(rows)) if pixels[place] not in known]
    for place in [*old, *new]:
        own, near = belongs[place]
        roots = {union[first_with[key]]: first_with[key] for key in near if key in first_with}
        met = {split: place for root, place in roots.items() for split in splits[root]}
        if pixels[place] in known:
            met[known[pixels[place]]] = place
        elif len(met) > 1:
            first, second = sorted(met)[:2]
            tying[place] = (
                f"ties two splits together: belongs to {paths[met[first]]} ({first}) "
                f"and {paths[met[second]]} ({second})"
            )
            continue
        for other in roots.values():
            union.merge(place, other)
        for root in roots:
            splits.pop(root, None)
        splits[union[place]] = set(met)
        for key in own:
            first_with.setdefault(key, place)
    return [union[place] for place in range(len(rows))], dict(splits), tying


def _deal(
    rows: pd.DataFrame,
    members: Mapping[int, Sequence[int]],
    splits: Mapping[int, Collection[Split]],
    shares: Mapping[Split, float],
) -> dict[int, Split]:
    """Return the split of each group; groups that already have one keep it.

    Args:
        rows: as for `assign`.
        members: the positions of the photos of each group.
        splits: the splits that groups already have.
        shares: the splits for the other groups, with their parts of these photos.
    """
    labels, pixels = rows["label"].tolist(), rows["pixels"].tolist()
    counts = {group: Counter(labels[p] for p in places) for group, places in members.items()}
    whole = sum(shares.values())
    million = {split: round(share / whole * 1_000_000) for split, share in shares.items()}
    known = {group: min(splits[group]) for group in members if splits.get(group)}
    dealing = [group for group in members if known.get(group, "train") in shares]
    totals = Counter(labels[place] for group in dealing for place in members[group])
    # The photos that each split lacks of each class, in millionths: integers avoid rounding.
    lacks = {
        split: {label: total * part for label, total in totals.items()}
        for split, part in million.items()
    }
    without = {label: set(shares) for label in totals}  # the splits without any photo of the class
    dealt: dict[int, Split] = {}

    def give(group: int, split: Split) -> None:
        dealt[group] = split
        for label, count in counts[group].items() if split in shares else ():
            lacks[split][label] -= count * 1_000_000
            without[label].discard(split)

    for group, split in known.items():
        give(group, split)
    left = sorted(
        (group for group in members if group not in dealt),
        key=lambda g: (-len(counts[g]), -len(members[g]), pixels[members[g][0]]),
    )
    waiting = Counter(label for group in left for label in counts[group])
    for group in left:
        allowed = set(shares)
        for label in sorted(counts[group]):
            if waiting[label] <= len(without[label]):
                allowed = (allowed & without[label]) or allowed
            waiting[label] -= 1
        best = max(
            (split for split in shares if split in allowed),
            key=lambda split: sum(n * lacks[split][lb] for lb, n in counts[group].items()),
        )
        give(group, best)
    return dealt
