"""Every file of the class folders, read by its content: one row of the manifest each."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from happysad.dataset import audit
from happysad.dataset.manifest import COLUMNS, Manifest
from happysad.dataset.threads import in_threads
from happysad.errors import ErrorCode, ImageError, UsageError, os_reason
from happysad.images import EXTENSIONS, Pixels, decode, kind, read_bytes

__all__ = ["MIN_SIDE", "Scan", "class_folders", "pixels_hash", "scan"]

#: Photos whose shorter side has fewer pixels are left out: no face can be told in them.
MIN_SIDE = 16

# The types that the folders are meant to hold; the others are read too, and said so.
_USUAL = ("jpeg", "png", "bmp")

_EMPTY: dict[str, Any] = {name: 0 if dtype == "int64" else "" for name, dtype in COLUMNS.items()}


@dataclass(frozen=True)
class Scan:
    """What was found in the class folders."""

    table: pd.DataFrame
    """Columns and dtypes as in `manifest.COLUMNS`, sorted by path. `reason` says what could not
    be read or is too small; group, split and status are still empty."""
    measures: pd.DataFrame
    """What `audit.measure` gave for the photos read now, by path; no row for those known before."""


def scan(
    root: Path,
    classes: Sequence[str] | None = None,
    *,
    earlier: Manifest | None = None,
    quality: bool = True,
) -> Scan:
    """Read every file of the class folders, over all cores.

    Hidden files and folders are skipped. Subfolders belong to their class. Links to files are
    read; links to folders below a class are listed and not followed.

    Args:
        root: the data folder.
        classes: the names of the class folders; None where it holds exactly two.
        earlier: photos with the path, size and time of change that they had there are not read.
        quality: whether to measure what `audit.flag` judges by.

    Raises:
        UsageError: no such folder, or its class folders are not those that are needed.
    """
    files = [(path, label) for label in class_folders(root, classes) for path in _walk(root, label)]
    known = {} if earlier is None else {row["path"]: row for row in _rows(earlier.table)}

    def read(file: tuple[str, str]) -> tuple[dict[str, Any], dict[str, float] | None]:
        path, label = file
        row = {**_EMPTY, "path": path, "label": label}
        return _known(root, row, known.get(path), quality) or _read(root, row, quality)

    rows, measures = [], {}
    for row, measured in in_threads(read, sorted(files), "reading"):
        rows.append(row)
        if measured is not None:
            measures[row["path"]] = measured
    table = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return Scan(table, pd.DataFrame.from_dict(measures, orient="index"))


def pixels_hash(pixels: Pixels) -> str:
    """The sha256 of a picture's shape and RGB bytes, as 64 hex digits."""
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def class_folders(root: Path, classes: Sequence[str] | None = None) -> list[str]:
    """Give the names of the class folders in alphabetical order.

    Args:
        root: as for `scan`.
        classes: as for `scan`.

    Raises:
        UsageError: as `scan`.
    """
    try:
        found = sorted(e.name for e in os.scandir(root) if e.is_dir() and e.name[0] != ".")
    except OSError as error:
        raise UsageError(f"{root}: {os_reason(error)}") from error
    names = ", ".join(found) or "none"
    if classes is None:
        if len(found) != 2:
            hint = "; name the two with --classes happy sad" if len(found) > 2 else ""
            raise UsageError(f"{root}: needs two class folders, found {len(found)}: {names}{hint}")
        classes = found
    if len(set(classes)) < max(2, len(classes)):
        raise UsageError(f"--classes needs two different folders, not {' '.join(classes)}")
    missing = [name for name in classes if name not in found]
    if missing:
        raise UsageError(f"{root}: no class folder {', '.join(missing)}; the folders are: {names}")
    return sorted(classes)


