"""The files of a source that has class folders: a zip, a tar or a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.target import Target
from happysad.errors import ImportDataError, shown
from happysad.images import kind

__all__ = ["MAX_FILE", "Member", "Members"]

#: The maximum number of bytes of a picture: `images.MAX_PIXELS` in RGB, rounded up.
MAX_FILE = 512 * 1024**2

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """One file of a source."""

    path: str
    """Its path in the source; "/" and "\\" separate folders."""
    size: int
    """The number of bytes that the source declares."""
    plain: bool
    """Whether it is an ordinary file: no link, no device, not sparse."""
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    """Opens it for reading; opening and reading raise ImportDataError if it is damaged."""


class Members:
    """Copies the members of one source, after recording its folders.

    The class of a picture is its nearest folder that has the name of a wanted class: both
    dataset/train/happy/x.jpg and happy/anna/x.jpg are happy.
    """

    def __init__(self, where: str, class_map: ClassMap, target: Target) -> None:
        """Prepare to copy from a source.

        Args:
            where: the source, for messages.
            class_map: the wanted classes.
            target: the folder for the pictures.
        """
        self._where, self._class_map, self._target = where, class_map, target
        self._nearest: set[str] = set()
        self._all: set[str] = set()
        self._tables: list[str] = []

    def register(self, members: Iterable[Member]) -> None:
        """Record the folders of `members`, for `refuse_missing_classes`."""
        for member in members:
            parts = _parts(member.path)
            if parts and member.plain and not _hidden(parts):
                self._nearest.update(parts[-2:-1])
                self._all.update(parts[:-1])
                if parts[-1].lower().endswith(".csv"):
                    self._tables.append(member.path)

    def refuse_missing_classes(self) -> None:
        """Raise an error if the registered folders lack wanted classes.

        Raises:
            UsageError, ImportDataError: as `ClassMap.refuse_missing`.
        """
        try:
            self._class_map.refuse_missing(self._where, self._nearest, self._all)
        except ImportDataError as error:
            if self._tables:  # Kaggle packs FER2013's CSV in a zip
                raise ImportDataError(
                    f"{error}; unpack {shown(self._tables[0])} and import that if it is FER2013"
                ) from error
            raise

    def copy(self, member: Member) -> None:
        """Copy a member if it is a picture in a wanted class folder; otherwise only count it.

        Raises:
            ImportDataError: the member is damaged, or larger than `MAX_FILE`.
            OSError: the picture cannot be written.
        """
        parts = _parts(member.path)
        if not member.plain:
            self._target.leave_out("that are links, devices or sparse")
        elif parts is None:
            self._target.leave_out("whose paths leave the source's folder")
        elif _hidden(parts):
            self._target.leave_out("that are hidden")
        elif (found := self._class_folder_of(parts)) is None:
            self._target.leave_out_class(parts[-2] if len(parts) > 1 else "(no folder)")
        elif (data := self._read(member)) is None:
            self._target.leave_out("that are no pictures")
        else:
            class_folder, index = found
            name = "-".join(parts[:index] + parts[index + 1 :])
            self._target.write(class_folder, name, data, theirs=parts[index])

    def _class_folder_of(self, parts: list[str]) -> tuple[str, int] | None:
        """Return the class folder, and the index in `parts` of the folder that decides it."""
        for index in reversed(range(len(parts) - 1)):
            class_folder = self._class_map.folder_of(parts[index])
            if class_folder is not None:
                return class_folder, index
        return None

    def _read(self, member: Member) -> bytes | None:
        with member.open() as file:
            head = file.read(64)
            if kind(head) is None:
                return None
            if member.size > MAX_FILE:
                raise ImportDataError(
                    f"{self._where}: {shown(member.path)} has {member.size:,} bytes; a picture "
                    f"may have at most {MAX_FILE:,}"
                )
            return head + file.read()


def _parts(path: str) -> list[str] | None:
    """Return a path's folders and its name; None if it leads out of the source's folder."""
    path = path.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or _DRIVE.match(path) or ".." in parts or not parts:
        return None
    return parts


def _hidden(parts: list[str]) -> bool:
    """Return whether a path is hidden, or was added by a system as __MACOSX is."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
