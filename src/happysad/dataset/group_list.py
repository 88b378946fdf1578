"""The list of groups: a CSV that names photos which must stay in one split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from happysad.dataset.path_rows import read_path_rows
from happysad.errors import DatasetError, shown

__all__ = ["GroupList", "read_group_list"]

# The maximum number of missing paths that an error lists.
_LISTED = 3


@dataclass(frozen=True)
class GroupList:
    """The groups of a data folder's photos."""

    groups: dict[str, set[str]]
    """The groups of each photo, by its `pixels`; copies share an entry."""
    unknown_paths: int
    """The number of paths for which there is no file in the data folder."""


def read_group_list(
    file: Path, table: pd.DataFrame, root: Path, *, allow_missing: bool = False
) -> GroupList:
    """Read a list of groups.

    Args:
        file: a CSV with the columns path and group; paths are relative to the data folder. Rows
            without a group are skipped.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.
        root: the data folder. Rows for files of it that are not in the table, such as those of
            other classes, are skipped.
        allow_missing: whether rows for files that do not exist are skipped, too.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or names a file that does not exist.
    """
    found = read_path_rows(file, table, ("group",))
    missing = [path for path in found.unknown_paths if not _is_file(root, path)]
    if missing and not allow_missing:
        first = ", ".join(map(shown, missing[:_LISTED])) + (", …" if len(missing) > _LISTED else "")
        raise DatasetError(
            f"{file}: {len(missing):,} of its paths are no files of {root}: {first}; correct them, "
            "or skip them with --allow-missing"
        )
    groups: dict[str, set[str]] = {}
    for row in found.rows:
        if row.values["group"] and row.pixels:
            groups.setdefault(row.pixels, set()).add(row.values["group"])
    return GroupList(groups, len(missing))


def _is_file(root: Path, path: str) -> bool:
    try:
        return (root / path.replace("\\", "/")).is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False
