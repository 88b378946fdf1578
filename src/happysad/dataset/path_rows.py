"""A table of photos: a CSV whose column path names files of the data folder."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from happysad.errors import DatasetError, os_reason

__all__ = ["PathRow", "PathRows", "listed_columns", "read_path_rows"]


@dataclass(frozen=True)
class PathRow:
    """A row about a file of the data folder."""

    path: str
    pixels: str
    """The file's `pixels`; "" if it cannot be read."""
    values: dict[str, str]
    """The values of the required columns but path, by column."""
    line: int
    """Its line in the CSV, counted from 1."""


@dataclass(frozen=True)
class PathRows:
    """The rows of a table of photos."""

    rows: list[PathRow]
    columns: tuple[str, ...]
    """The names of all columns."""
    unknown_paths: int
    """The number of paths that are not files of the data folder."""


def read_path_rows(file: Path, table: pd.DataFrame, columns: Sequence[str]) -> PathRows:
    """Read a table of photos.

    Args:
        file: a CSV with the column path and `columns`; paths are relative to the data folder.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.
        columns: the names of the other columns that it must have.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or names no file of the data folder.
    """
    try:
        with file.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.DictReader(source)
            read = [(reader.line_num, row) for row in reader]
            found = tuple(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: {os_reason(error)}") from error
    if not {"path", *columns} <= set(found):
        named = ", ".join(found)[:80] or "none"
        raise DatasetError(f"{file}: needs the columns {listed_columns(columns)}; found {named}")
    pixels = dict(zip(table["path"], table["pixels"], strict=True))
    rows: list[PathRow] = []
    for line, row in read:
        path = PurePosixPath((row["path"] or "").replace("\\", "/")).as_posix()
        if path in pixels:
            values = {name: row[name] or "" for name in columns}
            rows.append(PathRow(path, pixels[path], values, line))
    if read and not rows:
        first = str(read[0][1]["path"])[:80]
        raise DatasetError(
            f"{file}: none of its paths is a file of the data folder; paths must be relative to "
            f"it, such as happy/one.jpg, not {first!r}"
        )
    return PathRows(rows, found, len(read) - len(rows))


def listed_columns(columns: Sequence[str]) -> str:
    """Return the column path and others as messages name them: "path, happy and sad"."""
    *first, last = ("path", *columns)
    return f"{', '.join(first)} and {last}"
