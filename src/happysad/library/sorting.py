"""Sort photos into one folder an outcome, by links, copies or moves, and undo it.

What will be done is written to sorted-N.csv in that folder before the first file is touched: an
undo knows it, whatever interrupts. Nothing is ever overwritten, and the same call again goes on.
"""

from __future__ import annotations

import csv
import errno
import filecmp
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from happysad.batch.remote import is_remote
from happysad.batch.results import Results
from happysad.batch.tables import path_of
from happysad.errors import LibraryError, UsageError, os_reason
from happysad.files import replacing
from happysad.library.alone import LOCK, alone
from happysad.paths import absolute

__all__ = ["How", "Sorted", "sort", "undo"]

How = Literal["link", "copy", "move"]

_HEADER = ["how", "from", "to", "bytes", "modified"]


@dataclass(frozen=True)
class Sorted:
    """What was done."""

    done: int
    """How many photos were sorted, or put back."""
    failed: int
    """How many could not be; each was told with its reason."""


def sort(
    results: Results,
    folder: Path,
    how: How = "link",
    *,
    say: Callable[[str], None] = lambda line: None,
) -> Sorted:
    """Put photos into `folder`/OUTCOME/…, below that as they lie below their source.

    Photos that could not be read stay out; those that stand there already are left as they are.

    Args:
        results: of `happysad predict --out`.
        folder: apart from the photos; made where there is none.
        how: a symbolic link to the photo, a copy with its times, or the photo itself, moved.
        say: is told, in a line each, what could not be done.

    Raises:
        UsageError: `folder` lies in a source's folder, or a source's in it.
        LibraryError: another process sorts there, or an earlier list is damaged.
    """
    inside = folder.resolve()
    sources = [results.source(source) for source in results.made.sources if source != "-"]
    roots = [absolute(one) for one in sources if os.path.isdir(one)]  # noqa: PTH112
    for root in [*roots, results.folder]:
        whole = root.resolve()
        if inside.is_relative_to(whole) or whole.is_relative_to(inside):
            raise UsageError(f"{folder}: must lie apart from {root}")
    with _locked(folder):
        return _sort(results, folder, how, roots, say)


def _sort(
    results: Results, folder: Path, how: How, roots: list[Path], say: Callable[[str], None]
) -> Sorted:
    alone = len(results.made.sources) == 1
    lists = _lists(folder)
    number = 1 + max(map(_number, lists), default=0)
    begun: set[tuple[str, str]] = set()
    done = failed = 0

    @cache
    def moved() -> set[tuple[str, str]]:
        """Give what earlier calls were to move; rarely asked for, for it may be much."""
        rows = (row for file in lists for row in _read(file))
        return {(row["from"], row["to"]) for row in rows if row["how"] == "move"}

    def planned() -> Iterator[list[str]]:
        nonlocal failed
        for row in results.photos():
            if row["label"] is None:
                continue
            name = path_of(row)
            if is_remote(name):
                failed += 1
                say(f"{name}: is no file on this machine")
                continue
            source = absolute(results.source(name))
            target = folder / row["label"] / _below(source, roots, alone)
            place = str(target.relative_to(folder))
            try:
                if _is_done(source, target, how):
                    continue
                why = _obstacle(source, target, how)
                if why and how == "move" and _is_copy(source, target):
                    this = (str(source), place)
                    if this in moved():  # a call was killed when it had copied it, see _move
                        begun.add(this)
                        why = ""
                size, modified = (0, 0) if why else _stamp(source)
            except OSError as error:  # a folder that may not be entered, a name that is too long
                why = os_reason(error)
            if why:
                failed += 1
                say(f"{source}: {why}")
                continue
            yield [how, str(source), place, str(size), str(modified)]

    file = folder / f"sorted-{number}.csv"
    if not _write(file, planned()):
        file.unlink()
        return Sorted(0, failed)
    for row in _read(file):
        source, target = Path(row["from"]), folder / row["to"]
        why = _put(source, target, how, begun=(row["from"], row["to"]) in begun)
        if why:
            failed += 1
            say(f"{row['from']}: {why}")
        else:
            done += 1
    return Sorted(done, failed)


def undo(folder: Path, *, say: Callable[[str], None] = lambda line: None) -> Sorted:
    """Undo all that `sort` did in `folder`: links and copies go, what was moved goes back.

    What was changed since stays and is told: another file in a link's place, a copy that is no
    longer like its photo or whose photo is gone, a photo whose old place is taken. The lists keep
    these; when nothing is left, the lists go, and the folders that became empty.

    Raises:
        UsageError: there is no list in `folder`.
        LibraryError: a list is damaged, or another process sorts there.
    """
    if not _lists(folder):
        raise UsageError(f"{folder}: nothing to undo, there is no sorted-N.csv")
    with _locked(folder):
        return _undo(folder, say)


def _undo(folder: Path, say: Callable[[str], None]) -> Sorted:
    done = failed = 0
    emptied: set[Path] = set()
    stay: set[str] = set()

    def kept(file: Path) -> Iterator[list[str]]:
        nonlocal done, failed
        for row in _read(file):
            source, target = Path(row["from"]), folder / row["to"]
            for place in (target, source) if row["how"] == "move" else (target,):
                with suppress(OSError):  # its folder is not there
                    _half(place).unlink()
            why = _take_back(row, source, target)
            if why:
                if row["to"] not in stay:  # two lists may have it
                    failed += 1
                    say(f"{target}: {why}")
                stay.add(row["to"])
                yield [row[name] for name in _HEADER]
            else:
                done += why is not None
                emptied.update(set(target.parents) - set(folder.parents) - {folder})

    for file in reversed(_lists(folder)):
        if not _write(file, kept(file)):
            file.unlink()
    for below in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):  # something is in it
            below.rmdir()
    return Sorted(done, failed)


