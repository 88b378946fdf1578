"""Look at a data folder: what is in it, what is left out and why, and how it is split."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, cast

import pandas as pd

from happysad.dataset import audit, duplicates, split
from happysad.dataset.manifest import SPLITS, Manifest, Split
from happysad.dataset.scan import class_folders, scan
from happysad.dataset.threads import in_threads
from happysad.errors import DatasetError, ImageError, UsageError, os_reason
from happysad.images import read
from happysad.pages import thumbnail, write_page
from happysad.predictions import TAKEN

__all__ = ["FINDINGS", "CheckSettings", "Checked", "Finding", "check"]

# At most so many thumbnails, and so many rows of a table, stand on the page for one finding.
_SHOWN = 24
_LISTED = 200


@dataclass(frozen=True)
class Finding:
    """Something that a check looks for."""

    key: str
    """Its name in `Checked.counts`."""
    title: str
    text: str
    """What it means, for a beginner."""
    column: Literal["reason", "notes"]
    """Where it stands: "reason" leaves the photo out, "notes" does not."""
    pattern: str
    """Matches one note from its start, or a reason that no finding before it matches."""


#: What is looked for, in the page's order.
FINDINGS = (
    Finding(
        "not_an_image",
        "Not an image",
        "The content is no picture, whatever the file's name says.",
        "reason",
        "not an image|the file is empty",
    ),
    Finding(
        "truncated",
        "Truncated",
        "The file ends too early: often a download or copy that was cut short.",
        "reason",
        "truncated",
    ),
    Finding(
        "damaged",
        "Damaged",
        "It begins like a picture, and then its bytes make no sense.",
        "reason",
        "damaged",
    ),
    Finding(
        "too_large",
        "Too large",
        "So many pixels or bytes that reading it could exhaust the memory.",
        "reason",
        "too large|.*pixels are too many",
    ),
    Finding(
        "too_small",
        "Too small",
        "A face cannot be told in so few pixels.",
        "reason",
        "too small",
    ),
    Finding(
        "both_classes",
        "In both classes",
        "The same picture under two labels: one of them is wrong, so all copies are left "
        "out. Delete the wrong one to get the other back.",
        "reason",
        "in both classes",
    ),
    Finding(
        "exact_duplicates",
        "Exact duplicates",
        "The same picture again, pixel by pixel. One of them stays.",
        "reason",
        "exact duplicate",
    ),
    Finding(
        "ties",
        "Ties two splits together",
        "It came later and belongs to photos on two sides of the split, which must stay apart.",
        "reason",
        "ties two splits",
    ),
    Finding(
        "unreadable",
        "Cannot be opened",
        "Links that lead nowhere, files that may not be read, and the like.",
        "reason",
        ".+",
    ),
    Finding(
        "near_other_class",
        "Near-duplicates in the other class",
        "Two nearly equal pictures with different labels: look which is right. Both are used.",
        "notes",
        audit.NEAR_OTHER_CLASS,
    ),
    Finding(
        "wrong_extension",
        "Wrong or missing extension",
        "The name says another type than the content. They are read by their content.",
        "notes",
        "named ",
    ),
    Finding(
        "other_type",
        "Types other than jpeg, png and bmp",
        "Read all the same; other programs may not.",
        "notes",
        r"\w+: not one of",
    ),
    Finding(
        "animated",
        "Animated",
        "The first frame is taken.",
        "notes",
        "first of several frames",
    ),
    Finding(
        "blurry",
        "Blurry",
        "Little detail: out of focus, or enlarged.",
        "notes",
        "blurry$",
    ),
    Finding(
        "dark",
        "Dark",
        "Even the brightest parts are dark.",
        "notes",
        "dark$",
    ),
    Finding(
        "light",
        "Light",
        "Even the darkest parts are bright.",
        "notes",
        "light$",
    ),
    Finding(
        "low_information",
        "Low information",
        "Nearly one colour.",
        "notes",
        "low information$",
    ),
    Finding(
        "odd_size",
        "Odd size",
        "Much larger or smaller than the other photos.",
        "notes",
        "odd size$",
    ),
    Finding(
        "odd_aspect_ratio",
        "Odd ratio of sides",
        "Very wide or very tall; it is squashed to a square for the network.",
        "notes",
        "odd aspect ratio$",
    ),
)


@dataclass(frozen=True)
class CheckSettings:
    """How a data folder is looked at."""

    classes: tuple[str, str] | None = None
    """The names of the two class folders; None where there are exactly two."""
    fractions: tuple[float, float, float] = (0.7, 0.2, 0.1)
    """Of train, val and test."""
    radius: int = 6
    """Perceptual hashes that differ in at most so many of 64 bits are near-duplicates'; with -1
    none are looked for, and only `groups` keeps photos together."""
    groups: Path | None = None
    """A CSV with the columns path and group: all photos of one group, such as a person, stay in
    one split. Paths count from the data folder."""
    quality: bool = True
    """Whether to look for blurry, dark and otherwise odd photos."""

    def __post_init__(self) -> None:
        good = len(self.fractions) == 3 and all(0 < part < 1 for part in self.fractions)
        if not good or abs(sum(self.fractions) - 1) > 1e-6:
            raise UsageError(
                f"fractions of train, val and test must each lie above 0 and sum to 1, "
                f"not {self.fractions}"
            )
        if not -1 <= self.radius <= 16:
            raise UsageError(f"radius must be from 0 to 16 bits, or -1, not {self.radius}")
        if self.radius < 0 and self.groups is None:
            raise UsageError("radius -1 leaves it to groups to keep photos together; give --groups")


@dataclass(frozen=True)
class Checked:
    """What a check found."""

    manifest: Manifest
    counts: dict[str, int]
    """files, readable, used, left_out, groups, near_duplicate_pairs, and the key of each of
    `FINDINGS` with the number of photos it was found in."""
    report: Path
    """The page."""


def check(data: Path, out: Path, settings: CheckSettings | None = None) -> Checked:
    """Read every file of a data folder and write `out`/manifest.csv and `out`/report.html.

    Nothing in the data folder is changed. Where `out`/manifest.csv is there already, its photos
    keep their splits, and files that have not changed since are not read again.

    Raises:
        UsageError: `data` is no folder with two classes, one of them is called as answers without
            a class are, or `out` lies in it.
        DatasetError: a class has too few photos, or a manifest or list of groups cannot be read.
        LeakError: the earlier manifest has photos that belong together in different splits.
    """
    settings = settings or CheckSettings()
    if out.resolve().is_relative_to(data.resolve()):
        raise UsageError(f"{out}: must lie outside the data folder {data}, which is never changed")
    classes = class_folders(data, settings.classes)
    if taken := [name for name in classes if name in TAKEN]:
        raise UsageError(
            f"{data}: no class can be called {' or '.join(taken)}, which answers say beside the "
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
        table = audit.flag(table, scanned.measures)
    table = duplicates.note_other_class(table, settings.radius)
    table = split.assign(
        table, radius=settings.radius, fractions=settings.fractions, persons=persons, known=known
    )
    manifest = Manifest(data, table)
    _refuse_few(manifest)
    split.refuse_leaks(manifest, settings.radius)

    found = _find(table)
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
    _write_report(manifest, counts, found, settings, report)
    return Checked(manifest, counts, report)


def _known(earlier: Manifest | None, file: Path) -> dict[str, Split]:
    """Each photo's split in an earlier manifest, by its pixels."""
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
        By `pixels` the groups of a photo, of all its copies together; and how many of the list's
        paths are no file of the folder.
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
            "paths count from the data folder, such as happy/one.jpg"
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
    reasons = Counter(re.split(r" of |: | \(", reason)[0] for reason in rows["reason"] if reason)
    why = ", ".join(f"{reason} ({n})" for reason, n in reasons.most_common(3))
    raise DatasetError(
        f"{manifest.root / label}: {len(rows)} files in {groups} usable groups of different "
        f"photos, at least {len(SPLITS)} are needed"
        + (f"; left out: {why}" if why else "")
        + (f"; {split.MORE_GROUPS}" if len(used) > groups else "")
    )


