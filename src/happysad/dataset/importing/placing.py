"""Put pictures into class folders: nothing is overwritten, nothing is placed twice."""

from __future__ import annotations

import hashlib
import operator
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from happysad.dataset.importing.classes import shown
from happysad.errors import ImportDataError, UsageError
from happysad.files import replacing

__all__ = ["Placing"]

# What stands in no file name on one system or another.
_ODD = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
# File systems allow 255 bytes; the temporary name and a content's hash need some.
_LONGEST = 180


class Placing:
    """The class folders under one folder, and what an import did to them."""

    def __init__(self, target: Path) -> None:
        """Look at `target`; nothing is made yet.

        Raises:
            UsageError: it is there and no folder.
        """
        if target.exists() and not target.is_dir():
            raise UsageError(f"DIR must be a folder: {target}: a file")
        self.target = target
        self._placed: dict[str, set[str]] = {}
        self._new = 0
        self._others: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._notes: list[str] = []

    def place(
        self,
        label: str,
        name: str,
        data: bytes,
        same: Callable[[bytes, bytes], bool] = operator.eq,
    ) -> None:
        """Write a picture's bytes to ``target/label/name``, whole or not at all.

        A file of that name that is the same is kept. Where another file has the name, the
        beginning of the content's sha256 is added to it.

        Args:
            label: the class folder's name.
            name: the file's name; characters that are no part of file names become "_".
            data: the whole file.
            same: tells whether a file that is there is the same as `data`.

        Raises:
            OSError: it cannot be written.
            ImportDataError: another file has that name, too.
        """
        for file in _names(self.target / label, name, data):
            if not (file.is_symlink() or file.exists()):
                with replacing(file) as temporary:
                    temporary.write_bytes(data)
                self._new += 1
                break
            if file.is_file() and same(file.read_bytes(), data):
                break
        else:
            raise ImportDataError(
                f"{self.target / label / name}: other files have its name and {file.name}"
            )
        self._placed.setdefault(label, set()).add(file.name)

    def leave_out(self, what: str) -> None:
        """Count a file that is left out; `what` says of several what they are, after "files"."""
        self._left_out[what] += 1

    def leave_out_class(self, name: str) -> None:
        """Count a file of a class that is not wanted."""
        self._others[name] += 1

    def note(self, line: str) -> None:
        """Say something more."""
        self._notes.append(line)

    @property
    def counts(self) -> dict[str, int]:
        """How many files are in place, by label, those included that were there already."""
        return {label: len(names) for label, names in sorted(self._placed.items())}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out and what was there, one line each."""
        lines = [
            f"left out: {_files(count)} {what}" for what, count in sorted(self._left_out.items())
        ]
        if self._others:
            most = [f"{shown(name)} {count:,}" for name, count in sorted(self._others.items())]
            first = ", ".join(most[:12]) + (", …" if len(most) > 12 else "")
            lines.append(
                f"left out: {_files(self._others.total())} of other classes: {first} "
                "(--map THEIRS=OURS brings a class in)"
            )
        there = sum(self.counts.values()) - self._new
        if there:
            lines.append(f"there already: {_files(there)}")
        return (*lines, *self._notes)

    @property
    def so_far(self) -> str:
        """What an error message says of the files that are in place."""
        done = sum(self.counts.values())
        return f"; {_files(done)} placed before are whole and stay" if done else ""


def _files(count: int) -> str:
    return f"{count:,} files"


def _names(folder: Path, name: str, data: bytes) -> Iterator[Path]:
    plain = folder / _ODD.sub("_", _short(name))
    yield plain
    yield plain.with_stem(f"{plain.stem}-{hashlib.sha256(data).hexdigest()[:16]}")


def _short(name: str) -> str:
    """Cut a name that is too long at its front, and tell it from others by a hash of the whole."""
    data = name.encode("utf-8", "surrogateescape")
    if len(data) <= _LONGEST:
        return name
    end = data[-_LONGEST + 17 :].decode("utf-8", "ignore")
    return f"{hashlib.sha256(data).hexdigest()[:16]}-{end}"
