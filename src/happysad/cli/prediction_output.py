"""The output of happysad predict: a table, JSON lines or CSV on standard output."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from happysad.cli.console import escaped, say, warn

if TYPE_CHECKING:
    from happysad.predictions import Prediction

__all__ = ["warn_if_faceless", "write_csv", "write_json", "write_table"]

# Minimum number and minimum share of photos without a face for which advice is printed:
# docs/decisions.md, "Advice about photos without a face".
_MANY, _MANY_SHARE = 10, 0.25


def write_table(answers: Iterator[Prediction], classes: Sequence[str], rows: str) -> int:
    """Print a table and, below it, the number of rows of each label.

    Args:
        answers: the predictions, which are printed one by one.
        classes: the classes of the classifier.
        rows: "photo" for one row per photo, "face" for one row per face.

    Returns:
        The number of photos with an error.
    """
    from happysad.predictions import UNSURE, Rows, describe, percent

    of_faces = rows == Rows.FACE
    width = max(len(f"{UNSURE}, leans {name} {percent(1.0)}") for name in classes)
    titles = f"{'face':>6}{'x':>6}{'y':>6}{'width':>7}{'height':>7}" if of_faces else ""
    say(f"{'answer':<{width}}{titles}  photo")
    counts: Counter[str] = Counter()
    for answer in answers:
        for row in answer.rows(rows):
            counts[row["label"] or "error"] += 1
            box = f"{'':>32}" if of_faces else ""
            if of_faces and row["face"]:
                x, y, wide, high = (row[name] for name in ("x", "y", "width", "height"))
                box = f"{row['face']:>6}{x:>6.0f}{y:>6.0f}{wide:>7.0f}{high:>7.0f}"
            words = describe(row["label"], row["probabilities"])
            say(f"{words:<{width}}{box}  {row['error']['text'] if row['error'] else row['path']}")
    if counts.total() > 1:
        say(", ".join(f"{count:,} {label}" for label, count in sorted(counts.items())))
    return counts["error"]


def write_json(answers: Iterator[Prediction], classes: Sequence[str], rows: str) -> int:
    """Print a JSON object for each row; for the arguments see `write_table`."""
    failed = 0
    for answer in answers:
        failed += answer.error is not None
        for row in answer.rows(rows):
            say(json.dumps(row))
    return failed


def write_csv(answers: Iterator[Prediction], classes: Sequence[str], rows: str) -> int:
    """Print CSV; for the arguments see `write_table`."""
    from happysad.batch.tables import csv_writer
    from happysad.predictions import flat, flat_columns

    writer = csv_writer(sys.stdout, flat_columns(classes, rows))
    writer.writeheader()
    failed = 0
    for answer in answers:
        failed += answer.error is not None
        for row in answer.rows(rows):
            cells = flat(row, classes)
            if sys.stdout.isatty():  # a file gets the names as they are
                cells = {
                    name: escaped(value, sys.stdout) if isinstance(value, str) else value
                    for name, value in cells.items()
                }
            writer.writerow(cells)
    return failed


def warn_if_faceless(faceless: int, photos: int) -> None:
    """Print what to do if many photos show no face: at least 10, and a quarter of all.

    Args:
        faceless: the number of photos without a face.
        photos: the number of all photos.
    """
    if faceless >= max(_MANY, _MANY_SHARE * photos):
        warn(
            f"{faceless:,} of {photos:,} photos show no face. To classify whole photos, train on "
            "your own: happysad train DIR"
        )
