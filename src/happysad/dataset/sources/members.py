"""The files of a source that has many: a zip, a tar or a folder."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import IO

from happysad.dataset.sources import fer2013
from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.label_table import LabelTable
from happysad.dataset.sources.layouts import ClassFolders, ClassNames, Layout, Parts
from happysad.dataset.sources.tally import Picture, Source, Tally
from happysad.dataset.split_folders import split_folder
from happysad.errors import HappysadError, ImportDataError, shown
from happysad.folder_walk import LIVE_FILM, first_left_out, live_films
from happysad.images import MAX_BYTES
from happysad.picture_type import HEAD, kind

__all__ = ["Member", "Members", "content"]

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

    parts: Parts
    """Its folders and its name; () if its path leads out of the source's folder."""
    size: int
    plain: bool
    is_picture: bool = False
    """Whether it begins as a picture; only members of wanted classes are opened to see this."""
    fer2013: tuple[str, ...] = ()
    """The columns of a CSV of FER2013; () for other files."""


class Members:
    """Finds the pictures of wanted classes among the members of one source.

    The source has class folders, or FER2013's CSV, or pictures whose names tell their classes. The
    first of these that fits is chosen, unless a table tells the classes.
    """

    def __init__(
        self,
        where: str,
        class_map: ClassMap,
        listing: Callable[[str], Iterable[Member]],
        table: LabelTable | None = None,
    ) -> None:
        """Read the list of the members.

        Args:
            where: the source, for messages.
            class_map: the wanted classes.
            listing: returns the members, in the same order each time; a member can be opened only
                until the next one is requested. Its argument names the work, for the progress bar.
            table: tells the classes; None if the source does.

        Raises:
            ImportDataError: the source is damaged.
        """
        self._where, self._class_map, self._listing = where, class_map, listing
        self._table = table
        self._folders, self._names = ClassFolders(class_map), ClassNames(class_map)
        self._seen = list(map(self._see, listing("checking")))
        self._films = live_films("/".join(seen.parts) for seen in self._seen)

    def source(self) -> Source:
        """Return the pictures of the wanted classes.

        Raises:
            UsageError: as `ClassMap.refuse_missing`.
            ImportDataError: there is no wanted class; or as `LabelTable.resolve`.
        """
        if self._table is not None:
            files = {seen.parts: seen.is_picture for seen in self._seen if _is_open(seen)}
            self._table.resolve(Path(self._where).absolute().name, files)
            return partial(self._pictures, self._table)
        paths = [seen.parts for seen in self._seen if _is_open(seen)]
        try:
            self._folders.refuse_missing(self._where, paths)
        except HappysadError as error:
            if (index := self._fer2013()) is not None:
                return self._table_source(index)
            try:
                self._names.refuse_unclear(self._where, paths)
            except HappysadError:
                raise error from None
            return partial(self._pictures, self._names)
        return partial(self._pictures, self._folders)

    def _pictures(self, layout: Layout, tally: Tally, *, reading: bool) -> Iterator[Picture]:
        layout.describe((seen.parts for seen in self._seen if seen.is_picture), tally)
        members = self._listing("copying") if reading else repeat(None)
        for seen, member in zip(self._seen, members, strict=False):
            if member is not None and _parts(member.path) != seen.parts:
                raise ImportDataError(
                    f"{self._where}: {shown(member.path)}: the source has changed since it was "
                    "checked; import it again"
                )
            if not seen.plain:
                tally.leave_out(
                    "that is a link, a device or sparse", "that are links, devices or sparse"
                )
            elif not seen.parts:
                tally.leave_out(
                    "whose path leaves the source's folder", "whose paths leave the source's folder"
                )
            elif (found := first_left_out(seen.parts)) is not None:
                place, why = found
                path = seen.parts[: place + 1]
                tally.leave_out_beside(path, why, folder=len(path) < len(seen.parts))
            elif "/".join(seen.parts) in self._films:
                tally.leave_out_beside(seen.parts, LIVE_FILM, folder=False)
            elif (where := layout.find(seen.parts)) is None:
                layout.leave_out(seen.parts, tally)
            elif not seen.is_picture:
                tally.leave_out("that is no picture", "that are no pictures")
            else:
                self._refuse_too_large(seen)
                split = split_folder(seen.parts[:-1])
                read = partial(_content, member)
                yield Picture(where.class_folder, where.name, where.theirs, read, split=split)

    def _see(self, member: Member) -> _Seen:
        seen = _Seen(_parts(member.path), member.size, member.plain)
        if not _is_open(seen):
            return seen
        if self._table is not None:
            return _opened(seen, member) if self._table.may_name(seen.parts) else seen
        if self._folders.find(seen.parts) is not None:
            return _opened(seen, member)
        if seen.parts[-1].lower().endswith(".csv") or self._names.find(seen.parts) is not None:
            try:
                return _opened(seen, member)
            except (ImportDataError, OSError):  # raised again if the member is copied
                return replace(seen, is_picture=True)
        return seen

    def _fer2013(self) -> int | None:
        """Return the index of FER2013's CSV.

        Kaggle's zip of the competition also has the CSVs of its parts; only the whole has Usage.

        Raises:
            ImportDataError: there are several.
        """
        found = [index for index, seen in enumerate(self._seen) if seen.fer2013]
        whole = [index for index in found if "usage" in self._seen[index].fer2013]
        found = whole or found
        if len(found) > 1:
            names = ", ".join(shown("/".join(self._seen[index].parts)) for index in found[:5])
            raise ImportDataError(
                f"{self._where}: has {len(found)} CSVs of FER2013, must have one: {names}; unpack "
                "it and import one of them"
            )
        return found[0] if found else None

    def _table_source(self, index: int) -> Source:
        path = "/".join(self._seen[index].parts)
        opened = partial(self._open_at, index)
        rows = fer2013.source(f"{self._where}, {shown(path)}", None, opened, self._class_map)

        def pictures(tally: Tally, *, reading: bool) -> Iterator[Picture]:
            tally.guess(f"They are the rows of {shown(path)}, a CSV of FER2013.")
            for _ in self._seen[1:]:
                tally.leave_out(f"beside {shown(path)}")
            return rows(tally, reading=reading)

        return pictures

    @contextlib.contextmanager
    def _open_at(self, index: int, doing: str) -> Iterator[IO[bytes]]:
        """Open the member with an index."""
        for here, member in enumerate(self._listing(doing)):
            if here == index:
                with member.open() as file:
                    yield file
                return

    def _refuse_too_large(self, seen: _Seen) -> None:
        if seen.size > MAX_BYTES:
            raise ImportDataError(
                f"{self._where}: {shown('/'.join(seen.parts))} has {seen.size:,} bytes; a picture "
                f"may have at most {MAX_BYTES:,}"
            )


