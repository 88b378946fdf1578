"""The mapping from a source's classes to class folders."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from happysad.errors import ImportDataError, UsageError, shown
from happysad.names import nfc
from happysad.predictions import NEITHER, check_class

__all__ = ["DEFAULT", "OTHERS", "ClassMap"]

#: The class folder of each class that is imported by default; deliberately few.
DEFAULT = {
    "happy": "happy",
    "happiness": "happy",
    "joy": "happy",
    "sad": "sad",
    "sadness": "sad",
}

#: The names of the classes that are imported as `NEITHER` when asked for.
OTHERS = (
    NEITHER,
    "neutral",
    "surprise",
    "surprised",
    "anger",
    "angry",
    "fear",
    "fearful",
    "disgust",
    "disgusted",
    "contempt",
    "contemptuous",
)

# A folder's name that every system allows: one path component, not hidden.
_FOLDER = re.compile(r"\w([\w .-]{0,62}\w)?")


class ClassMap:
    """The classes to import, by the source's names for them, in upper or lower case."""

    def __init__(
        self,
        mapping: Mapping[str, str] | None = None,
        folders: Sequence[str] | None = None,
        *,
        neither: bool = False,
    ) -> None:
        """Check the names.

        Args:
            mapping: the class folder for each class of the source.
            folders: the class folders to fill. A folder that is not in `mapping` is filled from the
                source's class of that name, or of one of its names in `DEFAULT`.
            neither: True also fills the folder `NEITHER` from the classes `OTHERS`, except those
                that `mapping` or `folders` use otherwise.

        Without `mapping` and `folders`, `DEFAULT` applies.

        Raises:
            UsageError: a class folder has an invalid name; a class has two folders; or `mapping`
                fills a folder that is not one of `folders`.
        """
        mapping = mapping or {}
        extra = (NEITHER,) if neither else ()
        self._mapped = tuple(map(_key, mapping))
        self._required = tuple(dict.fromkeys((*(folders or ()), *extra)))
        self._folders: dict[str, str] = {}
        for theirs, ours in mapping.items():
            if not _key(theirs):
                raise UsageError(
                    f"--map must be THEIRS=OURS, such as joy=happy, not {'=' + ours!r}"
                )
            _refuse_name(ours, f"--map {shown(theirs)}")
            if folders and ours not in self._required:
                raise UsageError(
                    f"--map {shown(theirs)}: the class folder must be one of --classes "
                    f"{','.join(self._required)}, not {ours[:80]!r}"
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
        for name in OTHERS if neither else ():
            self._folders.setdefault(name, NEITHER)

    @property
    def names(self) -> tuple[str, ...]:
        """The source's names, in lower case, of the classes that are imported."""
        return tuple(self._folders)

    def folder_of(self, *names: str) -> str | None:
        """Return the class folder of a class that has any of `names`; None to leave it out.

        Raises:
            UsageError: two of its names have different class folders.
        """
        folders = {self._folders[_key(name)]: name for name in names if _key(name) in self._folders}
        if len(folders) > 1:
            both = ", ".join(f"{name}={folder}" for folder, name in folders.items())
            raise UsageError(f"--map gives one class two class folders: {both}")
        return next(iter(folders), None)

    def refuse_missing(self, where: str, found: Iterable[str], also: Iterable[str] = ()) -> None:
        """Raise an error if a source lacks classes to import.

        Args:
            where: the source, for the message.
            found: the source's classes.
            also: other names of these classes.

        Raises:
            UsageError: a class of the mapping is missing.
            ImportDataError: there is no class for one of the given class folders or, if none are
                given, for any folder.
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
    try:
        check_class(folder)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _key(name: str) -> str:
    return nfc(name).strip().casefold()
