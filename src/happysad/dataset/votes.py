"""Votes: a CSV with the number of people who gave each answer for a photo."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.path_rows import listed_columns, read_path_rows
from happysad.errors import DatasetError
from happysad.files import write_text

__all__ = ["Votes", "leading_classes", "read_stored_votes", "read_votes"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Votes:
    """The votes on the photos of a data folder.

    >>> votes = Votes(("happy", "sad"), {"a1": np.array([8.0, 2.0])})
    >>> votes.counts(pd.DataFrame({"pixels": ["a1", "b2"]})).tolist()
    [[8.0, 2.0], [0.0, 0.0]]
    """

    classes: tuple[str, ...]
    by_pixels: dict[str, Floats]
    """The number of votes for each class, by the photo's `pixels`; copies share an entry."""
    left_out: str = ""
    """A line about the rows that name no file of the data folder; "" if there is none."""

    def counts(self, rows: pd.DataFrame) -> Floats:
        """Return the number of votes for each class, shape (n, classes); 0 without votes.

        Args:
            rows: n photos, as rows of a manifest's table.
        """
        none = np.zeros(len(self.classes))
        found = [self.by_pixels.get(one, none) for one in rows["pixels"]]
        return np.array(found, dtype=np.float64).reshape(-1, len(self.classes))

    def write(self, file: Path, rows: pd.DataFrame) -> None:
        """Write the votes on some photos as a CSV that `read_votes` reads.

        Args:
            file: the file.
            rows: the photos, as rows of a manifest's table; those without votes are left out.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(("path", *self.classes))
        for path, counts in zip(rows["path"], self.counts(rows).tolist(), strict=True):
            if any(counts):
                table.writerow((path, *(f"{count:g}" for count in counts)))
        write_text(file, text.getvalue())


def read_votes(file: Path, table: pd.DataFrame, classes: Sequence[str]) -> Votes:
    """Read votes.

    Args:
        file: a CSV with the column path and one column for each class, which holds the number of
            its votes; paths are relative to the data folder.
        table: the files of the data folder, with columns as in `manifest.COLUMNS`.
        classes: the names of the classes.

    Raises:
        DatasetError: the file cannot be read, has other columns, names no file of the data folder,
            or a value is no number of votes.
    """
    found = read_path_rows(file, table, classes)
    if set(found.columns) != {"path", *classes}:
        raise DatasetError(
            f"{file}: its columns must be {listed_columns(classes)}, one for each class; "
            f"found {', '.join(found.columns)[:80]}"
        )
    by_pixels: dict[str, Floats] = {}
    for row in found.rows:
        counts = [_count(row.values[name], name, f"{file}, line {row.line}") for name in classes]
        if row.pixels and any(counts):
            by_pixels[row.pixels] = by_pixels.get(row.pixels, 0) + np.array(counts)
    left_out = found.left_out and f"{file}: {found.left_out}"
    return Votes(tuple(classes), by_pixels, left_out)


def read_stored_votes(file: Path, table: pd.DataFrame, classes: Sequence[str]) -> Votes | None:
    """Return the votes that a run keeps; None if it learned without votes, so has no such file.

    See `read_votes` for the arguments and errors.
    """
    return read_votes(file, table, classes) if file.is_file() else None


def leading_classes(counts: Floats) -> NDArray[np.intp]:
    """Return the class with the most votes on each photo.

    Args:
        counts: the number of votes for each class, shape (n, classes).

    Returns:
        The index of the class, shape (n,); -1 if several classes lead together or nobody voted.

    >>> leading_classes(np.array([[8.0, 2.0], [5.0, 5.0], [0.0, 0.0]])).tolist()
    [0, -1, -1]
    """
    leads = counts == counts.max(axis=1, keepdims=True)
    return np.where(leads.sum(axis=1) == 1, leads.argmax(axis=1), -1)


def _count(text: str, name: str, where: str) -> float:
    try:
        count = float(text)
    except ValueError:
        count = math.nan
    if not (math.isfinite(count) and count >= 0):
        raise DatasetError(f"{where}: {name} must be a number of votes, not {text[:80]!r}")
    return count
