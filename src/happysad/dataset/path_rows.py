"""A table of photos: a CSV whose column path names files of the data folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pandas as pd

from happysad.errors import DatasetError, counted, os_reason, shown
from happysad.files import decoded_text
from happysad.names import nfc

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
    unknown_paths: tuple[str, ...]
    """The paths that are not among the files of the data folder."""

    @property
    def left_out(self) -> str:
        """What a message says of the `unknown_paths`; "" if there is none."""
        if not self.unknown_paths:
            return ""
        return (
            f"left out: {counted(len(self.unknown_paths), 'row')} whose path is no file of these "
            f"class folders, such as {shown(self.unknown_paths[0])}"
        )


def read_path_rows(file: Path, table: pd.DataFrame, columns: Sequence[str]) -> PathRows:
    """Read a table of photos.

    Args:
        file: a CSV with the column path and `columns`, in UTF-8 or UTF-16; paths are relative to
            the data folder. Names are compared in NFC.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.
        columns: the names of the other columns that it must have, in NFC.

    Raises:
        DatasetError: the file cannot be read, lacks a column, or names no file of the data folder.
    """
    try:
        reader = csv.DictReader(io.StringIO(decoded_text(file.read_bytes()), newline=""))
        found = tuple(map(nfc, reader.fieldnames or ()))
        reader.fieldnames = found
        read = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{file}: {os_reason(error)}") from error
    if not {"path", *columns} <= set(found):
        named = ", ".join(found)[:80] or "none"
        raise DatasetError(f"{file}: needs the columns {listed_columns(columns)}; found {named}")
    # Two files may have names that differ in their form of Unicode alone.
    paths = {nfc(path): path for path in table["path"]} | {path: path for path in table["path"]}
    pixels = dict(zip(table["path"], table["pixels"], strict=True))
    rows: list[PathRow] = []
    unknown: list[str] = []
    for line, row in read:
        given = PurePosixPath((row["path"] or "").replace("\\", "/")).as_posix()
        path = paths.get(given) or paths.get(nfc(given))
        if path is None:
            unknown.append(row["path"] or "")
        else:
            values = {name: row[name] or "" for name in columns}
            rows.append(PathRow(path, pixels[path], values, line))
    if read and not rows:
        first = str(read[0][1]["path"])[:80]
        raise DatasetError(
            f"{file}: none of its paths is a file of the data folder; paths must be relative to "
            f"it, such as happy/one.jpg, not {first!r}"
        )
    return PathRows(rows, found, tuple(unknown))


def listed_columns(columns: Sequence[str]) -> str:
    """Return the column path and others as messages name them: "path, happy and sad"."""
    *first, last = ("path", *columns)
    return f"{', '.join(first)} and {last}"
