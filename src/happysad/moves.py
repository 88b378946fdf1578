"""Link, copy or move users' files into a folder, record it in a journal, and undo it.

A journal (NAME-1.csv, NAME-2.csv, … in the folder) is complete and on the disk before the first
file is touched. If the process is killed at any moment, repeating the call, or `Journal.undo`,
leaves every file in exactly one of its two places. Nothing is overwritten. Between two disks, a
file is copied under a hidden name; when the copy is complete, on the disk and equal to the
original, it is renamed, and then the original is removed.

A journal may come from somebody else, with paths anywhere. So files are moved only between the
journal's folder and the folders that the user has named, by the call or by an earlier call that
moved files; the latter are noted in the user's own state folder. docs/security.md, "Lists of moved
files".

The lists of happysad 0.1.0 can still be undone: sorted-N.csv, which has no column `reason`, and
quarantine.csv, which has only the columns from, to and reason.
"""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Literal, cast, get_args

from happysad.errors import MoveError, os_reason
from happysad.files import replacing, write_text
from happysad.locks import alone
from happysad.paths import lies_below

__all__ = ["Done", "How", "Journal", "Step", "exists", "is_copy", "refuse_links", "stamp"]

How = Literal["link", "copy", "move"]

_HEADER = ["how", "from", "to", "bytes", "modified", "reason"]
# Why no file of any kind can be made in a folder.
_UNWRITABLE = (errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EIO)
_SORTED_OF_0_1_0, _QUARANTINE_OF_0_1_0 = _HEADER[:-1], ["from", "to", "reason"]


@dataclass(frozen=True, slots=True)
class Step:
    """One file to link, copy or move."""

    how: How
    source: Path
    """Where the file is: an absolute path."""
    target: str
    """Where it goes: a path relative to the journal's folder."""
    reason: str = ""
    """The reason, for people; it is written into the journal."""


@dataclass(frozen=True, slots=True)
class Done:
    """The result of `Journal.carry_out` or `Journal.undo`."""

    done: int
    """Number of files that were linked, copied or moved, or put back."""
    failed: int
    """Number of files for which this failed; each was reported with the reason."""
    outside: int = field(default=0, compare=False, repr=False)
    """How many of these lie outside of the folders that the user has named."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of a journal."""

    how: How
    source: str
    target: str
    size: int
    modified: int
    reason: str
    former: bool = False
    """Whether the quarantine of 0.1.0 wrote it; a kill of that could leave half a copy."""