def _below(source: Path, roots: list[Path], alone: bool) -> Path:
    """Give a photo's place below its outcome's folder.

    That is its path in the source's folder where this is the only source. Else the source's number
    and name stand before it, and a photo that lies in no source's folder has its whole path.
    """
    within = [root for root in roots if source.is_relative_to(root)]
    if not within:
        return source.relative_to(source.anchor)
    root = max(within, key=lambda one: len(one.parts))
    below = source.relative_to(root)
    return below if alone else Path(f"{1 + roots.index(root)}-{root.name}", below)


def _there(file: Path) -> bool:
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _is_done(source: Path, target: Path, how: How) -> bool:
    """Tell whether an earlier call has put a photo there already."""
    if how == "move":
        return _there(target) and not _there(source)
    if how == "link":
        return target.is_symlink() and target.readlink() == source
    if not target.is_file() or target.is_symlink() or not source.is_file():
        return False
    return _stamp(target) == _stamp(source)


def _obstacle(source: Path, target: Path, how: How) -> str:
    if not source.is_file():
        return "is no file on this machine, or no longer"
    if how == "move" and source.is_symlink():
        return "is a link, which might lead nowhere from another folder"
    return f"{target} is there already" if _there(target) else ""


def _is_copy(source: Path, target: Path) -> bool:
    """Tell whether both are files, not one of two names, and hold the same."""
    if source.is_symlink() or target.is_symlink() or not (source.is_file() and target.is_file()):
        return False
    return not source.samefile(target) and filecmp.cmp(source, target, shallow=False)


def _put(source: Path, target: Path, how: How, *, begun: bool) -> str:
    """Link, copy or move; gives the reason where it could not be done, else ""."""
    try:
        if begun and _is_copy(source, target):
            source.unlink()
            return ""
        if why := _obstacle(source, target, how):
            return why
        target.parent.mkdir(parents=True, exist_ok=True)
        if how == "link":
            target.symlink_to(source)
        elif how == "copy":
            _copy(source, target)
        else:
            _move(source, target)
    except OSError as error:
        return os_reason(error)
    return ""


def _move(source: Path, target: Path) -> None:
    """Move a file; between two disks it is removed once its copy is whole and on the disk."""
    try:
        source.rename(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    _copy(source, target)
    source.unlink()


def _copy(source: Path, target: Path) -> None:
    """Copy a file and its times, whole or not at all."""
    half = _half(target)
    try:
        shutil.copyfile(source, half)
        with half.open("rb+") as copied:
            os.fsync(copied.fileno())
        shutil.copystat(source, half)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def _half(file: Path) -> Path:
    """Name what a copy is until it is whole: always the same, so that a killed one is found."""
    name = hashlib.sha256(os.fsencode(file.name)).hexdigest()[:16]
    return file.with_name(f".happysad-{name}")


def _take_back(row: dict[str, str], source: Path, target: Path) -> str | None:
    """Undo one row.

    Returns:
        The reason where it could not be done; "" where it was; None where nothing was to be done,
        since the photo was never put there or is back already.
    """
    try:
        if row["how"] == "move":
            if not _there(target):
                return None if _there(source) else "is gone, and so is the photo it was"
            if _is_copy(source, target):  # a call was killed when it had copied it, see _move
                target.unlink()
                return ""
            if _there(source):
                return f"stays, since {source} is there again"
            source.parent.mkdir(parents=True, exist_ok=True)
            _move(target, source)
            return ""
        if not _there(target):
            return None
        if row["how"] == "link":
            if not target.is_symlink() or target.readlink() != source:
                return "stays, since it is no longer the link that was put there"
        elif not source.is_file():
            return f"stays, since {source} is gone"
        elif _stamp(target) != (int(row["bytes"]), int(row["modified"])):
            return "stays, since it was changed"
        target.unlink()
    except OSError as error:
        return os_reason(error)
    return ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from sorting there; lists that one had begun when it was killed go."""
    with alone(folder, "sorts"):
        for file in folder.glob(".sorted-[0-9]*-????????.csv"):
            file.unlink()
        try:
            yield
        finally:
            (folder / LOCK).unlink(missing_ok=True)


def _lists(folder: Path) -> list[Path]:
    """Give the lists, the first one first."""
    return sorted((file for file in folder.glob("sorted-*.csv") if _number(file)), key=_number)


def _stamp(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _number(file: Path) -> int:
    digits = file.stem.removeprefix("sorted-")
    return int(digits) if digits.isdecimal() else 0


def _write(file: Path, rows: Iterator[list[str]]) -> int:
    """Write a list, whole or not at all; gives how many rows it has."""
    count = 0
    with replacing(file) as temporary:
        text: dict[str, Any] = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
        with temporary.open("w", **text) as opened:
            # All are quoted, since before Python 3.13 a CR in a name would not be.
            writer = csv.writer(opened, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow(_HEADER)
            for row in rows:
                writer.writerow(row)
                count += 1
            opened.flush()
            os.fsync(opened.fileno())
    return count


def _read(file: Path) -> Iterator[dict[str, str]]:
    with file.open(encoding="utf-8", errors="surrogateescape", newline="") as opened:
        rows = csv.DictReader(opened)
        if rows.fieldnames != _HEADER:
            raise LibraryError(f"{file}: not a list of sorted photos ({','.join(_HEADER)})")
        try:
            for row in rows:
                if None in row or None in row.values():
                    raise ValueError
                int(row["bytes"]), int(row["modified"])
                yield row
        except (ValueError, csv.Error) as error:
            raise LibraryError(f"{file}: line {rows.line_num} is damaged") from error
