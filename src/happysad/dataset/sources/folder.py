"""The pictures of a folder on disk; they are copied, never moved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.members import Member, Members
from happysad.dataset.sources.tally import Source
from happysad.errors import UsageError
from happysad.progress import track

__all__ = ["source"]


def source(folder: Path, class_map: ClassMap, target: Path) -> Source:
    """Return the pictures of the wanted class folders of `folder`.

    Raises:
        UsageError: one of `folder` and `target` contains the other; or as
            `ClassMap.refuse_missing`.
        ImportDataError: as `Members`.
        OSError: a file cannot be read.
    """
    here, there = folder.resolve(), target.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UsageError(f"SOURCE and DIR must not contain each other: {folder}, {target}")
    files = list(_members(folder))
    return Members(str(folder), class_map, lambda doing: track(files, doing, len(files))).pictures


def _members(source: Path) -> Iterator[Member]:
    for folder, below, files in os.walk(source, onerror=_raise):
        below.sort()
        links = [name for name in below if Path(folder, name).is_symlink()]
        for name in sorted([*files, *links]):
            file = Path(folder, name)
            plain = file.is_file() and not file.is_symlink()
            size = file.stat().st_size if plain else 0
            path = file.relative_to(source).as_posix()
            yield Member(path, size, plain, partial(_opened, file))


def _opened(file: Path) -> IO[bytes]:
    return file.open("rb")


def _raise(error: OSError) -> None:
    raise error