class Journal:
    """The journals of one name in one folder.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> photo = folder / "a.jpg"
    >>> _ = photo.write_bytes(b"photo")
    >>> journal = Journal(folder / "sorted", "sorted", roots=[folder])
    >>> journal.carry_out([Step("move", photo, "happy/a.jpg")])
    Done(done=1, failed=0)
    >>> journal.undo()
    Done(done=1, failed=0)
    >>> photo.read_bytes()
    b'photo'
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        *,
        roots: Iterable[Path] = (),
        former: str | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Use the journals of a folder.

        Args:
            folder: where the files go; created when the first file is put there.
            name: the beginning of the journals' names, such as "sorted".
            roots: the folders that the user has named, from and to which files are moved. `undo`
                without them takes those that `carry_out` has noted.
            former: the name of a list of 0.1.0 that is read as the first journal.
            report: called with one line for each file that stays where it is.
        """
        self.folder = folder
        self._name = name
        self._roots = [Path(os.path.abspath(root)) for root in roots]  # noqa: PTH100
        self._former = former
        self._report = report

    @property
    def exists(self) -> bool:
        """Whether the folder holds a journal."""
        return bool(self._files())

    def carry_out(self, steps: Iterable[Step], *, links: bool = False) -> Done:
        """Put files into the folder, and continue an interrupted call.

        Files that are already there are left as they are.

        Args:
            steps: what to do; read once, before the first file is touched.
            links: whether symbolic links may be moved.

        Raises:
            MoveError: another process works in the folder, a journal is damaged, or the folder
                cannot be written.
        """
        with self._locked():
            failed = 0
            begun: set[tuple[str, str]] = set()
            earlier = cache(self.targets)  # rarely needed, and it may be large

            def planned() -> Iterator[_Row]:
                nonlocal failed
                for step in steps:
                    target = self.folder / step.target
                    try:
                        if _is_done(step, target):
                            continue
                        why = self._outside(step.how, step.source, target)
                        why = why or _obstacle(step, target, links)
                        both = bool(why) and step.how == "move" and is_copy(step.source, target)
                        if both and step.target in earlier().get(str(step.source), []):
                            # A call was killed between copying the file and removing it.
                            begun.add((str(step.source), step.target))
                            why = ""
                        size, modified = (0, 0) if why else stamp(step.source)
                    except OSError as error:  # a forbidden folder, a name that is too long
                        why = os_reason(error)
                    if why:
                        failed += 1
                        self._report(f"{step.source}: {why}")
                    else:
                        yield _Row(
                            step.how, str(step.source), step.target, size, modified, step.reason
                        )

            _note_roots(self.folder / self._name, self._roots)
            number = 1 + max(map(self._number, self._files()), default=0)
            file = self.folder / f"{self._name}-{number}.csv"
            if not _write(file, planned()):
                file.unlink()
                return Done(0, failed)
            _sync(self.folder)
            done = 0
            for row in _read(file):
                step, target = Step(row.how, Path(row.source), row.target), self.folder / row.target
                why = self._outside(row.how, step.source, target)
                why = why or _put(step, target, links, (row.source, row.target) in begun)
                done += not why
                if why:
                    failed += 1
                    self._report(f"{row.source}: {why}")
            return Done(done, failed)

    def undo(self) -> Done:
        """Undo all journals: remove links and copies, and move files back.

        A file stays and is reported if another file has replaced a link, if a copy was changed or
        its source is gone, if the old place of a moved file is taken, or if a place lies outside
        of the folders that the user has named. The journals keep the rows of these files. Journals
        without rows are removed, and so are folders that became empty.

        Raises:
            MoveError: another process works in the folder, or a journal is damaged.
        """
        with self._locked():
            done = failed = refused = 0
            emptied: set[Path] = set()
            self._roots = self._roots or _noted_roots(self.folder / self._name)
            stay: set[str] = set()

            def kept(file: Path) -> Iterator[_Row]:
                nonlocal done, failed, refused
                for row in _read(file):
                    source, target = Path(row.source), self.folder / row.target
                    if outside := self._outside(row.how, source, target):
                        failed += 1
                        refused += 1
                        self._report(f"{target}: {outside}")
                        yield row
                        continue
                    for place in (target, source) if row.how == "move" else (target,):
                        with suppress(OSError):  # its folder does not exist
                            _half(place).unlink()
                    if why := _take_back(row, source, target):
                        if row.target not in stay:  # two journals may hold it
                            failed += 1
                            self._report(f"{target}: {why}")
                        stay.add(row.target)
                        yield row
                    else:
                        done += why is not None
                        emptied.update(set(target.parents) - {self.folder, *self.folder.parents})

            for file in reversed(self._files()):
                if not _write(file, kept(file)):
                    file.unlink()
            if not failed:
                with suppress(OSError):
                    _noted(self.folder / self._name).unlink()
        for below in sorted(emptied, key=lambda path: len(path.parts), reverse=True):
            with suppress(OSError):  # something is in it
                below.rmdir()
        return Done(done, failed, refused)

    def targets(self) -> dict[str, list[str]]:
        """Return the targets of each moved file, those of the first journal first."""
        targets: dict[str, list[str]] = {}
        for file in self._files():
            for row in _read(file):
                if row.how == "move":
                    targets.setdefault(row.source, []).append(row.target)
        return targets

    def _outside(self, how: How, source: Path, target: Path) -> str:
        """Return why a file is not touched where it lies outside of the named folders, or ""."""
        if not lies_below(target, [self.folder]):
            return f"is left alone, since it lies outside of {self.folder}"
        if how == "move" and not lies_below(source, self._roots):
            return f"stays, since {source} lies outside of the folders that you named"
        return ""

    def _files(self) -> list[Path]:
        """Return the journals, the oldest first."""
        files = [file for file in self.folder.glob(f"{self._name}-*.csv") if self._number(file)]
        files.sort(key=self._number)
        if self._former is not None and (former := self.folder / self._former).is_file():
            files.insert(0, former)
        return files

    def _number(self, file: Path) -> int:
        digits = file.stem.removeprefix(f"{self._name}-")
        return int(digits) if digits.isdecimal() else 0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes out, and remove journals that a killed process did not complete."""
        with alone(self.folder, "moves files", MoveError, remove=True):
            begun = [f".{self._name}-[0-9]*-????????.csv"]
            if self._former is not None:
                begun.append(f".{Path(self._former).stem}-????????.csv")
            for file in chain.from_iterable(map(self.folder.glob, begun)):
                file.unlink()
            yield


def _noted(journals: Path) -> Path:
    """Return the file in the user's state folder that has the roots of the journals of a name."""
    home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")  # noqa: PTH111
    name = hashlib.sha256(os.fsencode(os.path.realpath(journals))).hexdigest()[:32]
    return Path(home, "happysad", "moves", f"{name}.json")


