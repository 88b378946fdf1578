"""Where the members of a source have their classes: in their folders, or in their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from happysad.dataset.sources.class_map import DEFAULT, OTHERS, ClassMap
from happysad.dataset.sources.tally import Tally
from happysad.errors import ImportDataError, shown
from happysad.names import nfc
from happysad.picture_type import EXTENSIONS

__all__ = ["ClassFolders", "ClassNames", "Layout", "Parts", "Place", "stem"]

#: A member's folders and its name.
Parts = tuple[str, ...]

_SUFFIXES = tuple(suffix for suffixes in EXTENSIONS.values() for suffix in suffixes)
# With one of these words, a name may mean the opposite of its class.
_NEGATIONS = ("not", "non")


@dataclass(frozen=True)
class Place:
    """Where a picture goes."""

    class_folder: str
    name: str
    """The name of its file there."""
    theirs: str
    """The source's name of its class."""


class Layout(Protocol):
    """A way in which a source tells the class of each picture."""

    def find(self, parts: Parts) -> Place | None:
        """Return where a picture goes; None if it has no wanted class."""

    def leave_out(self, parts: Parts, tally: Tally) -> None:
        """Count a member that has no wanted class."""

    def describe(self, pictures: Iterable[Parts], tally: Tally) -> None:
        """Add to `tally` what is guessed, and what is wrong with the source."""


class ClassFolders:
    """Pictures in folders named as their classes.

    The nearest folder that has the name of a wanted class decides: both dataset/train/happy/x.jpg
    and happy/anna/x.jpg are happy.
    """

    def __init__(self, class_map: ClassMap) -> None:
        """Look for the classes of `class_map`."""
        self._class_map = class_map

    def find(self, parts: Parts) -> Place | None:
        """Return where a picture goes; None if no folder has the name of a wanted class."""
        for index in reversed(range(len(parts) - 1)):
            folder = self._class_map.folder_of(parts[index])
            if folder is not None:
                return Place(folder, "-".join(parts[:index] + parts[index + 1 :]), parts[index])
        return None

    def leave_out(self, parts: Parts, tally: Tally) -> None:
        """Count a member of another folder."""
        tally.leave_out_class(parts[-2] if len(parts) > 1 else "(no folder)")

    def describe(self, pictures: Iterable[Parts], tally: Tally) -> None:
        """Add nothing, because the names of the folders are the classes."""

    def refuse_missing(self, where: str, paths: Iterable[Parts]) -> None:
        """Raise an error if the folders of `paths` lack wanted classes.

        Raises:
            UsageError, ImportDataError: as `ClassMap.refuse_missing`.
        """
        nearest: set[str] = set()
        folders: set[str] = set()
        for parts in paths:
            nearest.update(parts[-2:-1])
            folders.update(parts[:-1])
        self._class_map.refuse_missing(where, nearest, folders)


class ClassNames:
    """Pictures whose names contain their class as a word: happy_001.jpg, 001-sad.png, HappyFace2.

    A name with several classes, or with "not" or "non", tells no class.
    """

    def __init__(self, class_map: ClassMap) -> None:
        """Look for the classes of `class_map`, and for `DEFAULT` and `OTHERS`."""
        self._class_map = class_map
        names = dict.fromkeys((*class_map.names, *DEFAULT, *OTHERS))
        self._words = {name: f" {_words(name)} " for name in names}

    def find(self, parts: Parts) -> Place | None:
        """Return where a picture goes; None if its name tells no wanted class."""
        theirs = self._class_in(parts)
        folder = None if theirs is None else self._class_map.folder_of(theirs)
        return Place(folder, "-".join(parts), theirs) if folder and theirs else None

    def leave_out(self, parts: Parts, tally: Tally) -> None:
        """Count a member whose name tells another class or none."""
        theirs = self._class_in(parts)
        if theirs is None:
            tally.leave_out(
                "whose name tells no class, or several", "whose names tell no class, or several"
            )
        else:
            tally.leave_out_class(theirs)

    def describe(self, pictures: Iterable[Parts], tally: Tally) -> None:
        """Add an example of a file name for each class, such as "happy_001.jpg is happy"."""
        first: dict[str, str] = {}
        for parts in pictures:
            if (place := self.find(parts)) is not None:
                first.setdefault(place.class_folder, shown(parts[-1]))
        named = ", ".join(f"{name} is {folder}" for folder, name in sorted(first.items()))
        tally.guess(f"The classes are guessed from the names of the files: {named}.")

    def refuse_unclear(self, where: str, paths: Iterable[Parts]) -> None:
        """Raise an error unless at least half of the pictures have a class in their names.

        docs/decisions.md, "Guesses of an import".

        Raises:
            UsageError: as `ClassMap.refuse_missing`.
            ImportDataError: fewer have; or as `ClassMap.refuse_missing`.
        """
        names = [parts for parts in paths if parts[-1].lower().endswith(_SUFFIXES)]
        found = [theirs for parts in names if (theirs := self._class_in(parts)) is not None]
        if not found or 2 * len(found) < len(names):
            raise ImportDataError(
                f"{where}: only {len(found):,} of {len(names):,} names of pictures tell a class"
            )
        self._class_map.refuse_missing(where, found)

    def _class_in(self, parts: Parts) -> str | None:
        """Return the only class in the name of a file; None if it has none or several."""
        words = f" {_words(stem(parts))} "
        classes = [one for one, its_words in self._words.items() if its_words in words]
        if any(f" {no} " in words for no in _NEGATIONS):
            return None
        return classes[0] if len(classes) == 1 else None


def stem(parts: Parts) -> str:
    """Return the name of a file without the extension of a picture.

    >>> stem(("set", "anna.happy.JPG")), stem(("subject01.happy",))
    ('anna.happy', 'subject01.happy')
    """
    name = parts[-1]
    return name[: name.rfind(".")] if name.lower().endswith(_SUFFIXES) else name


def _words(name: str) -> str:
    """Return the words and numbers of a name in lower case, separated by blanks."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", nfc(name))
    return " ".join(re.findall(r"[^\W\d_]+|\d+", text)).casefold()
