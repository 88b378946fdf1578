"""The pictures of a folder on disk; they are copied, never moved."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from happysad.dataset.sources.members import Member
from happysad.errors import UsageError
from happysad.folder_walk import Walk
from happysad.progress import track

__all__ = ["members", "refuse_overlap"]


def members(source: Path, doing: str) -> Iterator[Member]:
    """Yield the files of a folder, and what `folder_walk` leaves out, which counts as one each.

    Args:
        source: the folder.
        doing: names the work, for the progress bar.

    Raises:
        OSError: a folder cannot be read.
    """
    found = list(_members(source))
    return track(found, doing, len(found))


def refuse_overlap(source: Path, target: Path) -> None:
    """Raise an error if one of two folders contains the other.

    Raises:
        UsageError: one contains the other.
    """
    here, there = source.resolve(), target.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UsageError(f"SOURCE and DIR must not contain each other: {source}, {target}")


def _members(source: Path) -> Iterator[Member]:
    beside: list[Member] = []

    def leave_out(path: str, _: str) -> None:
        name = Path(path).relative_to(source).as_posix()
        beside.append(Member(name, 0, plain=True, open=partial(_opened, Path(path))))

    for path in Walk(left_out=leave_out, refuse=_raise).files(str(source)):
        file = Path(path)
        plain = file.is_file()
        size = file.stat().st_size if plain else 0
        name = file.relative_to(source).as_posix()
        yield Member(name, size, plain, partial(_opened, file))
    yield from beside


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")


def _raise(error: OSError) -> None:
    raise error
