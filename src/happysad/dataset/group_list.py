"""The list of groups: a CSV that names photos which must stay in one split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from happysad.dataset.path_rows import read_path_rows

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
    found = read_path_rows(file, table, ("group",))
    groups: dict[str, set[str]] = {}
    for row in found.rows:
        if row.values["group"] and row.pixels:
            groups.setdefault(row.pixels, set()).add(row.values["group"])
    return GroupList(groups, found.unknown_paths)
