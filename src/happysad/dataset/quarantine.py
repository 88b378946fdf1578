"""Move the files that a check left out to a folder of their own, and back: only when asked to."""

from __future__ import annotations

import csv
import io
import shutil
from dataclasses import dataclass
from pathlib import Path

from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError, UsageError, os_reason
from happysad.files import write_text

__all__ = ["LIST", "Moved", "quarantine", "restore"]

#: The list in the quarantine's folder: from (absolute), to (from that folder), reason.
LIST = "quarantine.csv"

_HEADER = ["from", "to", "reason"]


@dataclass(frozen=True)
class Moved:
    """What was moved, and what could not be."""

    done: int
    """How many files were moved."""
    failed: tuple[tuple[str, str], ...]
    """The path and the reason of each file that stayed where it was."""


def quarantine(manifest: Manifest, folder: Path) -> Moved:
    """Move the left-out files to `folder`/CLASS/…, and nothing else.

    Nothing is overwritten: a file whose name is taken gets a number. All that will be moved stands
    in `folder`/quarantine.csv before the first file is: whatever interrupts, `restore` knows it.

    Raises:
        UsageError: `folder` lies in the data folder, or the data folder in it.
        DatasetError: `folder` cannot be written, or its list is no list of a quarantine.
    """
    root, inside = manifest.root.resolve(), folder.resolve()
    if inside.is_relative_to(root) or root.is_relative_to(inside):
        raise UsageError(f"{folder}: the quarantine must lie apart from the data folder {root}")
    earlier = _read(folder) if (folder / LIST).exists() else []
    taken = {to for _, to, _ in earlier}
    planned: list[list[str]] = []
    failed: list[tuple[str, str]] = []
    rows = manifest.table[manifest.table["status"] == "left_out"]
    for path, size, modified, reason in rows[["path", "bytes", "modified", "reason"]].itertuples(
        index=False
    ):
        source = root / path
        if not _there(source):
            failed.append((path, "no such file"))
        elif not _unchanged(source, size, modified):
            failed.append((path, "the file has changed since it was checked"))
        else:
            to = _free(folder, path, taken)
            taken.add(to)
            planned.append([str(source), to, reason])
    _write(folder, [*earlier, *planned])
    stayed = []
    for row in planned:
        why = _move(Path(row[0]), folder / row[1])
        if why:
            stayed.append(row)
            failed.append((row[0], why))
    if stayed:
        _write(folder, [row for row in [*earlier, *planned] if row not in stayed])
    return Moved(len(planned) - len(stayed), tuple(failed))


def restore(folder: Path) -> Moved:
    """Move a quarantine's files back to where they were.

    Nothing is overwritten. The list keeps what could not be put back; when nothing is left, the
    list goes and so do the folders that became empty.

    Raises:
        DatasetError: there is no list of a quarantine in `folder`.
    """
    done, kept, failed = 0, [], []
    for row in _read(folder):
        source, target = folder / row[1], Path(row[0])
        if not _there(source) and _there(target):
            continue  # it was never moved, or is back already
        why = "it is not in the quarantine" if not _there(source) else _move(source, target)
        if why:
            kept.append(row)
            failed.append((row[1], why))
        else:
            done += 1
    if kept:
        _write(folder, kept)
    else:
        (folder / LIST).unlink()
        below = sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True)
        for path in [*below, folder]:
            if not path.is_symlink() and not any(path.iterdir()):
                path.rmdir()
    return Moved(done, tuple(failed))


def _there(file: Path) -> bool:
    return file.is_symlink() or file.exists()


def _unchanged(file: Path, size: int, modified: int) -> bool:
    """Tell whether a file is as the check saw it; what it could not look at has no time."""
    if modified == 0:
        return True
    status = file.stat()
    return (status.st_size, status.st_mtime_ns) == (size, modified)


def _free(folder: Path, path: str, taken: set[str]) -> str:
    """A path below `folder` that no file has: `path`, or numbered before its extension."""
    name, number = path, 1
    while name in taken or name == LIST or _there(folder / name):
        number += 1
        plain = Path(path)
        name = plain.with_name(f"{plain.stem} ({number}){plain.suffix}").as_posix()
    return name


def _move(source: Path, target: Path) -> str:
    """Move a file, across file systems too; the reason where it could not be moved, else ""."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if _there(target):
            return f"{target} is there already"
        shutil.move(source, target)
    except OSError as error:
        return os_reason(error)
    return ""


def _read(folder: Path) -> list[list[str]]:
    file = folder / LIST
    try:
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as source:
            header, *rows = list(csv.reader(source)) or [[]]
    except (OSError, csv.Error) as error:
        raise DatasetError(f"{file}: {os_reason(error)}") from error
    if header != _HEADER or any(len(row) != 3 for row in rows):
        raise DatasetError(f"{file}: not the list of a quarantine ({','.join(_HEADER)})")
    return rows


def _write(folder: Path, rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_HEADER, *rows])
    try:
        write_text(folder / LIST, text.getvalue())
    except OSError as error:
        raise DatasetError(f"{folder}: {os_reason(error)}") from error
