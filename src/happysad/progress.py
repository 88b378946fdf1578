"""Progress on standard error: bars with rate and remaining time on a terminal, and steps."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

__all__ = ["bar", "clock", "observed", "report", "step", "track", "track_bytes", "track_time"]

Item = TypeVar("Item")
Observer = Callable[[str, int, int], None]

_observers: list[Observer] = []


@contextlib.contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Also report the progress of `step`, `track` and epochs to a function, within the block.

    Args:
        observer: called with the name of the work, how much of it is done, and how much there is;
            this is 0 if it is unknown.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)


def report(what: str, done: int, total: int) -> None:
    """Report progress to the functions of `observed`."""
    for observer in _observers:
        observer(what, done, total)


def bar() -> Progress:
    """Return a bar that counts items; its tasks need a field ``note``, the text after the bar."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f}/s" if speed else "")

    return _bar(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def track(items: Iterable[Item], what: str, total: int) -> Iterator[Item]:
    """Yield the items, and show how many are done.

    Args:
        items: the items to yield.
        what: the name of the work, such as "reading".
        total: the number of items.
    """
    with bar() as progress:
        task = progress.add_task(what, total=total, note="")
        for done, item in enumerate(items):
            report(what, done, total)
            yield item
            progress.advance(task)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Show what is being done: for as long as it takes on a terminal, otherwise as a line.

    Args:
        what: the work, such as "drawing the plots".
    """
    from rich.progress import SpinnerColumn, TextColumn

    with _bar(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        if progress.disable:
            sys.stderr.write(f"{what}\n")
            sys.stderr.flush()
        progress.add_task(what, total=None)
        report(what, 0, 0)
        yield


@contextlib.contextmanager
def track_bytes(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show how many bytes are done.

    Args:
        what: the name of the work, such as "downloading".
        total: the number of bytes; None if it is unknown.

    Yields:
        A function to call with the number of bytes that are done.
    """
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    with _bar(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


@contextlib.contextmanager
def track_time(what: str, total: float | None) -> Iterator[Callable[[float], None]]:
    """Show how far a film or a sound is done, and the time that the rest takes.

    Args:
        what: the name of the work.
        total: the length in seconds; None if it is unknown.

    Yields:
        A function to call with the number of seconds that are done.
    """
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Position(ProgressColumn):
        def render(self, task: Task) -> Text:
            whole = "" if task.total is None else f" of {clock(task.total)}"
            return Text(f"{clock(task.completed)}{whole}")

    columns = (TextColumn("{task.description}"), BarColumn(), Position(), TimeRemainingColumn())
    with _bar(*columns) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)


def clock(seconds: float, step: float = 1) -> str:
    """Return a time as m:ss or h:mm:ss, with tenths where `step` is below 1 s.

    >>> clock(3725)
    '1:02:05'
    """
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths if step < 1 else 10 * round(seconds), 600)
    shown = f"{rest / 10:04.1f}" if step < 1 else f"{rest // 10:02}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{shown}" if hours else f"{minutes}:{shown}"


def _bar(*columns: ProgressColumn) -> Progress:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    # Without a terminal, rich would still print an empty line.
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
