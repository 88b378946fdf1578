"""Read every file of the class folders into a row of the manifest."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from happysad.dataset.class_folders import ClassFolder, class_folders
from happysad.dataset.findings import Code, Note, own_notes
from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.dataset.quality import measure, phash, shrink
from happysad.errors import ErrorCode, ImageError, UsageError, counted, os_reason
from happysad.folder_walk import LeftOut, Walk
from happysad.images import FIRST_FRAME, Pixels, decode, read_bytes
from happysad.parallel import ordered_map
from happysad.picture_type import EXTENSIONS, kind
from happysad.progress import track

__all__ = ["MIN_SIDE", "Scan", "pixels_hash", "scan", "scan_files"]

#: Photos whose shorter side has fewer pixels are left out: no face can be recognised in them.
MIN_SIDE = 16

# The types that most programs read; the others are read too, with a note.
_USUAL = ("jpeg", "png", "bmp")

_EMPTY: dict[str, Any] = {name: 0 if dtype == "int64" else "" for name, dtype in COLUMNS.items()}


@dataclass(frozen=True)
class Scan:
    """The files of the class folders."""

    table: pd.DataFrame
    """Columns and dtypes as in `manifest.COLUMNS`, sorted by path. `code` and `reason` are filled
    in for photos that cannot be read or are too small; group and status are still empty, and so is
    split, unless the data folder's splits are used."""
    measures: pd.DataFrame
    """The results of `quality.measure` by path, for the photos that were read in this scan."""
    beside: LeftOut
    """What systems keep beside the photos, which has no rows."""


def scan(
    root: Path,
    classes: Sequence[str] | None = None,
    *,
    earlier: Manifest | None = None,
    quality: bool = True,
    use_splits: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Scan:
    """Read every file of the class folders, on all cores.

    Subfolders belong to their class. Links to files are read; see `folder_walk` for links to
    folders and for what is left out.

    Args:
        root: the data folder.
        classes: as for `class_folders`.
        earlier: an earlier manifest; photos whose path, size and modification time are the same as
            in it are not read again.
        quality: whether to measure the image quality.
        use_splits: as for `class_folders`; then `split` is filled in, too.
        say: called, before the files are read, with a line on how many there are of each class.

    Raises:
        UsageError: `root` cannot be read, or does not have these class folders.
    """
    left_out = LeftOut()
    files = [
        (path, folder)
        for folder in class_folders(root, classes, use_splits=use_splits)
        for path in _walk(root, folder.path, left_out)
    ]
    say(_numbers(folder.label for _, folder in files))
    known = {} if earlier is None else {row["path"]: row for row in _rows(earlier.table)}

    def read(file: tuple[str, ClassFolder]) -> tuple[dict[str, Any], dict[str, float] | None]:
        path, folder = file
        row = {**_EMPTY, "path": path, "label": folder.label, "split": folder.split or ""}
        return _known(root, row, known.get(path), quality) or _read(root, row, quality)

    rows, measures = [], {}
    for row, measured in track(ordered_map(read, sorted(files)), "reading", len(files)):
        rows.append(row)
        if measured is not None:
            measures[row["path"]] = measured
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return Scan(table, pd.DataFrame.from_dict(measures, orient="index"), left_out)


def scan_files(
    root: Path, labels: Mapping[str, str], *, earlier: Manifest | None = None
) -> pd.DataFrame:
    """Return the rows of some files, in their order.

    Args:
        root: the folder of relative paths.
        labels: the label of each file, by its path with forward slashes; it may be absolute.
        earlier: as for `scan`.

    Returns:
        As `Scan.table`.
    """
    known = {} if earlier is None else {row["path"]: row for row in _rows(earlier.table)}

    def read(path: str) -> dict[str, Any]:
        row = {**_EMPTY, "path": path, "label": labels[path]}
        return (_known(root, row, known.get(path), True) or _read(root, row, True))[0]

    rows = list(track(ordered_map(read, list(labels)), "reading", len(labels)))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def pixels_hash(pixels: Pixels) -> str:
    """Return the SHA-256 of a picture's shape and RGB bytes, as 64 hex digits."""
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _numbers(labels: Iterable[str]) -> str:
    """Return how many photos there are, and how many of each class."""
    counts = Counter(labels)
    of_classes = ", ".join(f"{label} {count:,}" for label, count in sorted(counts.items()))
    return f"{counted(counts.total(), 'photo')}: {of_classes}" if counts else "no photo"


def _walk(root: Path, folder: str, left_out: LeftOut) -> Iterator[str]:
    """Yield the paths of a class folder's files, relative to `root`, with slashes."""

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {os_reason(error)}") from error

    for path in Walk(left_out=left_out.add, refuse=refuse).files(str(root / folder)):
        # Tables and pages cannot contain a name that is not UTF-8, so its bytes are escaped.
        name = os.fsencode(Path(path).relative_to(root).as_posix())
        yield name.decode("utf-8", "backslashreplace")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in table.itertuples(index=False)]


