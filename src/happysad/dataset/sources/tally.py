"""The pictures that an import finds in a source, and the counts of what it leaves out."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from happysad.errors import counted, shown
from happysad.folder_walk import LeftOut

__all__ = ["Picture", "Source", "Survey", "Tally", "listed"]

# The maximum number of classes that a note lists.
_LISTED = 12


@dataclass(frozen=True)
class Picture:
    """A picture of a wanted class."""

    class_folder: str
    """The name of the class folder that gets it."""
    name: str
    """The name of its file there."""
    theirs: str
    """The source's name of its class."""
    read: Callable[[], bytes]
    """Returns the whole file; works until the next picture is requested."""
    same: Callable[[bytes, bytes], bool] = operator.eq
    """Returns whether the content of an existing file is the same as the picture's."""
    split: str = ""
    """The source's folder that names its split, such as "train"; "" if there is none."""


class Tally:
    """Counts of what an import leaves out, and lines about it."""

    def __init__(self) -> None:
        """Begin with no counts and no lines."""
        self._other_classes: Counter[str] = Counter()
        self._left_out: Counter[tuple[str, str]] = Counter()
        self._beside = LeftOut()
        self._folders_beside: set[tuple[str, ...]] = set()
        self._notes: list[str] = []
        self._guesses: list[str] = []

    def leave_out(self, one: str, many: str = "") -> None:
        """Count a file that is left out.

        Args:
            one: describes such a file in a clause after "file", such as "that is hidden".
            many: describes several, such as "that are hidden"; "" for the same words.
        """
        self._left_out[many or one, one] += 1

    def leave_out_beside(self, parts: tuple[str, ...], kind: str, *, folder: bool) -> None:
        """Count a file or folder that systems keep beside photos; each folder counts once.

        Args:
            parts: its path.
            kind: as `folder_walk.first_left_out` returns it.
            folder: whether it is a folder.
        """
        if parts not in self._folders_beside:
            self._beside[kind] += 1
        if folder:
            self._folders_beside.add(parts)

    def leave_out_class(self, name: str) -> None:
        """Count a file of a class that is not wanted."""
        self._other_classes[name] += 1

    def note(self, line: str) -> None:
        """Add a line to `notes`."""
        self._notes.append(line)

    def guess(self, sentence: str) -> None:
        """Add a sentence about what the import guesses about the source."""
        self._guesses.append(sentence)

    @property
    def others(self) -> int:
        """The number of files that are left out, and of folders that systems keep beside photos."""
        return self._left_out.total() + self._other_classes.total() + self._beside.total()

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines about the files left out, then the lines of `note`."""
        lines = [
            f"left out: {counted(number, 'file')} {one if number == 1 else many}"
            for (many, one), number in sorted(self._left_out.items())
        ]
        if self._other_classes:
            lines.append(
                f"left out: {counted(self._other_classes.total(), 'file')} of other classes: "
                f"{listed(self._other_classes)} (choose classes with --map THEIRS=OURS)"
            )
        beside = [self._beside.line] if self._beside else []
        return (*lines, *beside, *self._notes)


class Survey(Tally):
    """What an import finds before it writes: the pictures of each class folder."""

    def __init__(self) -> None:
        """Begin with no pictures."""
        super().__init__()
        self._theirs: dict[str, Counter[str]] = {}
        self._splits: Counter[str] = Counter()

    def count(self, picture: Picture) -> None:
        """Count a picture that an import would copy."""
        self._theirs.setdefault(picture.class_folder, Counter())[picture.theirs] += 1
        self._splits[picture.split] += 1

    @property
    def counts(self) -> dict[str, int]:
        """The number of pictures for each class folder, by its name, sorted."""
        return {name: theirs.total() for name, theirs in sorted(self._theirs.items())}

    @property
    def sources(self) -> dict[str, dict[str, int]]:
        """The parts of each of `counts`, by the source's name of the class."""
        return {name: dict(sorted(theirs.items())) for name, theirs in sorted(self._theirs.items())}

    @property
    def lines(self) -> tuple[str, ...]:
        """What was found, in sentences."""
        counts = self.counts
        classes = ", ".join(f"{number:,} {name}" for name, number in counts.items())
        others = f"; {counted(self.others, 'other file')}" if self.others else ""
        found = f"Found {counted(sum(counts.values()), 'photo')}: {classes}{others}."
        splits = {name: number for name, number in self._splits.items() if name}
        merged = f"They lie in folders of splits, which are merged: {listed(splits)}."
        return (found, *([merged] if splits else []), *self._guesses)


class Source(Protocol):
    """A dataset that is read twice: once to count its pictures, once to copy them."""

    def __call__(self, tally: Tally, *, reading: bool) -> Iterator[Picture]:
        """Yield the pictures of the wanted classes, in the same order each time.

        Args:
            tally: counts what is left out.
            reading: False if the pictures are only counted; then their `read` may not work.
        """


def listed(counts: Mapping[str, int]) -> str:
    """Return classes with their counts, such as "anger 12, fear 3"; at most 12 of them."""
    classes = [f"{shown(name)} {count:,}" for name, count in sorted(counts.items())]
    return ", ".join(classes[:_LISTED]) + (", …" if len(classes) > _LISTED else "")