def _find(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Give the rows that each finding was made in, by its key."""
    indices: dict[str, list[int]] = {finding.key: [] for finding in FINDINGS}
    for index, (reason, notes) in enumerate(zip(table["reason"], table["notes"], strict=True)):
        if reason:
            why = (f for f in FINDINGS if f.column == "reason" and re.match(f.pattern, reason))
            indices[next(why).key].append(index)
        if notes:
            noted = audit.split_notes(notes)
            for finding in FINDINGS:
                if finding.column == "notes" and any(re.match(finding.pattern, n) for n in noted):
                    indices[finding.key].append(index)
    return {key: table.iloc[found] for key, found in indices.items()}


def _write_report(
    manifest: Manifest,
    counts: dict[str, int],
    found: dict[str, pd.DataFrame],
    settings: CheckSettings,
    file: Path,
) -> None:
    table = manifest.table
    sets = {key: _sets(table, key, rows) for key, rows in found.items()}
    groups = manifest.used[manifest.used.duplicated("group", keep=False)]
    larger = [rows for _, rows in groups.groupby("group")]
    larger.sort(key=lambda rows: (-len(rows), rows["path"].iloc[0]))
    sets["near_duplicates"] = _up_to_shown([rows["path"].tolist()[:6] for rows in larger])
    wanted = sorted({path for photos in sets.values() for paths in photos for path in paths})
    files = [manifest.root / path for path in wanted]
    pictures = dict(zip(wanted, in_threads(_picture, files, "thumbnails"), strict=True))
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
    """The photos to show for a finding: alone, or beside the copy or near-duplicate it has."""
    if key in ("both_classes", "exact_duplicates"):
        copies = table[table["pixels"].isin(found["pixels"])]
        return _up_to_shown([rows["path"].tolist() for _, rows in copies.groupby("pixels")])
    if key == "near_other_class":
        seen: dict[tuple[str, ...], None] = {}
        for path, notes in zip(found["path"], found["notes"], strict=True):
            other = notes.partition(audit.NEAR_OTHER_CLASS)[2]
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
    """A photo's thumbnail; empty where it cannot be read."""
    try:
        return thumbnail(read(file))
    except ImageError:
        return ""
