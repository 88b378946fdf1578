"""Expand folders, globs and lists of paths into files, in the same way for every prediction.

A folder expands to all files in it and below it, of any type, in the order of their names. Hidden
files (.name) are left out; links to folders are not followed. A folder that cannot be listed
expands to itself, so that it gets a row with the reason. ** in a glob walks folders in the same
way.
"""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path, PurePath

from happysad.errors import UsageError

__all__ = ["HEAD", "absolute", "expand", "is_photo", "lies_below", "lines", "plain", "walk"]

#: Every photo has a NUL among its first HEAD bytes; a list of paths has none.
HEAD = 4096


def plain(path: str) -> str:
    """Return a local path in normal form: photos/, ./photos and photos// become photos.

    Links are not resolved, so .. is kept. An empty path is kept too, and so is ./-, since - means
    standard input.
    """
    one = str(PurePath(path))
    return path if not path or one == "-" else one


def absolute(path: str | Path) -> Path:
    """Return an absolute path. Links are resolved only if the path contains .. ."""
    whole = Path.cwd() / path
    if ".." not in whole.parts:
        return whole
    if whole.name == "..":
        return Path(os.path.realpath(whole))
    return Path(os.path.realpath(whole.parent), whole.name)


def lies_below(path: Path, folders: Iterable[Path]) -> bool:
    """Return whether a path lies in or below one of some folders, or is one of these.

    Links in the path are resolved, but for the last name: it may itself be a link.

    Args:
        path: an absolute path; it need not exist.
        folders: folders, or files.
    """
    if path.name in ("", ".."):
        return False
    real = Path(os.path.realpath(path.parent), path.name)
    return any(real.is_relative_to(os.path.realpath(folder)) for folder in folders)


def expand(path: str, *, ordered: bool = True, without: Path | None = None) -> Iterator[str]:
    """Yield the files that a path, a folder or a glob expands to.

    Args:
        path: a path that does not exist is yielded as it is; reading it fails with the reason.
        ordered: False to walk folders in the order of the file system, without keeping the names in
            a folder in memory.
        without: a folder to leave out, with everything below it.
    """
    # os.path returns False for a path without permission or with too long a name; Path raises.
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
    """Yield the files that a glob expands to."""
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
                # `walk` yields a folder only if it cannot be listed.
                if _fits(inside.split(os.sep), below) or os.path.isdir(path):  # noqa: PTH112, PTH206
                    yield path if above else inside


def _fits(names: list[str], pattern: list[str]) -> bool:
    """Return whether a path's names match a pattern, in which ** matches any number of names."""
    places = {0}  # the positions in the pattern that the names so far can have reached
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
    """Return a predicate that is true for `without` and the folders below it."""
    if without is None:
        return lambda folder: False
    real = without.resolve()

    @lru_cache(maxsize=64)
    def lies(folder: str) -> bool:
        return Path(os.path.realpath(folder)).is_relative_to(real)

    return lies


def walk(folder: str, *, ordered: bool = True, without: Path | None = None) -> Iterator[str]:
    """Yield the files in a folder and below it; see `expand`."""
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
    """Yield a folder's files, then its folders, the latter with a trailing separator."""
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
    """Return whether bytes are a photo of any type, rather than a list of paths.

    A signature is not enough: BMP files share only the letters BM, which may also begin a path.
    """
    return b"\0" in data[:HEAD]


def lines(file: Iterable[bytes]) -> Iterator[str]:
    """Yield the paths of a list, one per line; empty lines are skipped.

    Raises:
        UsageError: a line has a NUL, which no path has; find -print0 writes them.
    """
    for line in file:
        if b"\0" in line:
            raise UsageError("a list must have one path per line, not NULs between paths")
        if path := line.rstrip(b"\r\n"):
            yield os.fsdecode(path)
