"""Locks between processes: the system's own, on a file of which nothing is read or written.

docs/security.md, "Locks".
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from happysad.errors import HappysadError, os_reason

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["LOCK", "Lock", "alone", "take"]

#: The name of the lock's file in a folder that only one process may use at a time.
LOCK = ".lock"

# Errors if another holder has the lock. On Linux, EACCES means a share that is mounted without
# locks.
_HELD = (errno.EACCES,) if sys.platform == "win32" else (errno.EAGAIN, errno.EWOULDBLOCK)


class Lock:
    """A lock that is held until it is closed, or until this process ends."""

    def __init__(self, descriptor: int) -> None:
        """Use `take` instead."""
        self.descriptor = descriptor

    def close(self) -> None:
        """Release the lock."""
        os.close(self.descriptor)


@contextmanager
def alone(
    folder: Path, does: str, error: type[HappysadError], *, remove: bool = False
) -> Iterator[None]:
    """Keep other processes out of a folder until the block, or this process, ends.

    Args:
        folder: created if it does not exist.
        does: what the other process is doing, for the message, such as "writes".
        error: the class of the error below.
        remove: whether to remove the lock's file at the end of the block.

    Raises:
        HappysadError: another process works in the folder, or the folder cannot be used.
    """
    file = folder / LOCK
    try:
        lock = take(file)
    except OSError as cause:
        raise error(f"{folder}: {os_reason(cause)}") from cause
    if lock is None:
        raise error(f"{folder}: another process {does} there")
    with closing(lock):
        try:
            yield
        finally:
            if remove:
                with suppress(OSError):  # Windows removes no file that is open
                    file.unlink()


def take(file: Path) -> Lock | None:
    """Take a lock. Closing it, or the end of this process, releases it.

    Args:
        file: the file to lock; it and its folder are created if they do not exist. Its content is
            neither read nor changed.

    Returns:
        None if another holder, in this or another process, has the lock.

    Raises:
        OSError: the folder cannot be used, its file system has no locks, or `file` is a link or
            another kind of file.
    """
    while True:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = Lock(_opened(file))
        try:
            if not _locked(file, lock.descriptor):
                lock.close()
                return None
            # Another process may have removed the file between opening and locking it.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock.descriptor), file.lstat()):
                    return lock
        except OSError:
            lock.close()
            raise
        lock.close()


def _opened(file: Path) -> int:
    """Open or create a regular file, without following a link or waiting for a pipe."""
    flags = os.O_RDWR | os.O_CREAT
    for name in ("O_NOFOLLOW", "O_NONBLOCK"):  # Windows has neither
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(file, flags, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _not_a_file(file) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _not_a_file(file)
    return descriptor


def _not_a_file(file: Path) -> OSError:
    return OSError(errno.EINVAL, f"{file.name} must be a regular file, not a link", str(file))


def _locked(file: Path, descriptor: int) -> bool:
    """Lock an open file without waiting; return whether this succeeded."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        why = f"this file system has no locks ({os_reason(error)}); mount it with them"
        how = "CIFS with nobrl, NFS with local_lock=flock"
        raise OSError(
            error.errno, f"{why} ({how}), or use a folder on another disk", str(file)
        ) from error
    return True
