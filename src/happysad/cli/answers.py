"""The answers of happysad predict on standard output: a table, JSON lines or CSV."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from happysad.cli.saying import say

if TYPE_CHECKING:
    from happysad.predictions import Prediction

__all__ = ["write_csv", "write_json", "write_table"]


def write_table(answers: Iterator[Prediction], each: bool) -> int:
    """Print a table and, below it, how often each label came; give how many rows are errors."""
    counts: Counter[str] = Counter()
    box = f"{'face':>5}{'x':>6}{'y':>6}{'width':>7}{'height':>7}" if each else ""
    say(f"{'label':<8}{'p_sad':>6}{box}  photo")
    for answer in answers:
        for row in answer.face_rows() if each else [answer.row()]:
            label = row["label"] or "error"
            counts[label] += 1
            p_sad = "" if row["p_sad"] is None else f"{row['p_sad']:.4f}"
            box = f"{'':>31}" if each else ""
            if each and row["face"]:
                x, y, width, height = (row[name] for name in ("x", "y", "width", "height"))
                box = f"{row['face']:>5}{x:>6.0f}{y:>6.0f}{width:>7.0f}{height:>7.0f}"
            say(f"{label:<8}{p_sad:>6}{box}  {row['error'] or row['path']}")
    if counts.total() > 1:
        say(", ".join(f"{count:,} {label}" for label, count in sorted(counts.items())))
    return counts["error"]


def write_json(answers: Iterator[Prediction], each: bool) -> int:
    """Print a JSON object a photo, or a face where ``each``; give how many photos failed.

    A path that is no UTF-8 stands there as in `library.tables`: as text, and in `path_bytes`, which
    other rows do not have.
    """
    failed = 0
    for answer in answers:
        failed += answer.error is not None
        for row in answer.face_rows() if each else [answer.row()]:
            say(json.dumps(_readable(row)))
    return failed


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    """Bring a path that is no UTF-8 to what every reader of JSON takes."""
    from happysad.library.tables import path_columns, text

    path = path_columns(row["path"])
    if path["path_bytes"] is None:
        return row
    error = None if row["error"] is None else text(row["error"])
    return {**row, "path": path["path"], "error": error, "path_bytes": path["path_bytes"].hex()}


def write_csv(answers: Iterator[Prediction], each: bool) -> int:
    """Print CSV, a row a photo, or a face where ``each``; give how many photos failed."""
    from happysad.library.tables import csv_writer

    failed = 0
    writer = None
    for answer in answers:
        failed += answer.error is not None
        rows = answer.face_rows() if each else [{**answer.row(), "faces": len(answer.faces)}]
        for row in rows:
            if writer is None:
                writer = csv_writer(sys.stdout, list(row))
                writer.writeheader()
            writer.writerow(row)
    return failed
