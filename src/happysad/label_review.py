"""Labels that are probably wrong, in a CSV beside the manifest."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from happysad.files import write_text

__all__ = ["SUSPECTS", "Suspect", "write_suspects"]

#: The name of the file with the suspects in the folder of a check.
SUSPECTS = "suspects.csv"


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


def write_suspects(file: Path, suspects: Iterable[Suspect]) -> None:
    """Write suspects as CSV, in their order."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in fields(Suspect))
    writer.writerows(map(astuple, suspects))
    write_text(file, text.getvalue())
