"""The page of a check: what was found in a data folder, and how it is split."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from happysad.dataset.findings import BOTH_CLASSES, FINDINGS
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.dataset.quality import NEAR_OTHER_CLASS
from happysad.errors import ImageError
from happysad.images import read
from happysad.parallel import ordered_map
from happysad.progress import track
from happysad.reports.page import thumbnail, write_page

if TYPE_CHECKING:
    from happysad.dataset.check import CheckSettings

__all__ = ["write_check_page"]

# The maximum number of thumbnails for one finding, and of rows in the table of left-out files.
_SHOWN, _LISTED = 24, 200


def write_check_page(
    file: Path,
    manifest: Manifest,
    counts: dict[str, int],
    found: dict[str, pd.DataFrame],
    settings: CheckSettings,
) -> None:
    """Write the page.

    Args:
        file: the page, replaced where it exists.
        manifest: the checked photos.
        counts: as `Checked.counts`.
        found: the rows of `manifest` with each finding, by its key.
        settings: how the check was made.
    """
    table = manifest.table
    sets = {key: _sets(table, key, rows) for key, rows in found.items()}
    groups = manifest.used[manifest.used.duplicated("group", keep=False)]
    larger = [rows for _, rows in groups.groupby("group")]
    larger.sort(key=lambda rows: (-len(rows), rows["path"].iloc[0]))
    sets["near_duplicates"] = _up_to_shown([rows["path"].tolist()[:6] for rows in larger])
    wanted = sorted({path for photos in sets.values() for paths in photos for path in paths})
    files = [manifest.root / path for path in wanted]
    pictures = dict(
        zip(wanted, track(ordered_map(_picture, files), "thumbnails", len(files)), strict=True)
    )
    why = table["reason"].where(table["reason"] != "", table["notes"])
    words = dict(zip(table["path"], why, strict=True))
    sides = dict(zip(table["path"], table["split"], strict=True))

    def photos(key: str) -> list[list[dict[str, str]]]:
        return [
            [
                {
                    "path": path,
                    "picture": pictures[path],
                    "words": words[path],
                    "split": sides[path],
                }
                for path in paths
            ]
            for paths in sets[key]
        ]

    left_out = table[table["status"] == "left_out"]
    used = manifest.used
    write_page(
        file,
        "check.html",
        data=str(manifest.root),
        counts=counts,
        radius=settings.radius,
        quality=settings.quality,
        findings=[
            {"finding": finding, "count": counts[finding.key], "sets": photos(finding.key)}
            for finding in FINDINGS
            if counts[finding.key]
        ],
        larger={
            "groups": len(larger),
            "photos": len(groups),
            "largest": max((len(rows) for rows in larger), default=0),
            "sets": photos("near_duplicates"),
        },
        splits=SPLITS,
        labels=manifest.labels,
        table=pd.crosstab(used["label"], used["split"]).reindex(columns=SPLITS, fill_value=0),
        left_out=left_out[["path", "reason"]].head(_LISTED).to_dict("records"),
        fractions=dict(zip(SPLITS, settings.fractions, strict=True)),
    )


def _sets(table: pd.DataFrame, key: str, found: pd.DataFrame) -> list[list[str]]:
    """Return the photos to show for a finding: alone, or beside the copy or near-duplicate."""
    if key in (BOTH_CLASSES, "exact_duplicates"):
        copies = table[table["pixels"].isin(found["pixels"])]
        return _up_to_shown([rows["path"].tolist() for _, rows in copies.groupby("pixels")])
    if key == "near_other_class":
        seen: dict[tuple[str, ...], None] = {}
        for path, notes in zip(found["path"], found["notes"], strict=True):
            other = notes.partition(NEAR_OTHER_CLASS)[2]
            seen[tuple(sorted((path, other)))] = None
        return _up_to_shown([list(pair) for pair in seen])
    return _up_to_shown([[path] for path in found["path"]])


def _up_to_shown(sets: list[list[str]]) -> list[list[str]]:
    shown: list[list[str]] = []
    for paths in sets:
        if sum(map(len, shown)) + len(paths) > _SHOWN:
            break
        shown.append(paths)
    return shown or [paths[:_SHOWN] for paths in sets[:1]]


def _picture(file: Path) -> str:
    """Return the thumbnail of a photo; empty where it cannot be read."""
    try:
        return thumbnail(read(file))
    except ImageError:
        return ""
