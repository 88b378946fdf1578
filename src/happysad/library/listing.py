"""The sorted list of a photo library's files, without keeping them in memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

from happysad.errors import LibraryError

__all__ = ["with_sorted"]


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