def _opened(seen: _Seen, member: Member) -> _Seen:
    """Return what the first bytes of a member tell, too."""
    with member.open() as file:
        head = file.read(HEAD)
    return replace(
        seen, is_picture=kind(head) is not None, fer2013=tuple(fer2013.columns(head) or ())
    )


def _is_open(seen: _Seen) -> bool:
    """Return whether a member can be imported: an ordinary file that is not left out."""
    return seen.plain and bool(seen.parts) and first_left_out(seen.parts) is None


def content(members: Iterable[Member], path: str, most: int) -> bytes | None:
    """Return the content of one of the members; None if there is no such file.

    Args:
        members: the members of a source.
        path: the path of the file in the source.
        most: the maximum number of its bytes.

    Raises:
        ImportDataError: the file has more bytes, or is damaged.
    """
    wanted = _parts(path)
    for member in members:
        if member.plain and wanted and _parts(member.path) == wanted:
            if member.size > most:
                raise ImportDataError(
                    f"{shown(path)} has {member.size:,} bytes; it may have at most {most:,}"
                )
            return _content(member)
    return None


def _content(member: Member | None) -> bytes:
    assert member is not None  # the pictures are read, not only counted
    with member.open() as file:
        return file.read()


def _parts(path: str) -> Parts:
    """Return a path's folders and its name; () if it leads out of the source's folder."""
    path = path.replace("\\", "/")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    return () if path.startswith("/") or _DRIVE.match(path) or ".." in parts else parts
