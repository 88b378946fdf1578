"""A budget of memory that threads share: each waits until its part is free."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["MemoryBudget"]


class MemoryBudget:
    """A number of bytes that all threads of a process share. They are served in turn."""

    def __init__(self, size: int) -> None:
        """Share `size` bytes."""
        self._size = self._free = size
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """Wait for memory, and hold it in the context; not to be nested.

        Args:
            size: the number of bytes; a number above the budget takes all of it.
        """
        size = min(size, self._size)
        with self._turn, self._changed:
            self._changed.wait_for(lambda: self._free >= size)
            self._free -= size
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()
