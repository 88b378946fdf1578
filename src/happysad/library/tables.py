r"""The tables of photos and faces: their columns, and parts in Parquet, CSV and JSON lines.

A path is text in the column `path`. Where its bytes are no UTF-8, those that are none stand there
as ``\xNN``, and `path_bytes` holds it exactly (in CSV and JSON lines as hex digits); elsewhere
`path_bytes` is null. `name_of` turns the two back into the path.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from happysad.files import replacing

if TYPE_CHECKING:
    import pyarrow as pa

    from happysad.predictions import Prediction

__all__ = [
    "DAMAGE",
    "FACES",
    "PHOTOS",
    "SCHEMA",
    "Columns",
    "Format",
    "about",
    "csv_writer",
    "face_rows",
    "name_of",
    "path_columns",
    "photo_row",
    "read",
    "schema",
    "text",
    "write",
]

#: The version of both tables; it rises when a column changes its meaning or goes.
SCHEMA = 1

#: What reading a damaged part raises, beside OSError; the last is Arrow's, of types it has not.
DAMAGE = (ValueError, TypeError, KeyError, NotImplementedError)

Format = Literal["parquet", "csv", "jsonl"]
Columns = Mapping[str, Literal["text", "bytes", "integer", "number", "time"]]

#: A row a photo. `label`: the outcome, null where `error` says why there is none. `p_sad`: null
#: without a face too. `faces`: how many. `taken`: EXIF's DateTimeOriginal, the camera's local time;
#: of JPEG, PNG and WebP.
PHOTOS: Columns = {
    "path": "text",
    "path_bytes": "bytes",
    "label": "text",
    "p_sad": "number",
    "faces": "integer",
    "taken": "time",
    "error": "text",
}
#: A row a face. `face`: from 1, the largest first. The box counts in pixels of the photo.
FACES: Columns = {
    "path": "text",
    "path_bytes": "bytes",
    "face": "integer",
    "label": "text",
    "p_sad": "number",
    "x": "number",
    "y": "number",
    "width": "number",
    "height": "number",
    "score": "number",
}

_KEY = b"happysad"


def photo_row(answer: Prediction, taken: datetime | None) -> dict[str, Any]:
    """Make the row of a photo from its answer, whose `path` is there."""
    assert answer.path is not None
    return {
        **path_columns(answer.path),
        "label": answer.label,
        "p_sad": answer.p_sad,
        "faces": None if answer.error is not None else len(answer.faces),
        "taken": taken,
        "error": None if answer.error is None else text(answer.error),
    }


def face_rows(answer: Prediction) -> list[dict[str, Any]]:
    """Make the rows of a photo's faces."""
    assert answer.path is not None
    path = path_columns(answer.path)
    return [
        {**path, "face": number, **face.row()} for number, face in enumerate(answer.faces, start=1)
    ]


def name_of(row: Mapping[str, Any]) -> str:
    """Give the path of a row as the system knows it."""
    exact = row["path_bytes"]
    return str(row["path"]) if exact is None else os.fsdecode(exact)


def schema(columns: Columns) -> pa.Schema:
    """Give the columns' types in Parquet; they never depend on what a part holds."""
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
    file: Path, columns: Columns, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]
) -> None:
    """Write a part, whole or not at all.

    Args:
        file: its suffix says the format.
        columns: `PHOTOS` or `FACES`.
        rows: as `photo_row` and `face_rows` make them.
        about: stands in the metadata of a Parquet file, as JSON under the key "happysad"; the other
            formats have no place for it.
    """
    with replacing(file) as temporary:
        if file.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            typed = schema(columns).with_metadata({_KEY: json.dumps(about)})
            pq.write_table(pa.Table.from_pylist(rows, typed), temporary, compression="zstd")
        else:
            plain = ({name: _plain(row[name]) for name in columns} for row in rows)
            with temporary.open("w", encoding="utf-8", newline="") as opened:
                if file.suffix == ".csv":
                    writer = csv_writer(opened, list(columns))
                    writer.writeheader()
                    writer.writerows(plain)
                else:
                    opened.writelines(json.dumps(row) + "\n" for row in plain)
        with temporary.open("rb+") as written:  # on the disk before it has its name
            os.fsync(written.fileno())


def read(file: Path, columns: Columns) -> Iterator[dict[str, Any]]:
    """Give the rows of a part as they were written, some thousand in memory at a time.

    Raises:
        OSError: it cannot be read.
        ValueError, TypeError, KeyError, NotImplementedError: it is damaged (`DAMAGE`).
    """
    if file.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(file) as parquet:
            if parquet.schema_arrow.names != list(columns):
                raise ValueError(f"its columns are not {', '.join(columns)}")
            for batch in parquet.iter_batches(4096):
                yield from batch.to_pylist()
        return
    with file.open(encoding="utf-8", newline="") as opened:
        rows = _csv_rows(opened) if file.suffix == ".csv" else map(json.loads, opened)
        for row in rows:
            yield {name: _typed(row[name], kind) for name, kind in columns.items()}


def _csv_rows(file: TextIO) -> Iterator[dict[str, str]]:
    rows = csv.DictReader(file, strict=True)
    try:
        for row in rows:
            if None in row or None in row.values():
                raise ValueError(f"line {rows.line_num} has too few or too many columns")
            yield row
    except csv.Error as error:
        raise ValueError(f"line {rows.line_num}: {error}") from error


def about(file: Path) -> dict[str, Any]:
    """Give what `write` was told of a Parquet part.

    Raises:
        OSError: it cannot be read.
        ValueError, NotImplementedError: it is damaged, or no part of ours.
    """
    import pyarrow.parquet as pq

    found = pq.read_metadata(file).metadata or {}
    if _KEY not in found:
        raise ValueError(f"{file}: not written by happysad")
    return dict(json.loads(found[_KEY]))


class _Lines:
    """Takes csv's rows, which end with CR LF, and ends them with LF."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, row: str) -> int:
        return self._file.write(row.removesuffix("\r\n") + "\n")


def csv_writer(file: TextIO, columns: Sequence[str]) -> csv.DictWriter[str]:
    r"""Give a writer of lines that end with LF, whose fields are quoted where that is needed.

    With ``lineterminator="\n"`` csv would not quote a CR in a field (before Python 3.13), though
    every reader ends a row there.
    """
    return csv.DictWriter(_Lines(file), columns)


def path_columns(path: str) -> dict[str, Any]:
    """Give a path's `path` and `path_bytes`."""
    shown = text(path)
    return {"path": shown, "path_bytes": None if shown == path else os.fsencode(path)}


def text(name: str) -> str:
    r"""Write what is no UTF-8 in a name, or a message with one, as ``\xNN``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(value: Any, kind: str) -> Any:
    if value is None or value == "":
        return None
    match kind:
        case "bytes":
            return bytes.fromhex(value)
        case "integer":
            return int(value)
        case "number":
            return float(value)
        case "time":
            return datetime.fromisoformat(value)
    return value