def _note_roots(journals: Path, roots: list[Path]) -> None:
    """Note that the user has named roots, if the state folder can be written."""
    noted = _noted_roots(journals)
    if set(roots) - set(noted):
        with suppress(OSError):
            write_text(_noted(journals), json.dumps(sorted({*map(str, noted), *map(str, roots)})))


def _noted_roots(journals: Path) -> list[Path]:
    with suppress(OSError, ValueError, TypeError):
        return [Path(root) for root in json.loads(_noted(journals).read_text(encoding="utf-8"))]
    return []


def refuse_links(folder: Path) -> None:
    """Raise an error if no links can be made in a folder, as on exFAT and for users of Windows.

    Args:
        folder: need not exist; it is created for the attempt, and removed again.

    Raises:
        MoveError: a link cannot be made, or the folder cannot be written.
    """
    made = [one for one in (folder, *folder.parents) if not exists(one)]
    link = folder / ".happysad-link"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # a killed or another call tries it, too
            os.symlink(folder.name, link)  # noqa: PTH211
        link.unlink(missing_ok=True)
    except (OSError, NotImplementedError) as error:
        why = os_reason(error)
        if folder.is_dir() and getattr(error, "errno", None) not in _UNWRITABLE:
            why = f"links are not allowed here ({why}); --by copy needs none"
        raise MoveError(f"{folder}: {why}") from error
    finally:
        for one in made:
            with suppress(OSError):  # something is in it
                one.rmdir()


def exists(file: Path) -> bool:
    """Return whether a path exists; a broken link exists too."""
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def stamp(file: Path) -> tuple[int, int]:
    """Return the size of a file in bytes, and its modification time in nanoseconds.

    For a broken link, return those of the link itself.
    """
    status = file.lstat() if file.is_symlink() and not file.exists() else file.stat()
    return status.st_size, status.st_mtime_ns


def _is_done(step: Step, target: Path) -> bool:
    """Return whether an earlier call has put the file there."""
    source = step.source
    if step.how == "move":
        return exists(target) and not exists(source)
    if step.how == "link":
        return _leads_to(target, source)
    if not target.is_file() or target.is_symlink() or not source.is_file():
        return False
    return stamp(target) == stamp(source)


def _obstacle(step: Step, target: Path, links: bool) -> str:
    """Return why a file cannot be put there, or ""."""
    source = step.source
    if step.how == "move" and source.is_symlink():
        if not links:
            return "is a link, which might break in another folder"
    elif not source.is_file():
        return "is not a file on this machine"
    return f"{target} already exists" if exists(target) else ""


def _leads_to(link: Path, file: Path) -> bool:
    """Return whether a path is a link to a file, as `Path.symlink_to` makes it."""
    if not link.is_symlink():
        return False
    # Windows puts a prefix before the path.
    there = str(link.readlink()).replace("\\\\?\\UNC\\", "\\\\", 1).removeprefix("\\\\?\\")
    return Path(there) == file


def is_copy(source: Path, target: Path) -> bool:
    """Return whether two paths are two files of the same content, or two links to the same path."""
    if not (exists(source) and exists(target)):
        return False
    if os.path.samestat(source.lstat(), target.lstat()):  # two names of one file
        return False
    if source.is_symlink() or target.is_symlink():
        both = source.is_symlink() and target.is_symlink()
        return both and source.readlink() == target.readlink()
    return _same(source, target)


def _same(one: Path, other: Path) -> bool:
    """Return whether two paths are different files, not links, of the same content."""
    return _is_half(one, other) and one.stat().st_size == other.stat().st_size


def _is_half(half: Path, whole: Path) -> bool:
    """Return whether a file is the beginning of another, as an interrupted copy leaves it."""
    if half.is_symlink() or whole.is_symlink() or not (half.is_file() and whole.is_file()):
        return False
    size = half.stat().st_size
    if half.samefile(whole) or size > whole.stat().st_size:
        return False
    with half.open("rb") as one, whole.open("rb") as other:
        while part := one.read(1 << 20):
            if other.read(len(part)) != part:
                return False
    return True


def _put(step: Step, target: Path, links: bool, begun: bool) -> str:
    """Link, copy or move one file, and return why it could not be done, or "".

    Args:
        step: what to do.
        target: the whole path of the target.
        links: as for `Journal.carry_out`.
        begun: whether an earlier call was killed after it had copied the file.
    """
    try:
        if begun and is_copy(step.source, target):
            _remove_copied(step.source, target)
            return ""
        if why := _obstacle(step, target, links):
            return why
        target.parent.mkdir(parents=True, exist_ok=True)
        if step.how == "link":
            target.symlink_to(step.source)
        elif step.how == "copy":
            _copy(step.source, target, follow_links=True)
        else:
            _move(step.source, target)
    except OSError as error:
        return os_reason(error)
    return ""


