"""Check a data folder: what is in it, what is left out and why, and how it is split."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

import pandas as pd

from happysad.dataset import duplicates, quality, split
from happysad.dataset.check_page import write_check_page
from happysad.dataset.findings import find, titles
from happysad.dataset.manifest import SPLITS, Manifest, Split
from happysad.dataset.scan import class_folders, scan
from happysad.errors import DatasetError, UsageError, os_reason
from happysad.predictions import RESERVED

__all__ = ["CheckSettings", "Checked", "check"]


@dataclass(frozen=True)
class CheckSettings:
    """How a data folder is checked."""

    classes: tuple[str, ...] | None = None
    """The names of two or three class folders; None where the data folder has exactly two."""
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1)
    """The shares of train, val and test."""
    radius: int = 6
    """The maximum number of bits, of 64, in which the perceptual hashes of near-duplicates differ.
    -1: no search for near-duplicates; only `groups` applies."""
    groups: Path | None = None
    """A CSV with the columns path and group: all photos of one group, such as a person, stay in
    one split. Paths are relative to the data folder."""
    quality: bool = True
    """Whether to look for blurry, dark and otherwise odd photos."""

    def __post_init__(self) -> None:
        good = len(self.fractions) == 3 and all(0 < part < 1 for part in self.fractions)
        if not good or abs(sum(self.fractions) - 1) > 1e-6:
            raise UsageError(
                "fractions of train, val and test must each lie above 0 and sum to 1, "
                f"not {self.fractions}"
            )
        if not -1 <= self.radius <= 16:
            raise UsageError(f"radius must be from 0 to 16 bits, or -1, not {self.radius}")
        if self.radius < 0 and self.groups is None:
            raise UsageError("radius -1 needs --groups, which then alone keeps photos together")


@dataclass(frozen=True)
class Checked:
    """The result of a check."""

    manifest: Manifest
    counts: dict[str, int]
    """files, readable, used, left_out, groups, near_duplicate_pairs, and the number of photos with
    each of `findings.FINDINGS`, by its key."""
    report: Path
    """The page."""


def check(data: Path, out: Path, settings: CheckSettings | None = None) -> Checked:
    """Read every file of a data folder, and write `out`/manifest.csv and `out`/report.html.

    Nothing in the data folder is changed. Photos of an earlier `out`/manifest.csv keep their
    splits, and are read again only where their files have changed.

    Raises:
        UsageError: `data` is no folder with class folders, a class has a reserved name, or `out`
            lies in `data`.
        DatasetError: a class has too few photos, or a manifest or list of groups cannot be read.
        LeakError: the earlier manifest has photos that belong together in different splits.
    """
    settings = settings or CheckSettings()
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError(f"{out}: must lie outside the data folder {data}, which is never changed")
    classes = class_folders(data, settings.classes)
    if reserved := [name for name in classes if name in RESERVED]:
        raise UsageError(
            f"{data}: no class may be named {' or '.join(reserved)}, which labels use beside the "
            "classes; rename the folder"
        )
    file = out / "manifest.csv"
    earlier = Manifest.read(file, data) if file.exists() else None
    known = _known(earlier, file)

    scanned = scan(data, classes, earlier=earlier, quality=settings.quality)
    table = duplicates.leave_out_copies(scanned.table)
    readable = scanned.table[scanned.table["reason"] == ""]
    persons, strangers = _persons(settings.groups, table)
    if settings.quality:
        table = quality.flag(table, scanned.measures)
    table = duplicates.note_other_class(table, settings.radius)
    table = split.assign(
        table, radius=settings.radius, fractions=settings.fractions, persons=persons, known=known
    )
    manifest = Manifest(data, table)
    _refuse_few(manifest)
    split.refuse_leaks(manifest, settings.radius)

    found = {key: table.iloc[rows] for key, rows in find(table["codes"].tolist()).items()}
    counts = {
        "files": len(table),
        "readable": len(readable),
        "used": len(manifest.used),
        "left_out": len(table) - len(manifest.used),
        "groups": manifest.used["group"].nunique(),
        "near_duplicate_pairs": duplicates.count_pairs(readable, settings.radius),
        **{key: len(rows) for key, rows in found.items()},
    }
    if settings.groups:
        counts["groups_without_photo"] = strangers
    manifest.write(file)
    report = out / "report.html"
    write_check_page(report, manifest, counts, found, settings)
    return Checked(manifest, counts, report)


def _known(earlier: Manifest | None, file: Path) -> dict[str, Split]:
    """Return the splits of an earlier manifest, by the photos' pixels."""
    if earlier is None:
        return {}
    used = earlier.used
    wrong = used[~used["split"].isin(SPLITS)]
    if len(wrong):
        path, name = wrong[["path", "split"]].iloc[0]
        raise DatasetError(
            f"{file}: {path} has the split {name!r}; allowed are {', '.join(SPLITS)}"
        )
    both = used.drop_duplicates(["pixels", "split"]).duplicated("pixels")
    if both.any():
        split.refuse_leaks(earlier, 0)
    return dict(zip(used["pixels"], cast("list[Split]", used["split"].tolist()), strict=True))


def _persons(file: Path | None, table: pd.DataFrame) -> tuple[dict[str, set[str]], int]:
    """Read the list of groups.

    Returns:
        The groups of a photo and its copies, by `pixels`; and the number of the list's paths that
        are no file of the data folder.
    """
    if file is None:
        return {}, 0
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: {os_reason(error)}") from error
    if not {"path", "group"} <= set(columns):
        names = ", ".join(columns) or "none"
        raise DatasetError(f"{file}: needs the columns path and group, has {names}")
    pixels = dict(zip(table["path"], table["pixels"], strict=True))
    persons: dict[str, set[str]] = {}
    strangers = 0
    for row in rows:
        path = PurePosixPath((row["path"] or "").replace("\\", "/")).as_posix()
        if path not in pixels:
            strangers += 1
        elif row["group"] and pixels[path]:
            persons.setdefault(pixels[path], set()).add(row["group"])
    if rows and strangers == len(rows):
        raise DatasetError(
            f"{file}: none of its paths is a file of the folder, the first is {rows[0]['path']!r}; "
            "paths are relative to the data folder, such as happy/one.jpg"
        )
    return persons, strangers


def _refuse_few(manifest: Manifest) -> None:
    for label, rows in manifest.table.groupby("label"):
        _few(manifest, str(label), rows)
    if manifest.table["label"].nunique() < 2:
        raise DatasetError(f"{manifest.root}: needs photos of two classes, has files of fewer")


def _few(manifest: Manifest, label: str, rows: pd.DataFrame) -> None:
    used = rows.loc[rows["status"] == "used", "group"]
    groups = used.nunique()
    if groups >= len(SPLITS):
        return
    left_out = titles(rows.loc[rows["status"] == "left_out", "codes"].tolist())
    why = ", ".join(f"{title.lower()} ({n})" for title, n in left_out.most_common(3))
    raise DatasetError(
        f"{manifest.root / label}: {len(rows)} files in {groups} usable groups of different "
        f"photos, at least {len(SPLITS)} are needed"
        + (f"; left out: {why}" if why else "")
        + (f"; {split.MORE_GROUPS}" if len(used) > groups else "")
    )
