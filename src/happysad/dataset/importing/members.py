"""Pictures in class folders, wherever those are: in a zip, in a tar, on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO

from happysad.dataset.importing.classes import ClassMap, shown
from happysad.dataset.importing.placing import Placing
from happysad.errors import ImportDataError
from happysad.images import kind

__all__ = ["MAX_FILE", "Folders", "Member"]

#: A picture of more bytes than this is refused: what `images.MAX_PIXELS` of RGB fill, rounded up.
MAX_FILE = 512 * 1024**2

_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Member:
    """One file of a source."""

    path: str
    """Its path there; "/" and "\\" part folders."""
    size: int
    """How many bytes it says that it has."""
    plain: bool
    """Whether it is a file like any other: no link, no device, nothing sparse."""
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    """Opens it for reading; both raise ImportDataError where it is damaged."""


class Folders:
    """Places the members of one source, and keeps in mind which folders it has.

    A picture's class is the folder nearest to it that has a wanted class's name, so that
    dataset/train/happy/x.jpg is happy, and happy/anna/x.jpg too.
    """

    def __init__(self, where: str, classes: ClassMap, placing: Placing) -> None:
        """Begin with a source called `where`."""
        self._where, self._classes, self._placing = where, classes, placing
        self._nearest: set[str] = set()
        self._all: set[str] = set()
        self._tables: list[str] = []

    def look(self, members: Iterable[Member]) -> None:
        """Keep the folders of `members` in mind, for `check`."""
        for member in members:
            parts = _parts(member.path)
            if parts and member.plain and not _hidden(parts):
                self._nearest.update(parts[-2:-1])
                self._all.update(parts[:-1])
                if parts[-1].lower().endswith(".csv"):
                    self._tables.append(member.path)

    def check(self) -> None:
        """Refuse a source without the wanted folders, among those that were looked at.

        Raises:
            UsageError, ImportDataError: as `ClassMap.refuse_missing`.
        """
        try:
            self._classes.refuse_missing(self._where, self._nearest, self._all)
        except ImportDataError as error:
            if self._tables:  # Kaggle gives FER2013's CSV in a zip
                raise ImportDataError(
                    f"{error}; unpack {shown(self._tables[0])} and import that if it is FER2013"
                ) from error
            raise

    def place(self, member: Member) -> None:
        """Place a member if it is a picture in a wanted class folder; count it where it is not.

        Raises:
            ImportDataError: it is damaged, or larger than `MAX_FILE`.
            OSError: it cannot be written.
        """
        parts = _parts(member.path)
        if not member.plain:
            self._placing.leave_out("that are links, devices or sparse")
        elif parts is None:
            self._placing.leave_out("whose paths leave the source's folder")
        elif _hidden(parts):
            self._placing.leave_out("that are hidden")
        elif (place := self._place_of(parts)) is None:
            self._placing.leave_out_class(parts[-2] if len(parts) > 1 else "(no folder)")
        elif (data := self._read(member)) is None:
            self._placing.leave_out("that are no pictures")
        else:
            label, index = place
            self._placing.place(label, "-".join(parts[:index] + parts[index + 1 :]), data)

    def _place_of(self, parts: list[str]) -> tuple[str, int] | None:
        """The label, and which of the folders gives it."""
        for index in reversed(range(len(parts) - 1)):
            label = self._classes.folder_of(parts[index])
            if label is not None:
                return label, index
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
    """A path's folders and its name; None where it would lead out of the folder it is in."""
    path = path.replace("\\", "/")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if path.startswith("/") or _DRIVE.match(path) or ".." in parts or not parts:
        return None
    return parts


def _hidden(parts: list[str]) -> bool:
    """Tell what systems put beside files: .DS_Store, __MACOSX and the like."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
