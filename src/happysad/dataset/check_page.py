"""The page of a check: what was found in a data folder, and how it is split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from happysad.dataset.check_result import CheckResult
from happysad.dataset.findings import FINDINGS
from happysad.dataset.manifest import SPLITS
from happysad.errors import ImageError
from happysad.folder_walk import LeftOut
from happysad.images import read
from happysad.label_review import Suspect
from happysad.parallel import ordered_map
from happysad.progress import track
from happysad.reports.page import thumbnail, write_page

__all__ = ["write_check_page"]

# The maximum number of thumbnails for one finding, and of rows in the table of left-out files.
_SHOWN, _LISTED = 24, 200
# The maximum number of thumbnails for one group.
_OF_GROUP = 6


def write_check_page(
    result: CheckResult,
    found: Mapping[str, pd.DataFrame],
    near: Mapping[str, str],
    suspects: Sequence[Suspect] | None,
) -> None:
    """Write the page of a check, `CheckResult.page`.

    Args:
        result: the check.
        found: the rows of its manifest with each finding, by its key.
        near: the path of a near-duplicate in another class, by the path of the photo.
        suspects: the photos whose label is probably wrong, the most suspicious first; None if
            nothing looked for them.
    """
    manifest, counts, settings = result.manifest, result.counts, result.settings
    table = manifest.table
    sets = {key: _sets(table, key, rows, near) for key, rows in found.items()}
    groups = manifest.used[manifest.used.duplicated("group", keep=False)]
    larger = [rows for _, rows in groups.groupby("group")]
    larger.sort(key=lambda rows: (-len(rows), rows["path"].iloc[0]))
    sets["suspects"] = _up_to_shown([[one.path] for one in suspects or ()])
    sets["groups"] = _up_to_shown([rows["path"].tolist()[:_OF_GROUP] for rows in larger])
    wanted = sorted({path for photos in sets.values() for paths in photos for path in paths})
    files = [manifest.root / path for path in wanted]
    pictures = dict(
        zip(wanted, track(ordered_map(_picture, files), "thumbnails", len(files)), strict=True)
    )
    why = table["reason"].where(table["reason"] != "", table["notes"])
    words = dict(zip(table["path"], why, strict=True))
    splits = dict(zip(table["path"], table["split"], strict=True))
    answers = {
        one.path: f"labelled {one.label} ({one.p_label:.2f}); the answer is {one.suggested} "
        f"({one.p_suggested:.2f})"
        for one in suspects or ()
    }

    def photos(key: str, words: Mapping[str, str] = words) -> list[list[dict[str, str]]]:
        return [
            [
                {
                    "path": path,
                    "picture": pictures[path],
                    "words": words[path],
                    "split": splits[path],
                }
                for path in paths
            ]
            for paths in sets[key]
        ]

    left_out = table[table["status"] == "left_out"]
    used = manifest.used
    write_page(
        result.page,
        "check.html",
        data=str(manifest.root),
        counts=counts,
        radius=settings.radius,
        quality=settings.quality,
        findings=[
            {"finding": finding, "count": count, "sets": photos(finding.key)}
            for finding in FINDINGS
            if (count := counts.findings[finding.key])
        ],
        suspects=photos("suspects", answers),
        review=result.review,
        larger={
            "groups": len(larger),
            "photos": len(groups),
            "largest": max((len(rows) for rows in larger), default=0),
            "sets": photos("groups"),
        },
        splits=SPLITS,
        table=pd.crosstab(used["label"], used["split"]).reindex(columns=SPLITS, fill_value=0),
        left_out=left_out[["path", "reason"]].head(_LISTED).to_dict("records"),
        fractions=None
        if settings.use_splits
        else dict(zip(SPLITS, settings.fractions, strict=True)),
        beside=LeftOut(counts.beside).line,
    )


def _sets(
    table: pd.DataFrame, key: str, found: pd.DataFrame, near: Mapping[str, str]
) -> list[list[str]]:
    """Return the photos to show for a finding, each together with its copies or near-duplicate."""
    if key in ("both_classes", "exact_duplicates"):
        copies = table[table["pixels"].isin(found["pixels"])]
        return _up_to_shown([rows["path"].tolist() for _, rows in copies.groupby("pixels")])
    if key == "near_other_class":
        pairs = dict.fromkeys(tuple(sorted((path, near[path]))) for path in found["path"])
        return _up_to_shown([list(pair) for pair in pairs])
    return _up_to_shown([[path] for path in found["path"]])


def _up_to_shown(sets: list[list[str]]) -> list[list[str]]:
    shown: list[list[str]] = []
    for paths in sets:
        if sum(map(len, shown)) + len(paths) > _SHOWN:
            break
        shown.append(paths)
    return shown or [paths[:_SHOWN] for paths in sets[:1]]


def _picture(file: Path) -> str:
    """Return the thumbnail of a photo, or "" if the photo cannot be read."""
    try:
        return thumbnail(read(file))
    except ImageError:
        return ""
