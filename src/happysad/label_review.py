"""Labels that are probably wrong or missing, and what people decided: two CSVs by the manifest.

A decision is kept by the hash of the photo's pixels, so it survives another check, another name of
the file and another place of the data folder.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from happysad.errors import DatasetError, os_reason, shown
from happysad.files import write_text

__all__ = [
    "DECISIONS",
    "SUSPECTS",
    "Decision",
    "Suspect",
    "Unlabelled",
    "read_decisions",
    "read_suspects",
    "write_decisions",
    "write_suspects",
]

#: The names of the files in the folder of a check.
SUSPECTS, DECISIONS = "suspects.csv", "decisions.csv"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A photo whose label is probably wrong."""

    path: str
    """Relative to the data folder, with forward slashes."""
    pixels: str
    """The hash of its decoded pixels; see `manifest.COLUMNS`."""
    label: str
    """The class that it is in."""
    suggested: str
    """The class that a classifier answers that did not learn from this photo."""
    p_label: float
    """The classifier's probability of `label`, 0 to 1."""
    p_suggested: float
    """The classifier's probability of `suggested`, 0 to 1."""

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts or "\0" in self.path:
            raise ValueError(f"path must lie in the data folder, not {shown(self.path)}")


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A photo without a label, outside of the data folder."""

    path: str
    """Absolute, with forward slashes."""
    pixels: str
    """The hash of its decoded pixels; see `manifest.COLUMNS`."""
    label: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided on a photo's label."""

    pixels: str
    """The hash of its decoded pixels."""
    path: str
    """Where it was, relative to the data folder; absolute for a photo that had no label."""
    folder: str
    """The class that it was in; "" for a photo that had no label. In another class folder, the
    decision no longer holds."""
    label: str
    """The right class; "" to leave the photo out."""


def write_suspects(file: Path, suspects: Iterable[Suspect]) -> None:
    """Write suspects as CSV, in their order."""
    _write(file, Suspect, suspects)


def read_suspects(file: Path) -> list[Suspect]:
    """Read the file of `write_suspects`.

    Raises:
        DatasetError: the file cannot be read, or is another one.
    """
    try:
        return [
            Suspect(**{**row, **{name: float(row[name]) for name in ("p_label", "p_suggested")}})
            for row in _read(file, Suspect)
        ]
    except ValueError as error:
        raise DatasetError(f"{file}: {error}") from error


def write_decisions(file: Path, decisions: Mapping[str, Decision]) -> None:
    """Write decisions as CSV."""
    _write(file, Decision, decisions.values())


def read_decisions(file: Path) -> dict[str, Decision]:
    """Return the decisions by `pixels`; none if there is no file.

    Raises:
        DatasetError: the file cannot be read, or is another one.
    """
    if not file.exists():
        return {}
    return {row["pixels"]: Decision(**row) for row in _read(file, Decision)}


def _write(file: Path, kind: type[Any], rows: Iterable[Any]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(kind))
    writer.writerows(map(astuple, rows))
    write_text(file, text.getvalue())


def _read(file: Path, kind: type[Any]) -> list[dict[str, Any]]:
    """Return the columns of `kind` from a CSV, which may have others."""
    names = [field.name for field in fields(kind)]
    try:
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as source:
            rows = list(csv.DictReader(source))
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{file}: {os_reason(error)}") from error
    for number, row in enumerate(rows, 2):
        if any(row.get(name) is None for name in names):
            raise DatasetError(f"{file}: row {number}: needs the columns {', '.join(names)}")
    return [{name: row[name] for name in names} for row in rows]
