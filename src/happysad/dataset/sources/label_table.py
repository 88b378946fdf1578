"""A CSV with the paths of photos and their classes, as many datasets bring one."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from happysad.dataset.sources.class_map import DEFAULT, OTHERS, ClassMap
from happysad.dataset.sources.layouts import Parts, Place, stem
from happysad.dataset.sources.tally import Tally
from happysad.errors import ImportDataError, UsageError, counted, shown
from happysad.files import decoded_text
from happysad.names import nfc

__all__ = ["MAX_TABLE", "LabelTable"]

#: The maximum number of bytes of a table.
MAX_TABLE = 64 * 1024**2

_DELIMITERS = ",;\t|"
# The usual names of the two columns, in lower case without "_", "-", "." and blanks.
_PATHS = "path file filename filepath image imagename imagepath imagefile img imgname imgpath photo"
_CLASSES = "class classname label labels emotion emotions expression category target sentiment"
# The number of rows that are enough to guess the columns.
_ENOUGH = 1000
# The maximum number of bad rows that are listed.
_LISTED = 20


@dataclass(frozen=True)
class _Row:
    line: int
    cells: list[str]


@dataclass
class _Named:
    """The files that the rows name, and the rows that cannot be used."""

    theirs: dict[Parts, str] = field(default_factory=dict)
    """The class of each file, as the table has it."""
    lines: dict[Parts, int] = field(default_factory=dict)
    bad: list[str] = field(default_factory=list)


class LabelTable:
    """The classes of a source's pictures, from a CSV; a `layouts.Layout` after `resolve`."""

    def __init__(
        self,
        where: str,
        data: bytes,
        class_map: ClassMap,
        *,
        path_column: str | None = None,
        class_column: str | None = None,
    ) -> None:
        """Read the table.

        Args:
            where: the table, for messages.
            data: its bytes: UTF-8 or UTF-16; comma, semicolon, tab or "|" separate the columns,
                and the first row has their names.
            class_map: the wanted classes.
            path_column: the column with the paths; None to guess it.
            class_column: the column with the classes; None to guess it.

        Raises:
            UsageError: there is no column of a given name.
            ImportDataError: the table is not text, or has no rows.
        """
        self._where, self._class_map = where, class_map
        self._header, self._rows = _read(where, data)
        self._given = {
            "--path-column": self._index("--path-column", path_column),
            "--class-column": self._index("--class-column", class_column),
        }
        self._stems = {
            stem(_normal(_parts(cell)[-1:]))
            for row in self._rows
            for cell in row.cells
            if _parts(cell)
        }
        self._guesses: list[str] = []
        self._named = _Named()

    def may_name(self, parts: Parts) -> bool:
        """Return whether a cell of the table has the name of a file, in any column."""
        return stem(_normal(parts[-1:])) in self._stems

    def resolve(self, folder: str, files: Mapping[Parts, bool]) -> None:
        """Find the files that the rows name.

        A row's path is relative to the source or to any folder in it, and may lack the extension
        of a picture. What stands before the name of the source's folder is ignored.

        Args:
            folder: the name of the source's folder.
            files: whether each file of the source is a picture.

        Raises:
            UsageError: as `ClassMap.refuse_missing`.
            ImportDataError: the columns cannot be guessed, no row names a file, or as
                `ClassMap.refuse_missing`.
        """
        finder = _Finder(folder, files)
        named, maybe = self._has_paths(finder, whole=True), self._has_paths(finder, whole=False)
        path_column = self._column("--path-column", _PATHS, named, maybe)
        class_column = self._column("--class-column", _CLASSES, self._has_classes())
        classes = {row.cells[class_column].strip() for row in self._of_full_length()}
        self._class_map.refuse_missing(self._where, filter(None, classes))
        for row in self._rows:
            problem = self._enter(row, path_column, class_column, finder)
            if problem:
                self._named.bad.append(f"{self._where}, line {row.line}: {problem}")
        if not self._named.theirs:
            raise ImportDataError(self._named.bad[0])

    def find(self, parts: Parts) -> Place | None:
        """Return where a picture goes; None if the table gives it no wanted class."""
        theirs = self._named.theirs.get(parts)
        folder = None if theirs is None else self._class_map.folder_of(theirs)
        return Place(folder, "-".join(parts), theirs) if folder and theirs else None

    def leave_out(self, parts: Parts, tally: Tally) -> None:
        """Count a member that has another class, or none."""
        theirs = self._named.theirs.get(parts)
        if theirs is None:
            tally.leave_out("to which the table gives no class")
        else:
            tally.leave_out_class(theirs)

    def describe(self, _: Iterable[Parts], tally: Tally) -> None:
        """Add the guessed columns and the unusable rows to `tally`."""
        if self._guesses:
            tally.guess(f"The columns are guessed: {' '.join(self._guesses)}.")
        bad = self._named.bad
        for line in bad[:_LISTED]:
            tally.note(line)
        if bad:
            more = f", of which these are the first {_LISTED}" if len(bad) > _LISTED else ""
            tally.note(f"left out: {counted(len(bad), 'row')} of {self._where}{more}")

    def _enter(self, row: _Row, path_column: int, class_column: int, finder: _Finder) -> str:
        """Enter a row's class; return what is wrong with the row, "" if nothing is."""
        if len(row.cells) != len(self._header):
            return f"a row must have {len(self._header)} fields, not {len(row.cells)}"
        path, theirs = row.cells[path_column].strip(), row.cells[class_column].strip()
        if not path or not theirs:
            return f"no {'class' if path else 'path'}"
        file = finder.find(path)
        if isinstance(file, str):
            return file
        named = self._named
        if file in named.lines:
            if named.theirs.get(file) == theirs:
                return ""
            before = named.theirs.pop(file, "another class")
            return f"{shown(path)} is {shown(theirs)} here, {before} on line {named.lines[file]}"
        named.theirs[file], named.lines[file] = theirs, row.line
        return "" if finder.is_picture(file) else f"{shown(path)} is no picture"

    def _index(self, option: str, name: str | None) -> int | None:
        if name is None:
            return None
        for key in (str, _key):
            found = [i for i, column in enumerate(self._header) if key(column) == key(name)]
            if len(found) == 1:
                return found[0]
        raise UsageError(
            f"{option} must be one of the columns {self._columns()} of {self._where}, not "
            f"{name[:80]!r}"
        )

    def _column(self, option: str, usual: str, *fits: Callable[[int], bool]) -> int:
        """Return the column that is given, or the only one that fits by content or by name.

        Of `fits`, the first that fits any column decides.
        """
        if (given := self._given[option]) is not None:
            return given
        taken = [column for column in self._given.values() if column is not None]
        free = [column for column in range(len(self._header)) if column not in taken]
        found = next(filter(None, ([c for c in free if fit(c)] for fit in fits)), [])
        if len(found) != 1:
            named = [c for c in found or free if _key(self._header[c]) in usual.split()]
            found = named if len(named) == 1 else found
        if len(found) != 1:
            what = "paths of photos" if option == "--path-column" else "classes"
            raise ImportDataError(
                f"{self._where}: {'no column has' if not found else 'several columns have'} "
                f"{what}; choose one with {option}: {self._columns()}"
            )
        self._given[option] = found[0]
        self._guesses.append(f"{option} {shown(self._header[found[0]])}")
        return found[0]

    def _has_paths(self, finder: _Finder, *, whole: bool) -> Callable[[int], bool]:
        """Return a test whether at least half of a column are paths; `whole`: with extensions."""

        def is_path(cell: str) -> bool:
            file = finder.find(cell)
            if isinstance(file, str):
                return False
            return not whole or _normal(file)[-1] == _normal(_parts(cell))[-1]

        def fits(column: int) -> bool:
            cells = [row.cells[column].strip() for row in self._of_full_length()[:_ENOUGH]]
            return 2 * sum(map(is_path, cells)) >= max(1, len(cells))

        return fits

    def _has_classes(self) -> Callable[[int], bool]:
        """Return a test whether any cell of a column is a known class."""
        known = {_key(name) for name in (*self._class_map.names, *DEFAULT, *OTHERS)}

        def fits(column: int) -> bool:
            cells = (row.cells[column] for row in self._of_full_length()[:_ENOUGH])
            return any(_key(cell) in known for cell in cells)

        return fits

    def _of_full_length(self) -> list[_Row]:
        return [row for row in self._rows if len(row.cells) == len(self._header)]

    def _columns(self) -> str:
        return shown(", ".join(self._header))


