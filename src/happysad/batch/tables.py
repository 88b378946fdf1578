r"""The tables of photos and faces: their columns, and parts in Parquet, CSV and JSON lines.

JSON lines hold the rows of `Prediction.row` and `Prediction.face_rows`; the other formats hold the
flat columns of `predictions.flat`. Photos have one more column, `taken`: EXIF's DateTimeOriginal,
the camera's local time. If a path is not valid UTF-8, `path` has ``\xNN`` for each invalid byte,
and `path_bytes` has the exact bytes, in CSV and JSON lines as hex digits; otherwise `path_bytes` is
null.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from happysad.errors import shown
from happysad.files import replacing
from happysad.predictions import (
    NO_FACE,
    UNSURE,
    Prediction,
    Rows,
    flat,
    flat_columns,
    readable,
)

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = [
    "DAMAGE",
    "Columns",
    "Format",
    "about",
    "columns",
    "csv_writer",
    "path_of",
    "photo_row",
    "read",
    "read_stored",
    "schema",
    "write",
]

#: The errors that reading a damaged part raises, besides OSError. Arrow raises NotImplementedError
#: for a type that it does not implement.
DAMAGE = (ValueError, TypeError, KeyError, NotImplementedError, RecursionError)

Format = Literal["parquet", "csv", "jsonl"]
Columns = Mapping[str, Literal["text", "bytes", "integer", "number", "time"]]

# The type of every column but those of the classes, which are numbers.
_TYPES: Columns = {
    "schema": "integer",
    "path": "text",
    "path_bytes": "bytes",
    "classifier": "text",
    "face": "integer",
    "label": "text",
    "probability": "number",
    "faces": "integer",
    "x": "number",
    "y": "number",
    "width": "number",
    "height": "number",
    "score": "number",
    "notes": "text",
    "error_code": "text",
    "error": "text",
    "taken": "time",
}

# What turns a text into the value of a column.
_OF_TEXT: Mapping[str, Callable[[Any], Any]] = {
    "bytes": bytes.fromhex,
    "integer": int,
    "number": float,
    "time": datetime.fromisoformat,
}

# The types in JSON of the fields that `flat` takes apart.
_NESTED = {"probabilities": dict, "error": dict, "notes": list, "faces": list}

# Limits of a part: see docs/security.md, "Results". The first three are in bytes.
_LONGEST_LINE = 1 << 20
_LARGEST_PART, _LARGEST_BATCH = 256 << 20, 64 << 20
_MOST_ROWS = 4096

# The key of a Parquet file's metadata.
_KEY = b"happysad"


def columns(classes: Sequence[str], each: Rows | str) -> Columns:
    """Return the columns of a table with their types, in order.

    >>> list(columns(["happy", "sad"], "photo"))[:4]
    ['schema', 'path', 'path_bytes', 'classifier']
    """
    names = [*flat_columns(classes, each), *(["taken"] if each == Rows.PHOTO else [])]
    return {name: _TYPES.get(name, "number") for name in names}


def photo_row(answer: Prediction, taken: datetime | None) -> dict[str, Any]:
    """Return the row of a prediction with the additional column `taken`."""
    return {**answer.row(), "taken": None if taken is None else taken.isoformat()}


def path_of(row: Mapping[str, Any]) -> str:
    """Return the exact path of a row that `read` yields, as a path of the system."""
    exact = row["path_bytes"]
    return str(row["path"]) if exact is None else os.fsdecode(exact)


def schema(columns: Columns) -> pa.Schema:
    """Return the Parquet schema of columns, which never depends on the content of a part."""
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "bytes": pa.binary(),
        "integer": pa.int32(),
        "number": pa.float64(),
        "time": pa.timestamp("ms"),
    }
    return pa.schema(
        [pa.field(name, types[kind], nullable=name != "path") for name, kind in columns.items()]
    )


def write(
    file: Path,
    classes: Sequence[str],
    each: Rows | str,
    rows: Sequence[Mapping[str, Any]],
    about: Mapping[str, Any],
) -> None:
    """Write a part, completely or not at all.

    Args:
        file: the part, in a folder that exists; its suffix decides the format.
        classes: the classes of the classifier.
        each: "photo" for one row per photo, "face" for one row per face.
        rows: as `photo_row` and `Prediction.face_rows`, or `read_stored`, return them.
        about: the metadata of a Parquet file, written as JSON under the key "happysad"; the other
            formats have no metadata.
    """
    named = columns(classes, each)
    with replacing(file, make_folder=False) as temporary:
        if file.suffix == ".jsonl":
            with temporary.open("w", encoding="utf-8", newline="") as opened:
                opened.writelines(json.dumps(row) + "\n" for row in rows)
        elif file.suffix == ".csv":
            with temporary.open("w", encoding="utf-8", newline="") as opened:
                writer = csv_writer(opened, list(named))
                writer.writeheader()
                writer.writerows(row if _is_flat(row) else flat(row, classes) for row in rows)
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            typed = schema(named).with_metadata({_KEY: json.dumps(about)})
            typer = _typer(named)
            flattened = (row if _is_flat(row) else typer(flat(row, classes)) for row in rows)
            table = pa.Table.from_pylist(list(flattened), typed)
            pq.write_table(table, temporary, compression="zstd")
        with temporary.open("rb+") as written:  # on the disk before the file is renamed
            os.fsync(written.fileno())


def read(file: Path, classes: Sequence[str], each: Rows | str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a part with flat columns, each checked against the schema.

    At most a few thousand rows, or 64 MB, are in memory at a time.

    Args:
        file: as for `write`.
        classes: as for `write`.
        each: as for `write`.

    Raises:
        OSError: the part cannot be read.
        ValueError, TypeError, KeyError, NotImplementedError, RecursionError: the part is damaged
            (`DAMAGE`).
    """
    named = columns(classes, each)
    check = _checker(classes, named)
    for row, _ in _rows(file, classes, named):
        check(row)
        yield row


