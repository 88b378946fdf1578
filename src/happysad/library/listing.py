"""From what the command line names to single files: one rule for all of `happysad predict`.

A folder stands for all files in it and below it, whatever their type, in the order of their names;
hidden ones (.name) are left out, links to folders are not followed. A folder that cannot be listed
stands for itself, so that it gets a row with the reason. ** in a glob is such a walk, too.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path, PurePath

from happysad.errors import LibraryError, UsageError

__all__ = ["HEAD", "absolute", "expand", "is_photo", "lines", "plain", "walk", "with_sorted"]

#: In so many of its first bytes every photo has a NUL.
HEAD = 4096


def plain(path: str) -> str:
    """Give a local path in its one form: photos/, ./photos and photos// are photos.

    Links are not looked at, so .. stays. What would become empty or -, standard input, is left.
    """
    one = str(PurePath(path))
    return path if not path or one == "-" else one


def absolute(path: str | Path) -> Path:
    """Give a path from the root. Links stay as they are, but for those that .. leads back from."""
    whole = Path.cwd() / path
    if ".." not in whole.parts:
        return whole
    if whole.name == "..":
        return Path(os.path.realpath(whole))
    return Path(os.path.realpath(whole.parent), whole.name)


def expand(path: str, *, ordered: bool = True, without: Path | None = None) -> Iterator[str]:
    """Give the files that a path, a folder or a glob stands for.

    Args:
        path: what does not exist is given back as it is: reading it will say why.
        ordered: False walks folders in the disk's order and keeps no folder's names in memory.
        without: a folder of which, and below which, no file is given where a folder or a glob
            has led there.
    """
    # os.path says False of what may not be looked at, or has too long a name; Path raises.
    if os.path.isdir(path):  # noqa: PTH112
        yield from walk(path, ordered=ordered, without=without)
    elif glob.has_magic(path) and "\0" not in path and not os.path.exists(path):  # noqa: PTH110
        found = _found(path, without)
        none = True
        for name in sorted(found) if ordered else found:
            none = False
            yield name
        if none and next(glob.iglob(path), None) is None:  # noqa: PTH207
            yield path
    else:
        yield path


def _found(pattern: str, without: Path | None) -> Iterator[str]:
    """Give the files that a glob stands for."""
    lies_without = _below(without)
    names = pattern.replace("/", os.sep).split(os.sep)  # noqa: PTH206 - ./ stays
    if "**" not in names:
        for name in glob.iglob(pattern):  # noqa: PTH207
            if not os.path.isdir(name) and not lies_without(os.path.dirname(name)):  # noqa: PTH112, PTH120
                yield name
        return
    first = names.index("**")
    above = os.sep.join(names[:first]) or (os.sep if first else "")  # noqa: PTH118
    below = [name for name in names[first:] if name]
    folders: Iterable[str] = [above or os.curdir]
    if glob.has_magic(above):
        folders = (one for one in glob.iglob(above) if not os.path.islink(one))  # noqa: PTH114, PTH207
    for folder in folders:
        if os.path.isdir(folder) and not lies_without(folder):  # noqa: PTH112
            start = os.path.join(folder, "")  # noqa: PTH118
            for path in walk(folder, ordered=False, without=without):
                inside = path.removeprefix(start)
                # A folder is one that could not be listed.
                if _fits(inside.split(os.sep), below) or os.path.isdir(path):  # noqa: PTH112, PTH206
                    yield path if above else inside


def _fits(names: list[str], pattern: list[str]) -> bool:
    """Tell whether a path's names are as those of a pattern, in which ** is any number of them."""
    places = {0}  # in the pattern; after each name, all that what came so far may have led to
    for name in [*names, None]:
        for place, part in enumerate(pattern):
            if place in places and part == "**":
                places.add(place + 1)
        if name is None:
            break
        places = {
            place + (part != "**")
            for place, part in enumerate(pattern)
            if place in places and (part == "**" or fnmatch.fnmatch(name, part))
        }
    return len(pattern) in places


