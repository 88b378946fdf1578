"""Work for all cores, in order, with a progress bar and a bounded number of results waiting."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from happysad.progress import track

__all__ = ["in_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], what: str
) -> Iterator[Result]:
    """Give ``work(item)`` for each item, in the items' order; `what` stands before the bar.

    An error that `work` raises comes out where its result would have; what is not begun then is
    not begun any more.
    """
    workers = os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers) as pool:

        def results() -> Iterator[Result]:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= 16 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        try:
            yield from track(results(), what, len(items))
        finally:
            for future in waiting:
                future.cancel()
