"""Expand folders, globs and lists of paths into files, in the same way for every prediction.

A folder expands to all files in it and below it, of any type, in the order of their names; see
`folder_walk` for what is left out and for links. A folder that cannot be listed expands to itself,
so that it gets a row with the reason. ** in a glob walks folders in the same way, and * matches
nothing that is left out. A file or folder that is named itself is always read.
"""

from __future__ import annotations

import codecs
import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from pathlib import Path, PurePath

from happysad.errors import UsageError, shown
from happysad.files import UTF_16
from happysad.folder_walk import LIVE_FILM, LeftOut, Walk, is_live_film, reason_left_out
from happysad.picture_type import HEAD

__all__ = ["absolute", "expand", "is_photo", "lies_below", "lines", "plain"]


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


def expand(
    path: str,
    *,
    ordered: bool = True,
    without: Path | None = None,
    left_out: LeftOut | None = None,
) -> Iterator[str]:
    """Yield the files that a path, a folder or a glob expands to.

    Args:
        path: a path that does not exist is yielded as it is; reading it fails with the reason.
        ordered: as for `Walk`.
        without: as for `Walk`.
        left_out: counts what is left out.
    """
    counts = LeftOut() if left_out is None else left_out
    walk = Walk(ordered=ordered, without=without, left_out=counts.add)
    # os.path returns False for a path without permission or with too long a name; Path raises.
    if os.path.isdir(path):  # noqa: PTH112
        yield from walk.files(path)
    elif glob.has_magic(path) and "\0" not in path and not os.path.exists(path):  # noqa: PTH110
        found = _found(path, walk, without, counts)
        none = True
        for name in sorted(found) if ordered else found:
            none = False
            yield name
        if none and next(glob.iglob(path), None) is None:  # noqa: PTH207
            yield path
    else:
        yield path


def _found(pattern: str, walk: Walk, without: Path | None, counts: LeftOut) -> Iterator[str]:
    """Yield the files that a glob expands to."""
    lies_without = _below(without)
    names = _names(pattern)
    if "**" not in names:
        for name in glob.iglob(pattern):  # noqa: PTH207
            is_folder = os.path.isdir(name)  # noqa: PTH112
            if kind := _kind_matched(name, names, is_folder):
                counts[kind] += 1
            elif glob.has_magic(names[-1]) and is_live_film(name):
                counts[LIVE_FILM] += 1
            elif not is_folder and not lies_without(os.path.dirname(name)):  # noqa: PTH120
                yield name
        return
    first = names.index("**")
    above = os.sep.join(names[:first])  # noqa: PTH118
    if first and not os.path.splitdrive(above)[1]:  # /** and, on Windows, C:/**
        above += os.sep
    below = [name for name in names[first:] if name]
    folders = [above or os.curdir]
    if glob.has_magic(above):
        found = filter(os.path.isdir, glob.iglob(above))  # noqa: PTH207
        kept = (one for one in found if not _kind_matched(one, names, True))
        folders = sorted(kept, key=lambda one: (os.path.islink(one), one))  # noqa: PTH114
    for folder in folders:
        loop = folder != (above or os.curdir) and _leads_back(folder)
        if os.path.isdir(folder) and not lies_without(folder) and not loop:  # noqa: PTH112
            start = os.path.join(folder, "")  # noqa: PTH118
            for path in walk.files(folder):
                inside = path.removeprefix(start)
                # `walk` yields a folder only if it cannot be listed.
                if _fits(_names(inside), below) or os.path.isdir(path):  # noqa: PTH112
                    yield path if above else inside


def _names(path: str) -> list[str]:
    """Return the names in a path, as they stand there: ./ stays."""
    return path.replace("/", os.sep).split(os.sep)  # noqa: PTH206


def _kind_matched(path: str, pattern: list[str], is_folder: bool) -> str:
    """Return the kind of the first name in a path that a wildcard matched and that is left out."""
    parts = _names(path)
    for place, (part, wanted) in enumerate(zip(parts, pattern, strict=False)):
        last = place == len(parts) - 1
        if glob.has_magic(wanted) and part:
            kind = reason_left_out(part, folder=is_folder or not last)
            # A pattern such as .* names hidden files itself.
            if kind and not (kind == "hidden" and wanted.startswith(".")):
                return kind
    return ""


def _leads_back(folder: str) -> bool:
    """Return whether a path is a link to a folder that contains the link."""
    above = Path(os.path.realpath(os.path.dirname(folder) or os.curdir))  # noqa: PTH120
    return os.path.islink(folder) and above.is_relative_to(os.path.realpath(folder))  # noqa: PTH114


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


def is_photo(data: bytes) -> bool:
    """Return whether bytes are a photo of any type, rather than a list of paths.

    A signature is not enough: BMP files share only the letters BM, which may also begin a path.
    Every photo has a NUL among its first `HEAD` bytes; a list of paths has none.
    """
    return b"\0" in data[:HEAD] and not data.startswith(UTF_16)


def lines(file: Iterable[bytes]) -> Iterator[str]:
    """Yield the paths of a list, one per line; empty lines are skipped.

    Args:
        file: the lines of the list, or other parts of it. It may begin with a byte order mark, and
            be in UTF-16, as lists of Windows are.

    Raises:
        UsageError: a line has a NUL, which no path has; find -print0 writes them. Or the list
            begins as UTF-16, and is something else. Or, on Windows, it is not UTF-8.
    """
    parts = iter(file)
    first = next(parts, b"")
    if first.startswith(UTF_16):
        try:
            decoded = _utf_16_lines(chain([first], parts))
            yield from (path for line in decoded if (path := line.rstrip("\r\n")))
        except UnicodeDecodeError as error:
            raise UsageError("a list that begins as UTF-16 must be UTF-16 to its end") from error
        return
    for line in chain([first.removeprefix(codecs.BOM_UTF8)], parts):
        if b"\0" in line:
            raise UsageError("a list must have one path per line, not NULs between paths")
        if name := line.rstrip(b"\r\n"):
            try:
                yield os.fsdecode(name)
            except UnicodeDecodeError as error:  # Windows has no names of other bytes
                raise UsageError(
                    f"a list must be UTF-8 or UTF-16, not {shown(repr(name))}"
                ) from error


def _utf_16_lines(parts: Iterable[bytes]) -> Iterator[str]:
    rest = ""
    for text in codecs.iterdecode(parts, "utf-16"):
        *whole, rest = (rest + text).split("\n")
        yield from whole
    yield rest
