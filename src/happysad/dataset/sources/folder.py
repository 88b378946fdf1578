"""Copy class folders from disk; their pictures are never moved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.members import Member, Members
from happysad.dataset.sources.target import Target
from happysad.errors import UsageError
from happysad.progress import track

__all__ = ["copy"]


def copy(source: Path, class_map: ClassMap, target: Target) -> None:
    """Copy the pictures of the wanted class folders of `source`.

    Raises:
        UsageError: the source lies in the target, or the target in the source; or as
            `ClassMap.refuse_missing`.
        ImportDataError: as `ClassMap.refuse_missing`.
        OSError: a file cannot be read or written.
    """
    here, there = source.resolve(), target.folder.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UsageError(f"SOURCE and DIR must not contain each other: {source}, {target.folder}")
    files = list(_members(source))
    members = Members(str(source), class_map, target)
    members.register(files)
    members.refuse_missing_classes()
    for member in track(files, "copying", len(files)):
        members.copy(member)


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