def _move(source: Path, target: Path) -> None:
    """Move a file or a link, between two disks too."""
    try:
        source.rename(target)
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    _copy(source, target, follow_links=False)
    _remove_copied(source, target)


def _remove_copied(source: Path, target: Path) -> None:
    """Remove a file that is copied, after the name of the copy is on the disk too."""
    _sync(target.parent)
    source.unlink()


def _sync(folder: Path) -> None:
    """Flush the names in a folder to the disk, if the system supports it: Windows does not."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _copy(source: Path, target: Path, *, follow_links: bool) -> None:
    """Copy a file or a link with its times, completely or not at all."""
    half = _half(target)
    half.unlink(missing_ok=True)  # a killed call may have left a link to another file
    try:
        shutil.copyfile(source, half, follow_symlinks=follow_links)
        if not half.is_symlink():
            with half.open("rb+") as copied:
                os.fsync(copied.fileno())
            if not _same(half, Path(os.path.realpath(source))):
                raise OSError(errno.EIO, "the copy differs from the file", str(source))
        shutil.copystat(source, half, follow_symlinks=follow_links)
        half.replace(target)
    finally:
        half.unlink(missing_ok=True)


def _half(file: Path) -> Path:
    """Return the path of an incomplete copy: always the same, so that a later call finds it."""
    name = hashlib.sha256(os.fsencode(file.name)).hexdigest()[:16]
    return file.with_name(f".happysad-{name}")


def _take_back(row: _Row, source: Path, target: Path) -> str | None:
    """Undo one row.

    Returns:
        Why it could not be undone; "" if it was undone; None if there was nothing to undo, since
        the file was never put there or is already back.
    """
    try:
        if row.how == "move":
            return _move_back(row, source, target)
        if not exists(target):
            return None
        if row.how == "link":
            if not _leads_to(target, source):
                return "stays, since it is no longer the link that was put there"
        elif not source.is_file():
            return f"stays, since {source} is gone"
        elif stamp(target) != (row.size, row.modified) or not is_copy(source.resolve(), target):
            return "stays, since it was changed"
        target.unlink()
    except OSError as error:
        return os_reason(error)
    return ""


def _move_back(row: _Row, source: Path, target: Path) -> str | None:
    """Undo one move; returns what `_take_back` returns."""
    if not exists(target):
        return None if exists(source) else f"is gone, and so is {source}"
    if is_copy(source, target) or (row.former and _is_half(target, source)):
        _remove_copied(target, source)  # a call was killed between two disks
        return ""
    if row.former and _is_half(source, target):
        source.unlink()  # a restore was killed between two disks
    if exists(source):
        return f"stays, since {source} exists again"
    source.parent.mkdir(parents=True, exist_ok=True)
    _move(target, source)
    return ""


def _write(file: Path, rows: Iterator[_Row]) -> int:
    """Write a journal, completely or not at all, and return the number of its rows."""
    count = 0
    try:
        with (
            replacing(file) as temporary,
            temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as opened,
        ):
            # All fields are quoted, since before Python 3.13 csv does not quote a CR.
            writer = csv.writer(opened, lineterminator="\n", quoting=csv.QUOTE_ALL)
            writer.writerow(_HEADER)
            for row in rows:
                writer.writerow(astuple(row)[: len(_HEADER)])
                count += 1
            opened.flush()
            os.fsync(opened.fileno())
    except OSError as error:
        raise MoveError(f"{file}: {os_reason(error)}") from error
    return count


def _read(file: Path) -> Iterator[_Row]:
    """Yield the rows of a journal, in the format of this version or of 0.1.0."""
    with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as opened:
        # The quarantine of 0.1.0 wrote a CR in a name without quotes, which csv does not read. It
        # is replaced by a NUL, which no path contains, while the line is parsed.
        rows = csv.DictReader(re.sub("\r(?!\n)", "\0", line) for line in opened)
        former = rows.fieldnames == _QUARANTINE_OF_0_1_0
        if not former and rows.fieldnames not in (_HEADER, _SORTED_OF_0_1_0):
            raise MoveError(f"{file}: not a list of moved files ({','.join(_HEADER)})")
        try:
            for row in rows:
                if None in row or None in row.values():
                    raise ValueError
                if (how := row.get("how", "move")) not in get_args(How):
                    raise ValueError
                yield _Row(
                    cast("How", how),
                    row["from"].replace("\0", "\r"),
                    row["to"].replace("\0", "\r"),
                    int(row.get("bytes", 0)),
                    int(row.get("modified", 0)),
                    row.get("reason", "").replace("\0", "\r"),
                    former,
                )
        except (ValueError, csv.Error) as error:
            raise MoveError(f"{file}: line {rows.line_num} is damaged") from error
