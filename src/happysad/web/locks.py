"""The locks of Teach's folder, and what is said where one is taken."""

from __future__ import annotations

from pathlib import Path

from happysad import locks
from happysad.errors import HappysadError, RunError, os_reason
from happysad.locks import Lock

__all__ = ["BusyError", "Lock", "take"]


class BusyError(HappysadError):
    """Another training or check is running."""


def take(file: Path) -> Lock:
    """Take a lock; see `happysad.locks.take`.

    Raises:
        BusyError: another one has it, here or in another process.
        RunError: its folder cannot be used.
    """
    try:
        lock = locks.take(file)
    except OSError as error:
        raise RunError(f"{file.parent}: {os_reason(error)}") from error
    if lock is None:
        raise BusyError("a training or a check is running; wait or stop it")
    return lock
