"""One process at a time in a folder: of results, or of sorted photos."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from happysad.errors import LibraryError, os_reason
from happysad.locks import take

__all__ = ["LOCK", "alone"]

#: The file in the folder that is locked.
LOCK = ".lock"


@contextmanager
def alone(folder: Path, does: str) -> Iterator[None]:
    """Keep other processes out of a folder; a process that ends, however, lets go.

    Args:
        folder: made where there is none.
        does: what another one would be doing, such as "writes".

    Raises:
        LibraryError: another one does it, or the folder cannot be used.
    """
    try:
        lock = take(folder / LOCK)
    except OSError as error:
        raise LibraryError(f"{folder}: {os_reason(error)}") from error
    if lock is None:
        raise LibraryError(f"{folder}: another process {does} there")
    with closing(lock):
        yield
