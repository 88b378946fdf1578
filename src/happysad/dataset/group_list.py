"""The list of groups: a CSV that names photos which must stay in one split."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from happysad.errors import DatasetError, os_reason

__all__ = ["GroupList", "read_group_list"]


@dataclass(frozen=True)
class GroupList:
    """The groups of a data folder's photos."""

    groups: dict[str, set[str]]
    """The groups of each photo, by its `pixels`; copies share an entry."""
    unknown_paths: int
    """The number of paths that are not files of the data folder."""


def read_group_list(file: Path, table: pd.DataFrame) -> GroupList:
    """Read a list of groups.

    Args:
        file: a CSV with the columns path and group; paths are relative to the data folder. Rows
            without a group are skipped.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or names no file of the data folder.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source)
            rows = list(reader)
            columns = reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: {os_reason(error)}") from error
    if not {"path", "group"} <= set(columns):
        found = ", ".join(columns)[:80] or "none"
        raise DatasetError(f"{file}: needs the columns path and group; found {found}")
    pixels = dict(zip(table["path"], table["pixels"], strict=True))
    groups: dict[str, set[str]] = {}
    unknown = 0
    for row in rows:
        path = PurePosixPath((row["path"] or "").replace("\\", "/")).as_posix()
        if path not in pixels:
            unknown += 1
        elif row["group"] and pixels[path]:
            groups.setdefault(pixels[path], set()).add(row["group"])
    if rows and unknown == len(rows):
        first = str(rows[0]["path"])[:80]
        raise DatasetError(
            f"{file}: none of its paths is a file of the data folder; paths must be relative to "
            f"it, such as happy/one.jpg, not {first!r}"
        )
    return GroupList(groups, unknown)
