"""Locks between processes: SQLite's, since the standard library has no others for all systems."""

from __future__ import annotations

import sqlite3
from pathlib import Path

__all__ = ["Lock", "take"]

Lock = sqlite3.Connection


def take(file: Path) -> Lock | None:
    """Take a lock; it is free again when it is closed, or when this process has ended, however.

    Args:
        file: a data base that holds nothing; it and its folder are made where there are none.

    Returns:
        None where another one has it, here or in another process.

    Raises:
        OSError: its folder cannot be used.
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
