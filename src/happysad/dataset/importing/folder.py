"""Class folders on disk: their pictures are copied, never moved."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO

from happysad.dataset.importing.classes import ClassMap
from happysad.dataset.importing.members import Folders, Member
from happysad.dataset.importing.placing import Placing
from happysad.errors import UsageError
from happysad.progress import track

__all__ = ["place"]


def place(source: Path, classes: ClassMap, placing: Placing) -> None:
    """Copy the pictures of `source`'s wanted class folders.

    Raises:
        UsageError: one of the two folders lies in the other; or as `ClassMap.refuse_missing`.
        ImportDataError: as `ClassMap.refuse_missing`.
        OSError: a file cannot be read or written.
    """
    here, there = source.resolve(), placing.target.resolve()
    if here.is_relative_to(there) or there.is_relative_to(here):
        raise UsageError(f"SOURCE and DIR must lie apart: {source}, {placing.target}")
    folders = Folders(str(source), classes, placing)
    members = list(_members(source))
    folders.look(members)
    folders.check()
    for member in track(members, "copying", len(members)):
        folders.place(member)


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