def _walk(root: Path, label: str) -> list[str]:
    """List a class's files from `root`, with forward slashes; folders that are links too."""
    paths: list[Path] = []

    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {os_reason(error)}") from error

    for folder, folders, files in os.walk(root / label, onerror=refuse):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".")]
        links = [name for name in folders if (here / name).is_symlink()]
        paths += [here / name for name in [*files, *links] if not name.startswith(".")]
    # A name that is no UTF-8 is listed with its bytes in words: tables and pages cannot hold it.
    names = [os.fsencode(path.relative_to(root).as_posix()) for path in paths]
    return [name.decode("utf-8", "backslashreplace") for name in names]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in table.itertuples(index=False)]


def _known(
    root: Path, row: dict[str, Any], known: dict[str, Any] | None, quality: bool
) -> tuple[dict[str, Any], None] | None:
    """Give the row of an earlier manifest again where its file has not changed since."""
    if known is None or not known["pixels"]:  # what could not be read is tried again
        return None
    notes = [n for n in audit.split_notes(known["notes"]) if not audit.of_the_set(n)]
    if quality and audit.NOT_AUDITED in notes:
        return None
    try:
        status = (root / row["path"]).stat()
    except OSError:
        return None
    if (status.st_size, status.st_mtime_ns) != (known["bytes"], known["modified"]):
        return None
    fresh = {"label": row["label"], "group": "", "split": "", "status": "", "reason": ""}
    again = {**known, **fresh, "notes": "; ".join(notes)}
    again["reason"] = _too_small(again)
    return again, None


def _read(
    root: Path, row: dict[str, Any], quality: bool
) -> tuple[dict[str, Any], dict[str, float] | None]:
    file = root / row["path"]
    try:
        data = _bytes(file, row)
        row["type"] = kind(data) or ""
        decoded = decode(data, str(file))
    except OSError as error:
        row["reason"] = os_reason(error)
        return row, None
    except ImageError as error:
        row["reason"] = str(error).removeprefix(f"{file}: ")
        return row, None
    pixels = decoded.pixels
    grey = all(np.array_equal(pixels[..., 0], pixels[..., other]) for other in (1, 2))
    notes = [*_name_notes(file, decoded.type), *decoded.notes]
    if not quality:
        notes.append(audit.NOT_AUDITED)
    small = audit.shrink(pixels)
    row |= {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "channels": 1 if grey else 3,
        "sha256": hashlib.sha256(data).hexdigest(),
        "pixels": pixels_hash(pixels),
        "phash": audit.phash(small),
        "notes": "; ".join(notes),
    }
    row["reason"] = _too_small(row)
    return row, audit.measure(small) if quality else None


def _bytes(file: Path, row: dict[str, Any]) -> bytes:
    """Read a file as `images.read_bytes` does; its row gets its size and time of change."""
    if file.is_symlink() and not file.exists():
        raise ImageError("a link that leads nowhere", ErrorCode.CANNOT_OPEN)
    if "\\x" in row["path"] and not file.exists():
        raise ImageError("a name that is not UTF-8; rename the file", ErrorCode.CANNOT_OPEN)
    if file.is_dir():
        raise ImageError("a link to a folder is not followed", ErrorCode.NOT_A_FILE)
    status = file.stat()
    row["bytes"], row["modified"] = status.st_size, status.st_mtime_ns
    return read_bytes(file)


def _name_notes(file: Path, type_: str) -> list[str]:
    notes = []
    suffix = file.suffix.lower()
    if not suffix:
        notes.append(f"named without an extension, is a {type_}")
    elif suffix not in EXTENSIONS[type_]:
        notes.append(f"named {suffix}, is a {type_}")
    if type_ not in _USUAL:
        notes.append(f"{type_}: not one of {', '.join(_USUAL)}")
    return notes


def _too_small(row: dict[str, Any]) -> str:
    if min(row["width"], row["height"]) >= MIN_SIDE:
        return ""
    size = f"{row['width']}x{row['height']}"
    return f"too small: {size} pixels (the shorter side needs at least {MIN_SIDE})"