class _Finder:
    """The files of a source, by their paths and by the ends of these."""

    def __init__(self, folder: str, files: Mapping[Parts, bool]) -> None:
        self._folder, self._files = folder, files
        self._ends: dict[Parts, list[Parts]] = {}
        for parts in files:
            for start in range(len(parts)):
                end = _normal(parts[start:])
                for key in {end, (*end[:-1], stem(end))}:
                    self._ends.setdefault(key, []).append(parts)

    def find(self, path: str) -> Parts | str:
        """Return the file that a row names, or what is wrong with the path."""
        parts = _normal(_parts(path))
        starts = [0] if parts and ".." not in parts else []
        if starts and self._folder in parts[:-1]:
            starts.append(parts.index(self._folder) + 1)
        for start in starts:
            found = self._ends.get(parts[start:], [])
            whole = [file for file in found if _normal(file) == parts[start:]]
            if len(whole or found) == 1:
                return (whole or found)[0]
            if found:
                return f"several files are named {shown(path)}"
        return f"no such file: {shown(path)}"

    def is_picture(self, file: Parts) -> bool:
        """Return whether a file is a picture."""
        return self._files[file]


def _read(where: str, data: bytes) -> tuple[list[str], list[_Row]]:
    """Return the names of the columns, and the rows that are not blank."""
    try:
        text = decoded_text(data)
    except UnicodeDecodeError as error:
        raise ImportDataError(f"{where}: must be text in UTF-8 or UTF-16: {error}") from error
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [_Row(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except csv.Error as error:
        raise ImportDataError(f"{where}, line {reader.line_num + 1}: {error}") from error
    if len(rows) < 2:
        raise ImportDataError(f"{where}: must have the names of its columns, and rows below them")
    return [name.strip() for name in rows[0].cells], rows[1:]


def _parts(path: str) -> Parts:
    return tuple(one for one in path.strip().replace("\\", "/").split("/") if one not in ("", "."))


def _normal(parts: Sequence[str]) -> Parts:
    return tuple(nfc(one) for one in parts)


def _key(name: str) -> str:
    """Return a name without its case, its separators and blanks."""
    return "".join(c for c in nfc(name).casefold() if c not in "_-. ")