def read_stored(
    file: Path, classes: Sequence[str], each: Rows | str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the rows as `read` does, each with the row as it is in the file, for `write`.

    Args:
        file: as for `read`, with the same errors.
        classes: as for `write`.
        each: as for `write`.
    """
    named = columns(classes, each)
    check = _checker(classes, named)
    for row, stored in _rows(file, classes, named):
        check(row)
        yield row, dict(zip(named, stored, strict=True)) if isinstance(stored, list) else stored


def _is_flat(row: Mapping[str, Any]) -> bool:
    return "error_code" in row


def _rows(
    file: Path, classes: Sequence[str], named: Columns
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | list[str]]]:
    """Yield the rows with their types, each with the row, or its cells, as it is in the file."""
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(file) as parquet:
            _check_columns(parquet.schema_arrow.names, named)
            for field, expected in zip(parquet.schema_arrow, schema(named), strict=True):
                if field.type != expected.type:
                    raise ValueError(f"{field.name}: must be {expected.type}, not {field.type}")
            for batch in parquet.iter_batches(_batch_size(parquet)):
                for row in batch.to_pylist():
                    yield row, row
        return
    with file.open(encoding="utf-8", newline="") as opened:
        if file.suffix == ".csv":
            yield from _csv_rows(opened, named)
            return
        typed = _typer(named)
        for line in _lines(opened):
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"not a row: {shown(line.strip())}")
            _check_nested(row)
            try:
                values = typed(flat(row, classes))
            except KeyError as error:
                raise ValueError(f"{error.args[0]}: missing") from error
            yield values, row


def _check_nested(row: Mapping[str, Any]) -> None:
    for name, type_ in _NESTED.items():
        value = row.get(name)
        if value is not None and not isinstance(value, type_):
            raise ValueError(f"{name}: not {shown(repr(value))}")


def _check_columns(found: Sequence[str] | None, named: Columns) -> None:
    if found != list(named):
        raise ValueError(f"its columns are not {', '.join(named)}")


def _batch_size(parquet: pq.ParquetFile) -> int:
    """Return how many rows of a Parquet file may be in memory at a time.

    A few kilobytes of a file can stand for gigabytes of text, as one page or as one value that
    every row repeats. A value is at most as large as its column.

    Raises:
        ValueError: the file is larger than any part.
    """
    groups = [parquet.metadata.row_group(at) for at in range(parquet.metadata.num_row_groups)]
    size = sum(group.total_byte_size for group in groups)
    if size > _LARGEST_PART:
        raise ValueError(f"has {size:,} bytes uncompressed; at most {_LARGEST_PART:,} are read")
    columns = (group.column(at) for group in groups for at in range(group.num_columns))
    largest = max((column.total_uncompressed_size for column in columns), default=0)
    return max(1, min(_MOST_ROWS, _LARGEST_BATCH // max(1, largest)))


def _checker(classes: Sequence[str], named: Columns) -> Callable[[Mapping[str, Any]], None]:
    """Return a function that checks a typed row, and raises a ValueError that names the field."""
    shares = ["probability", *(f"p_{one}" for one in classes)]
    others = [name for name, kind in named.items() if kind == "number" and name not in shares]
    labels = frozenset((*classes, UNSURE, NO_FACE, None))
    said = itemgetter("path", "path_bytes", "label", "error_code", "error")
    shares_of, none = itemgetter(*shares), (None,) * len(shares)

    def check(row: Mapping[str, Any]) -> None:
        path, exact, label, code, error = said(row)
        if not path or "\0" in path:
            raise ValueError(f"path: not {shown(repr(path))}")
        if exact is not None or not path.isascii():
            exact = path_of(row)
            if "\0" in exact or readable(exact) != path:
                raise ValueError("path_bytes: not the bytes of path")
        if label not in labels:
            raise ValueError(f"label: not {shown(repr(label))}")
        if (label is None) != (code is not None and error is not None):
            raise ValueError("error: a row has a label or an error")
        values = shares_of(row)
        if label is None or label == NO_FACE:
            wrong = [one for one in values if one is not None] if values != none else ()
        else:
            wrong = [one for one in values if one is None or not 0 <= one <= 1]
        if wrong:
            name = shares[values.index(wrong[0])]
            raise ValueError(f"{name}: not {wrong[0]} with the label {label}")
        for name in others:
            if (value := row[name]) is not None and not isfinite(value):
                raise ValueError(f"{name}: not {value}")

    return check


def about(file: Path) -> dict[str, Any]:
    """Return what `write` wrote into the metadata of a Parquet part.

    Raises:
        OSError: the part cannot be read.
        ValueError, NotImplementedError: the part is damaged, or not written by happysad.
    """
    import pyarrow.parquet as pq

    found = pq.read_metadata(file).metadata or {}
    if _KEY not in found:
        raise ValueError(f"{file}: not written by happysad")
    return dict(json.loads(found[_KEY]))


def csv_writer(file: TextIO, columns: Sequence[str]) -> csv.DictWriter[str]:
    r"""Return a writer of lines that end with LF, with fields quoted if necessary.

    With ``lineterminator="\n"``, csv would not quote a CR in a field (before Python 3.13), although
    every reader ends a row there.
    """
    return csv.DictWriter(_Lines(file), columns)


class _Lines:
    """Replaces the CR LF at the end of csv's rows by LF."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise ValueError(f"a line has {_LONGEST_LINE:,} or more characters")
        yield line


def _csv_rows(
    file: TextIO, named: Columns
) -> Iterator[tuple[dict[str, Any], dict[str, Any] | list[str]]]:
    rows = csv.reader(_lines(file), strict=True)
    names = list(named)
    converted = [
        (at, name, _OF_TEXT[kind])
        for at, (name, kind) in enumerate(named.items())
        if kind in _OF_TEXT
    ]
    try:
        _check_columns(next(rows, None), named)
        for cells in rows:
            if len(cells) != len(names):
                raise ValueError(f"line {rows.line_num} has too few or too many columns")
            values: list[Any] = [cell or None for cell in cells]
            for at, name, convert in converted:
                if (value := values[at]) is not None:
                    try:
                        values[at] = convert(value)
                    except ValueError as error:
                        raise ValueError(f"{name}: {error}") from error
            yield dict(zip(names, values, strict=True)), cells
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error


def _typer(named: Columns) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """Return a function that gives a flat row of JSON the types of its columns."""
    types: dict[str, set[type]] = {
        "text": {str},
        "bytes": {str},
        "integer": {int},
        "number": {float, int},
        "time": {str},
    }
    expected = [
        (name, types[kind], None if kind == "integer" else _OF_TEXT.get(kind))
        for name, kind in named.items()
    ]

    def typed(row: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, allowed, convert in expected:
            value = row[name]
            if value is not None:
                # Numbers of NumPy, which are written, are float too.
                if type(value) not in allowed and not (
                    float in allowed and isinstance(value, float)
                ):
                    raise ValueError(f"{name}: not {shown(repr(value))}")
                if convert is not None:
                    try:
                        value = convert(value)
                    except (ValueError, OverflowError) as error:
                        raise ValueError(f"{name}: {error}") from error
            values[name] = value
        return values

    return typed
