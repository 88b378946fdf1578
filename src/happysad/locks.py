"""Locks between processes, by SQLite: the standard library has no other that works everywhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from happysad.errors import HappysadError, os_reason

__all__ = ["LOCK", "Lock", "alone", "take"]

Lock = sqlite3.Connection

#: The name of the lock's file in a folder that only one process may use at a time.
LOCK = ".lock"


@contextmanager
def alone(folder: Path, does: str, error: type[HappysadError]) -> Iterator[None]:
    """Keep other processes out of a folder until the block, or this process, ends.

    Args:
        folder: created if it does not exist.
        does: what the other process is doing, for the message, such as "writes".
        error: the class of the error below.

    Raises:
        HappysadError: another process works in the folder, or the folder cannot be used.
    """
    try:
        lock = take(folder / LOCK)
    except OSError as cause:
        raise error(f"{folder}: {os_reason(cause)}") from cause
    if lock is None:
        raise error(f"{folder}: another process {does} there")
    with closing(lock):
        yield


def take(file: Path) -> Lock | None:
    """Take a lock. Closing it, or the end of this process, releases it.

    Args:
        file: an empty database; the file and its folder are created if they do not exist.

    Returns:
        None if another holder, in this or another process, has the lock.

    Raises:
        OSError: the folder cannot be used.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        lock = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise _unusable(file, error) from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            return None
        raise _unusable(file, error) from error
    return lock


def _unusable(file: Path, error: sqlite3.Error) -> OSError:
    return OSError(0, str(error), str(file.parent))
