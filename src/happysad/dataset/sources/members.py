"""The files of a source that has class folders: a zip, a tar or a folder."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from typing import IO

from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.split_folders import split_folder
from happysad.dataset.sources.tally import Picture, Tally
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


@dataclass(frozen=True)
class _Seen:
    """What the first reading of a source tells about a member."""

    parts: tuple[str, ...]
    """Its folders and its name; () if its path leads out of the source's folder."""
    size: int
    plain: bool
    is_picture: bool = False
    """Whether it begins as a picture; only members of wanted classes are opened to see this."""


class Members:
    """Finds the pictures of wanted classes among the members of one source.

    The class of a picture is its nearest folder that has the name of a wanted class: both
    dataset/train/happy/x.jpg and happy/anna/x.jpg are happy.
    """

    def __init__(
        self, where: str, class_map: ClassMap, listing: Callable[[str], Iterable[Member]]
    ) -> None:
        """Read the list of the members.

        Args:
            where: the source, for messages.
            class_map: the wanted classes.
            listing: returns the members, in the same order each time; a member can be opened only
                until the next one is requested. Its argument names the work, for the progress bar.

        Raises:
            UsageError: as `ClassMap.refuse_missing`.
            ImportDataError: the source is damaged, or has no wanted class.
        """
        self._where, self._class_map, self._listing = where, class_map, listing
        self._seen = list(map(self._see, listing("checking")))
        self._refuse_missing_classes()

    def pictures(self, tally: Tally, *, reading: bool) -> Iterator[Picture]:
        """Yield the pictures of the wanted classes; see `tally.Source`.

        Raises:
            ImportDataError: a member is damaged, or a picture is larger than `MAX_FILE`.
        """
        members = self._listing("copying") if reading else repeat(None)
        for seen, member in zip(self._seen, members, strict=False):
            if not seen.plain:
                tally.leave_out("that are links, devices or sparse")
            elif not seen.parts:
                tally.leave_out("whose paths leave the source's folder")
            elif _hidden(seen.parts):
                tally.leave_out("that are hidden")
            elif (found := self._class_folder_of(seen.parts)) is None:
                tally.leave_out_class(seen.parts[-2] if len(seen.parts) > 1 else "(no folder)")
            elif not seen.is_picture:
                tally.leave_out("that are no pictures")
            else:
                class_folder, index = found
                self._refuse_too_large(seen)
                yield Picture(
                    class_folder,
                    "-".join(seen.parts[:index] + seen.parts[index + 1 :]),
                    seen.parts[index],
                    partial(_content, member),
                    split=split_folder(seen.parts[:-1]),
                )

    def _see(self, member: Member) -> _Seen:
        seen = _Seen(_parts(member.path), member.size, member.plain)
        if not (seen.parts and seen.plain) or _hidden(seen.parts):
            return seen
        if self._class_folder_of(seen.parts) is None:
            return seen
        with member.open() as file:
            return replace(seen, is_picture=kind(file.read(64)) is not None)

    def _refuse_missing_classes(self) -> None:
        nearest: set[str] = set()
        folders: set[str] = set()
        tables: list[tuple[str, ...]] = []
        for seen in self._seen:
            if seen.plain and not _hidden(seen.parts):
                nearest.update(seen.parts[-2:-1])
                folders.update(seen.parts[:-1])
                if seen.parts and seen.parts[-1].lower().endswith(".csv"):
                    tables.append(seen.parts)
        try:
            self._class_map.refuse_missing(self._where, nearest, folders)
        except ImportDataError as error:
            if tables:  # Kaggle packs FER2013's CSV in a zip
                raise ImportDataError(
                    f"{error}; unpack {shown('/'.join(tables[0]))} and import that if it is FER2013"
                ) from error
            raise

    def _class_folder_of(self, parts: tuple[str, ...]) -> tuple[str, int] | None:
        """Return the class folder, and the index in `parts` of the folder that decides it."""
        for index in reversed(range(len(parts) - 1)):
            class_folder = self._class_map.folder_of(parts[index])
            if class_folder is not None:
                return class_folder, index
        return None

    def _refuse_too_large(self, seen: _Seen) -> None:
        if seen.size > MAX_FILE:
            raise ImportDataError(
                f"{self._where}: {shown('/'.join(seen.parts))} has {seen.size:,} bytes; a picture "
                f"may have at most {MAX_FILE:,}"
            )


def _content(member: Member | None) -> bytes:
    assert member is not None  # the pictures are read, not only counted
    with member.open() as file:
        return file.read()


def _parts(path: str) -> tuple[str, ...]:
    """Return a path's folders and its name; () if it leads out of the source's folder."""
    path = path.replace("\\", "/")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    return () if path.startswith("/") or _DRIVE.match(path) or ".." in parts else parts


def _hidden(parts: tuple[str, ...]) -> bool:
    """Return whether a path is hidden, or was added by a system as __MACOSX is."""
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
