"""The folder that an import fills: nothing is overwritten, and nothing is copied twice."""

from __future__ import annotations

import hashlib
import operator
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from happysad.dataset.sources.tally import Tally
from happysad.errors import ImportDataError, UsageError, counted
from happysad.files import replacing
from happysad.names import portable

__all__ = ["Target"]

# The maximum number of bytes of a name. File systems allow 255; a temporary name and a hash of the
# content need some of them.
_MAX_NAME = 180


class Target(Tally):
    """The class folders that an import fills, and the counts of what it copied and left out."""

    def __init__(self, folder: Path) -> None:
        """Prepare to fill `folder`; nothing is written yet.

        Raises:
            UsageError: `folder` is a file.
        """
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"DIR must be a folder: {folder}: a file")
        super().__init__()
        self.folder = folder
        self._names: dict[str, dict[str, str]] = {}
        self._new = 0

    def write(
        self,
        class_folder: str,
        name: str,
        data: bytes,
        *,
        theirs: str,
        same: Callable[[bytes, bytes], bool] = operator.eq,
    ) -> None:
        """Write a picture's bytes to ``folder/class_folder/name``, whole or not at all.

        A file of that name with the same content is kept. If another file has the name, the
        beginning of the content's SHA-256 is appended to the new name.

        Args:
            class_folder: the name of the class folder.
            name: the name of the file, which is made `portable`.
            data: the whole file.
            theirs: the source's name of the picture's class.
            same: returns whether the content of an existing file is the same as `data`.

        Raises:
            OSError: the file cannot be written.
            ImportDataError: another file also has the second name.
        """
        for file in _possible_files(self.folder / class_folder, name, data):
            if not (file.is_symlink() or file.exists()):
                with replacing(file) as temporary:
                    temporary.write_bytes(data)
                self._new += 1
                break
            if file.is_file() and same(file.read_bytes(), data):
                break
        else:
            raise ImportDataError(
                f"{self.folder / class_folder / name}: this name and {file.name} are both taken"
            )
        self._names.setdefault(class_folder, {}).setdefault(file.name, theirs)

    @property
    def counts(self) -> dict[str, int]:
        """The number of the source's files in each class folder, earlier copies included."""
        return {name: len(files) for name, files in sorted(self._names.items())}

    @property
    def sources(self) -> dict[str, dict[str, int]]:
        """The parts of each of `counts`, by the source's name of the class."""
        return {
            name: dict(sorted(Counter(files.values()).items()))
            for name, files in sorted(self._names.items())
        }

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines about the files left out, and about those that were there already."""
        there = sum(self.counts.values()) - self._new
        return (*super().notes, *([f"there already: {counted(there, 'file')}"] if there else []))

    @property
    def so_far(self) -> str:
        """The part of an error message about the files that were already copied."""
        done = sum(self.counts.values())
        stay = "is complete and stays" if done == 1 else "are complete and stay"
        return f"; {counted(done, 'file')} copied before {stay}" if done else ""


def _possible_files(folder: Path, name: str, data: bytes) -> Iterator[Path]:
    plain = folder / portable(_shortened(name))
    yield plain
    yield plain.with_stem(f"{plain.stem}-{hashlib.sha256(data).hexdigest()[:16]}")


def _shortened(name: str) -> str:
    """Cut the front off a name that is too long, and begin it with a hash of the whole name."""
    data = name.encode("utf-8", "surrogateescape")
    if len(data) <= _MAX_NAME:
        return name
    end = data[-_MAX_NAME + 17 :].decode("utf-8", "ignore")
    return f"{hashlib.sha256(data).hexdigest()[:16]}-{end}"
