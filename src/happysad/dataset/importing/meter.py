"""A progress bar for bytes on standard error, with a rate and the time left."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

__all__ = ["meter"]


@contextlib.contextmanager
def meter(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Give a function that takes how many bytes are done; `total` is None where nobody knows."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # rich would leave an empty line
    ) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.update(task, completed=done)
