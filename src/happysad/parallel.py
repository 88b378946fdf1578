"""Threads: their number, and a map that keeps the order and bounds the memory."""

from __future__ import annotations

import math
import os
import reprlib
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TypeVar

from happysad.errors import UsageError

__all__ = ["ordered_map", "quota", "thread_count", "usable_cores", "use_threads"]

Item = TypeVar("Item")
Result = TypeVar("Result")

# Number of items per thread that are started ahead of the item whose result is next.
_AHEAD = 16

# What 0 threads stand for in this process; 0 for one per core that it may use.
_default = 0


def thread_count(threads: int = 0) -> int:
    """Return the number of threads to use.

    Args:
        threads: 0 for the number of `use_threads`, by default one per core that this process may
            use; or a positive whole number.

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
    return threads or _default or usable_cores()


def use_threads(threads: int) -> None:
    """Set the number of threads that 0 stands for in this process.

    Args:
        threads: a positive whole number; 0 for one per core that this process may use.

    Raises:
        UsageError: `threads` is something else.
    """
    global _default
    thread_count(threads)
    _default = threads


@cache
def usable_cores() -> int:
    """Return the number of cores that this process may use, at least 1.

    The affinity of the process (taskset, Slurm) and, on Linux, the CPU quota of its control groups
    (containers) can be smaller than the machine.

    >>> 1 <= usable_cores() <= os.cpu_count()
    True
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, math.ceil(min(cores, quota(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")))))


def quota(listed: Path, root: Path) -> float:
    """Return how many cores the control groups of this process may keep busy; inf for no limit.

    Source: Linux, Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst.

    Args:
        listed: the file with this process's groups.
        root: the folder of all groups.
    """
    least = math.inf
    with suppress(OSError):
        for line in listed.read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers and "cpu" not in controllers.split(","):
                continue
            top = root / "cpu" if controllers else root
            # In a container, the group may be named as on the host, but only `top` exists.
            for part in (PurePosixPath(group), *PurePosixPath(group).parents):
                least = min(least, _limit(top / part.relative_to("/")))
    return least


def _limit(group: Path) -> float:
    """Return the quota of one group in cores; inf for no limit."""
    with suppress(OSError, ValueError):
        allowed, period = (group / "cpu.max").read_text().split()
        return math.inf if allowed == "max" else int(allowed) / int(period)
    with suppress(OSError, ValueError):
        microseconds = int((group / "cpu.cfs_quota_us").read_text())
        if microseconds >= 0:
            return microseconds / int((group / "cpu.cfs_period_us").read_text())
    return math.inf


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
