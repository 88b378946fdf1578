"""Which class of a source goes into which class folder."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from happysad.errors import ImportDataError, UsageError, shown
from happysad.predictions import RESERVED

__all__ = ["DEFAULT", "ClassMap"]

#: The classes that are taken by default, with their folders here; small on purpose.
DEFAULT = {
    "happy": "happy",
    "happiness": "happy",
    "joy": "happy",
    "sad": "sad",
    "sadness": "sad",
}

# The name of a folder that every system allows: one part, not hidden.
_FOLDER = re.compile(r"\w([\w .-]{0,98}\w)?")


class ClassMap:
    """The classes that are taken, by the source's names for them, in upper or lower case."""

    def __init__(
        self,
        mapping: Mapping[str, str] | None = None,
        folders: Sequence[str] | None = None,
    ) -> None:
        """Check the names.

        Args:
            mapping: the source's classes, with their class folders here.
            folders: the class folders to fill. One that `mapping` leaves out gets the source's
                class of that name, or one of its names in `DEFAULT`.

        Without either, `DEFAULT` applies.

        Raises:
            UsageError: a class folder cannot have its name; a class has two folders; or `mapping`
                fills a folder that is not one of `folders`.
        """
        mapping = mapping or {}
        self._mapped = tuple(map(_key, mapping))
        self._required = tuple(folders or ())
        self._folders: dict[str, str] = {}
        for theirs, ours in mapping.items():
            if not _key(theirs):
                raise UsageError(
                    f"--map must be THEIRS=OURS, such as joy=happy, not {'=' + ours!r}"
                )
            _refuse_name(ours, f"--map {shown(theirs)}")
            if folders and ours not in folders:
                raise UsageError(
                    f"--map {shown(theirs)}: the class folder must be one of --classes "
                    f"{','.join(folders)}, not {ours[:80]!r}"
                )
            if self._folders.setdefault(_key(theirs), ours) != ours:
                raise UsageError(
                    f"--map gives {shown(theirs)} two class folders: "
                    f"{self._folders[_key(theirs)]}, {ours}"
                )
        for folder in folders or ():
            _refuse_name(folder, "--classes")
            if folder not in mapping.values():
                names = [theirs for theirs, ours in DEFAULT.items() if ours == folder]
                for name in (folder, *names):
                    self._folders.setdefault(_key(name), folder)
        if not self._folders:
            self._folders = dict(DEFAULT)

    def folder_of(self, *names: str) -> str | None:
        """Return the class folder of a class that goes by any of `names`; None to leave it out.

        Raises:
            UsageError: two of its names have different class folders.
        """
        folders = {self._folders[_key(name)]: name for name in names if _key(name) in self._folders}
        if len(folders) > 1:
            both = ", ".join(f"{name}={folder}" for folder, name in folders.items())
            raise UsageError(f"--map gives one class two class folders: {both}")
        return next(iter(folders), None)

    def refuse_missing(self, where: str, found: Iterable[str], also: Iterable[str] = ()) -> None:
        """Refuse a source that lacks the classes to take.

        Args:
            where: the source, for the message.
            found: the source's classes.
            also: other names of theirs.

        Raises:
            UsageError: a class of the mapping is not there.
            ImportDataError: no class is there for one of the given class folders or, where none
                are given, for any.
        """
        found = sorted(set(found))
        there = {_key(name) for name in (*found, *also)}
        first = ", ".join(map(shown, found[:20])) + (", …" if len(found) > 20 else "") or "none"
        for name in self._mapped:
            if name not in there:
                raise UsageError(
                    f"--map {name}={self._folders[name]}: {where} has no class of that name; its "
                    f"classes: {first}"
                )
        for folder in self._required:
            names = [name for name, ours in self._folders.items() if ours == folder]
            if there.isdisjoint(names):
                raise ImportDataError(
                    f"{where}: no class is named {', '.join(names)}; its classes: {first}; "
                    f"choose one with --map THEIRS={folder}"
                )
        if there.isdisjoint(self._folders):
            raise ImportDataError(
                f"{where}: no class is named {', '.join(DEFAULT)}; its classes: {first}; "
                "choose with --map THEIRS=OURS"
            )


def _refuse_name(folder: str, where: str) -> None:
    if not _FOLDER.fullmatch(folder):
        raise UsageError(
            f"{where}: a class folder's name must be letters, digits, blanks, '-', '_' and '.', "
            f"with a letter or digit at both ends, not {folder[:80]!r}"
        )
    if folder in RESERVED:
        raise UsageError(
            f"{where}: no class may be named {folder}, which labels use beside the classes"
        )


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip().casefold()