def _below(without: Path | None) -> Callable[[str], bool]:
    """Give what tells whether a folder is `without` or lies below it."""
    if without is None:
        return lambda folder: False
    real = without.resolve()

    @lru_cache(maxsize=64)
    def lies(folder: str) -> bool:
        return Path(os.path.realpath(folder)).is_relative_to(real)

    return lies


def walk(folder: str, *, ordered: bool = True, without: Path | None = None) -> Iterator[str]:
    """Give the files in a folder and below it; see `expand`."""
    left_out = None if without is None or not without.exists() else without.stat()
    open_: list[Iterator[str]] = [_entries(folder, ordered)]
    while open_:
        path = next(open_[-1], None)
        if path is None:
            open_.pop()
        elif not path.endswith(os.sep):
            yield path
        elif left_out is None or not _same(path, left_out):
            open_.append(_entries(path, ordered))


def _entries(folder: str, ordered: bool) -> Iterator[str]:
    """Give a folder's files, then its folders, these with a separator at their end."""
    folders = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda one: one.name) if ordered else entries:
                if entry.name.startswith("."):
                    continue
                path = os.path.join(folder, entry.name)  # noqa: PTH118
                if entry.is_dir(follow_symlinks=False):
                    folders.append(path + os.sep)
                elif not (entry.is_symlink() and os.path.isdir(path)):  # noqa: PTH112
                    yield path
    except OSError:
        yield folder.rstrip(os.sep) or folder
    yield from folders


def _same(folder: str, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(folder), status)  # noqa: PTH116
    except OSError:
        return False


def is_photo(data: bytes) -> bool:
    """Tell a photo, of whatever type, from a list of paths, which has no NUL.

    A list may begin as a photo does: BM is all that BMP files have in common.
    """
    return b"\0" in data[:HEAD]


def lines(file: Iterable[bytes]) -> Iterator[str]:
    """Give the paths of a list, one a line; empty lines are none.

    Raises:
        UsageError: a line has a NUL, as no path has: find -print0 writes them.
    """
    for line in file:
        if b"\0" in line:
            raise UsageError("a list has one path a line, not NULs between them")
        if path := line.rstrip(b"\r\n"):
            yield os.fsdecode(path)


def with_sorted(
    found: Iterable[str],
    known: Iterable[bytes],
    use: Callable[[Iterator[bytes]], int],
) -> tuple[int, int]:
    """Sort paths by their bytes, each once, without keeping them in memory: SQLite does it on disk.

    Args:
        found: paths, in any order.
        known: those that were found before.
        use: takes the new ones in order; gives how many it took.

    Returns:
        How many are new, and how many of the known ones were not found.

    Raises:
        LibraryError: there is no room where SQLite sorts.
    """
    with closing(sqlite3.connect("")) as base:  # a temporary file that goes with the connection
        try:
            return _with_sorted(base, found, known, use)
        except sqlite3.Error as error:
            raise LibraryError(
                f"the list of files: {error}; it is sorted in the temporary folder, and "
                "SQLITE_TMPDIR names another that has room"
            ) from error


def _with_sorted(
    base: sqlite3.Connection,
    found: Iterable[str],
    known: Iterable[bytes],
    use: Callable[[Iterator[bytes]], int],
) -> tuple[int, int]:
    base.execute("PRAGMA temp_store = FILE")
    base.execute("PRAGMA synchronous = OFF")
    base.execute("PRAGMA journal_mode = OFF")
    base.execute("CREATE TABLE files (path BLOB NOT NULL, old INTEGER NOT NULL)")
    for old, paths in ((0, map(os.fsencode, found)), (1, known)):
        base.executemany("INSERT INTO files VALUES (?, ?)", ((path, old) for path in paths))
    gone = 0

    def new() -> Iterator[bytes]:
        nonlocal gone
        for path, only_old, was in base.execute(
            "SELECT path, min(old), max(old) FROM files GROUP BY path ORDER BY path"
        ):
            gone += only_old
            if not was:
                yield path

    return use(new()), gone
