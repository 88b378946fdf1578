"""Threads: their number, and a map that keeps the order and bounds the memory."""

from __future__ import annotations

import os
import reprlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from happysad.errors import UsageError

__all__ = ["ordered_map", "thread_count"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Number of items per thread that are started ahead of the item whose result is next.
_AHEAD = 16


def thread_count(threads: int = 0) -> int:
    """Return the number of threads to use.

    Args:
        threads: 0 for one per core, or a positive whole number.

    Raises:
        UsageError: `threads` is something else.

    >>> thread_count(3)
    3
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 0:
        raise UsageError(
            "threads must be 0 (one per core) or a positive whole number, not "
            f"{reprlib.repr(threads)}"
        )
    return threads or os.cpu_count() or 1


def ordered_map(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    threads: int = 0,
    ahead: int | None = None,
) -> Generator[Result, None, None]:
    """Yield ``work(item)`` for each item, in the items' order.

    An error that `work` raises is raised in place of its result. When the generator ends or is
    closed, items that have not begun are cancelled.

    Args:
        work: called in several threads at once.
        items: any iterable, also an endless one.
        threads: as for `thread_count`.
        ahead: the maximum number of items that have begun and whose results are not yet yielded;
            by default 16 for each thread.

    >>> list(ordered_map(len, ["a", "bb"], threads=2))
    [1, 2]
    """
    workers = thread_count(threads)
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= (ahead or _AHEAD * workers):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
