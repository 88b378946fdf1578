"""The table of a data folder: one row for each file, written as manifest.csv."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import pandas as pd

from happysad.dataset.findings import codes_of_0_1_0
from happysad.errors import DatasetError, os_reason, shown
from happysad.files import replacing
from happysad.inputs import CROP_SIDE
from happysad.predictions import check_class

__all__ = ["COLUMNS", "SPLITS", "Manifest", "Split", "are_crops", "is_outside"]

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")

#: The columns of manifest.csv, in order, with their dtypes in the table. Unknown text is empty;
#: unknown numbers are 0.
COLUMNS = {
    "path": "str",  # relative to the data folder, with forward slashes; absolute if outside of it
    "label": "str",  # the class: the folder's name
    "type": "str",  # by content: jpeg, png, bmp, gif, webp, tiff
    "width": "int64",  # pixels, upright
    "height": "int64",
    "channels": "int64",  # 1 if red, green and blue are equal everywhere, else 3
    "bytes": "int64",  # the file's size
    "modified": "int64",  # modification time, ns; with `bytes`, it detects changed files
    "sha256": "str",  # of the file, 64 hex digits
    "pixels": "str",  # sha256 of the decoded RGB pixels and their shape, 64 hex digits
    "phash": "str",  # perceptual hash (DCT, 64 bits), 16 hex digits
    "group": "str",  # photos that must stay together: near-duplicates, or one person's
    "split": "str",  # train, val, test; empty if left out
    "status": "str",  # used or left_out
    "code": "str",  # why it was left out: one of `findings.Code` or `errors.ErrorCode`
    "reason": "str",  # the same as text for people
    "note_codes": "str",  # other findings: `findings.Code`, separated by spaces
    "notes": "str",  # the same as text for people, separated by "; "
}


@dataclass(frozen=True)
class Manifest:
    """The rows of one data folder, sorted by path; those of photos labelled elsewhere come last."""

    root: Path
    """The data folder; `path` is relative to it."""
    table: pd.DataFrame
    """Columns and dtypes as in `COLUMNS`; index 0, 1, 2, …"""

    @property
    def used(self) -> pd.DataFrame:
        """The rows that training and evaluation use."""
        return self.table[self.table["status"] == "used"]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the used rows, in alphabetical order; networks predict their indices."""
        return tuple(sorted(self.used["label"].unique()))

    def of(self, split: Split) -> pd.DataFrame:
        """Return the used rows of one split."""
        return self.used[self.used["split"] == split]

    def files(self, rows: pd.DataFrame) -> list[Path]:
        """Return the paths of the files of some rows."""
        return [self.root / path for path in rows["path"]]

    def write(self, file: Path) -> None:
        """Write the table as CSV in UTF-8; undecodable bytes of file names are kept."""
        with (
            replacing(file) as temporary,
            temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as out,
        ):
            self.table.to_csv(out, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")

    @classmethod
    def read(cls, file: Path, root: Path) -> Manifest:
        """Read a manifest of the data folder `root`.

        Raises:
            DatasetError: the file cannot be read, or is not a manifest.
        """
        try:
            with file.open(encoding="utf-8", errors="surrogateescape", newline="") as source:
                table = pd.read_csv(source, dtype=str, keep_default_na=False)
        except OSError as error:
            raise DatasetError(f"{file}: {os_reason(error)}") from error
        except ValueError as error:
            raise DatasetError(f"{file}: not a manifest: {str(error).strip()}") from error
        if "code" not in table.columns and {"reason", "notes"} <= set(table.columns):
            codes = list(map(codes_of_0_1_0, table["reason"], table["notes"]))
            table["code"] = [code for code, _ in codes]
            table["note_codes"] = [notes for _, notes in codes]
        missing = [name for name in COLUMNS if name not in table.columns]
        if missing:
            raise DatasetError(f"{file}: not a manifest: no column {', '.join(missing)}")
        columns = zip(table["path"], table["split"], table["status"], strict=True)
        for number, (path, split, status) in enumerate(columns, 2):
            # Whatever reads a training photo compares its hash first.
            may_be_outside = split == "train" or status == "left_out"
            if not (_is_inside(path) or (may_be_outside and is_outside(path))):
                raise DatasetError(
                    f"{file}: row {number}: path must be relative to the data folder, not "
                    f"{shown(path)}"
                )
        try:
            for label in filter(None, table["label"].unique()):
                check_class(label)
            return cls(root, table[list(COLUMNS)].astype(COLUMNS))
        except (ValueError, OverflowError) as error:
            raise DatasetError(f"{file}: not a manifest: {error}") from error


def are_crops(rows: pd.DataFrame) -> bool:
    """Return whether photos count as face crops: by the median of their shorter sides.

    Args:
        rows: rows of a manifest's table.
    """
    return bool(rows[["width", "height"]].min(axis=1).median() <= CROP_SIDE)


def is_outside(path: str) -> bool:
    """Return whether a path is absolute, of a photo that was labelled outside of the data folder.

    Paths of other machines, which begin with two slashes, do not count.
    """
    pure = PurePath(path)
    is_remote = pure.anchor.startswith(("//", "\\\\"))
    return pure.is_absolute() and not is_remote and ".." not in pure.parts and "\0" not in path


def _is_inside(path: str) -> bool:
    """Return whether a path is relative and does not leave its folder, so far as its names say."""
    pure = PurePath(path)
    return not pure.anchor and ".." not in pure.parts and "\0" not in path
