"""Locks between processes: SQLite's, since the standard library has no others for all systems."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from happysad.errors import HappysadError, RunError

__all__ = ["BusyError", "Lock", "take"]

Lock = sqlite3.Connection


class BusyError(HappysadError):
    """Another training or check is running."""


def take(file: Path) -> Lock:
    """Take a lock; it is free again when it is closed, or when this process has ended.

    Args:
        file: a data base that holds nothing; it is made where there is none.

    Raises:
        BusyError: another one has it, here or in another process.
        RunError: its folder cannot be used.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = sqlite3.connect(file, timeout=0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"{file.parent}: {reason.lower()}") from error
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.Error as error:
        lock.close()
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise BusyError("a training or a check is running; wait or stop it") from None
        raise RunError(f"{file.parent}: {error}") from error
    return lock