def _known(
    root: Path, row: dict[str, Any], known: dict[str, Any] | None, audited: bool
) -> tuple[dict[str, Any], None] | None:
    """Return the row of an earlier manifest, or None if its file has changed or must be read."""
    if known is None or not known["pixels"]:  # unreadable files are tried again
        return None
    codes, notes = own_notes(known["note_codes"], known["notes"])
    if audited and Code.QUALITY_NOT_AUDITED in codes.split():
        return None
    try:
        status = (root / row["path"]).stat()
    except OSError:
        return None
    if (status.st_size, status.st_mtime_ns) != (known["bytes"], known["modified"]):
        return None
    fresh = ("label", "group", "split", "status", "code", "reason")
    again = {**known, **{name: row[name] for name in fresh}, "note_codes": codes, "notes": notes}
    _refuse_too_small(again)
    return again, None


def _read(
    root: Path, row: dict[str, Any], audited: bool
) -> tuple[dict[str, Any], dict[str, float] | None]:
    file = root / row["path"]
    try:
        data = _bytes(file, row)
        row["type"] = kind(data) or ""
        decoded = decode(data, str(file))
    except OSError as error:
        row |= {"code": str(ErrorCode.CANNOT_OPEN), "reason": os_reason(error)}
        return row, None
    except ImageError as error:
        row |= {"code": str(error.code), "reason": error.reason}
        return row, None
    pixels = decoded.pixels
    grey = all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))
    notes = _name_notes(file, decoded.type)
    notes += [Note(Code.ANIMATED if t == FIRST_FRAME else None, t) for t in decoded.notes]
    if not audited:
        notes.append(Note.of(Code.QUALITY_NOT_AUDITED))
    small = shrink(pixels)
    row |= {
        "height": decoded.reduced * pixels.shape[0],
        "width": decoded.reduced * pixels.shape[1],
        "channels": 1 if grey else 3,
        "sha256": hashlib.sha256(data).hexdigest(),
        "pixels": pixels_hash(pixels),
        "phash": phash(small),
        "note_codes": " ".join(note.code for note in notes if note.code),
        "notes": "; ".join(note.text for note in notes),
    }
    _refuse_too_small(row)
    return row, measure(small) if audited else None


def _bytes(file: Path, row: dict[str, Any]) -> bytes:
    """Return the content of a file, and set its size and modification time in its row."""
    if file.is_symlink() and not file.exists():
        raise ImageError("a link that leads nowhere", ErrorCode.CANNOT_OPEN)
    if "\\x" in row["path"] and not file.exists():
        raise ImageError("a name that is not UTF-8; rename the file", ErrorCode.CANNOT_OPEN)
    status = file.stat()
    row["bytes"], row["modified"] = status.st_size, status.st_mtime_ns
    return read_bytes(file)


def _name_notes(file: Path, type_: str) -> list[Note]:
    notes = []
    suffix = file.suffix.lower()
    if suffix not in EXTENSIONS[type_]:
        name = suffix or "without an extension"
        notes.append(Note(Code.WRONG_EXTENSION, f"named {name}, is a {type_}"))
    if type_ not in _USUAL:
        notes.append(Note(Code.OTHER_TYPE, f"{type_}: not one of {', '.join(_USUAL)}"))
    return notes


def _refuse_too_small(row: dict[str, Any]) -> None:
    if min(row["width"], row["height"]) < MIN_SIDE:
        size = f"{row['width']}x{row['height']} pixels"
        row["reason"] = f"too small: {size} (the shorter side needs at least {MIN_SIDE})"
        row["code"] = str(Code.TOO_SMALL)
