r"""The folder of results: what it was made of, its lists of files, and its parts.

    library.json                          what all of it was made of and by: see `Made`
    files/list-0.gz                       the files as they were found at first, sorted, between \0s
    files/list-1.gz                       those that another call found beside them, and so on
    photos/part-0-000000-HASH.parquet     the photos of the first shard of list-0
    faces/part-0-000000-HASH.parquet      their faces

A list is cut into shards of a fixed number of paths, and each shard has one part of its name: its
list, its number, and a hash of its paths. The faces' part is written first, so a shard is done when
its photos' part is there. No record of what is done is kept beside that.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from happysad import __version__
from happysad.errors import LibraryError, UsageError, os_reason
from happysad.files import replacing, write_text
from happysad.library import tables
from happysad.library.alone import alone
from happysad.library.listing import with_sorted

__all__ = ["UNREADABLE", "Made", "Results", "Shard"]

#: What photos with an error are counted as.
UNREADABLE = "unreadable"

_FILE = "library.json"
_READ = 1 << 20
_PART = re.compile(r"part-(\d+)-(\d+)-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Made:
    """What results were made of and by; a second call must be of the same."""

    sources: tuple[str, ...]
    """As they were named."""
    folder: str
    """The working folder, from which relative paths count."""
    classifier: str
    """The classifier's file name."""
    sha256: str
    """Of the classifier's file, 64 hex digits."""
    labels: tuple[str, str]
    """The classifier's two classes."""
    faces: bool
    """Whether faces were looked for."""
    unsure: bool
    """Whether it might say "unsure"."""
    format: tables.Format
    """Of the parts."""
    shard: int
    """How many photos a part has at most."""
    version: str = __version__
    """The happysad that began it."""
    schema: int = tables.SCHEMA
    """The version of the tables."""
    lists: tuple[int, ...] = ()
    """How many files each list has."""

    def __post_init__(self) -> None:
        if self.shard < 1:
            raise UsageError(f"--shard is a number of photos, 1 or more, not {self.shard}")


@dataclass(frozen=True)
class Shard:
    """Some paths of a list, and the name of their part."""

    list: int
    number: int
    paths: tuple[str, ...]

    @property
    def name(self) -> str:
        """The part's name without its suffix: decided by the list, the number and the paths."""
        joined = b"\0".join(map(os.fsencode, self.paths))
        return f"part-{self.list}-{self.number:06}-{hashlib.sha256(joined).hexdigest()[:12]}"


class Results:
    """A folder of results."""

    def __init__(self, folder: Path, made: Made) -> None:
        """Use `Results.begin` or `Results.open`."""
        self.folder = folder
        self.made = made

    @classmethod
    def open(cls, folder: Path) -> Results:
        """Open what `happysad predict --out` made.

        Raises:
            UsageError: there are no results in `folder`.
            LibraryError: they are damaged, or of a later happysad.
        """
        file = folder / _FILE
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(f"{folder}: no results of happysad predict --out ({_FILE})") from None
        except ValueError as error:
            raise LibraryError(f"{file}: damaged: {error}") from error
        if not isinstance(said, dict):
            raise LibraryError(f"{file}: damaged: it holds no JSON object")
        if said.get("schema") != tables.SCHEMA:
            raise LibraryError(f"{file}: schema {said.get('schema')}, not {tables.SCHEMA}")
        try:
            lists = {name: tuple(said[name]) for name in ("sources", "labels", "lists")}
            return cls(folder, Made(**{**said, **lists}))
        except (KeyError, TypeError) as error:
            raise LibraryError(f"{file}: damaged: {error}") from error

    @classmethod
    def begin(cls, folder: Path, made: Made) -> Results:
        """Begin results, or open those that are there and were made of the same.

        Raises:
            UsageError: they were made of something else, or `folder` holds something else.
            LibraryError: as `open`.
        """
        there = (folder / _FILE).exists()
        if not there and (strange := _strangers(folder)) is not None:
            raise UsageError(f"{folder}: holds {strange} and no results; name a new folder")
        if not there or not cls.open(folder).made.lists:  # nothing was done yet
            results = cls(folder, made)
            results._save()
            return results
        results = cls.open(folder)
        _refuse_other(folder, results.made, made)
        return results

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from writing here; see `alone`."""
        return alone(self.folder, "writes")

    def fingerprint(self) -> str:
        """Give the SHA-256 of what stands in library.json, 64 hex digits."""
        return hashlib.sha256((self.folder / _FILE).read_bytes()).hexdigest()

    @property
    def files(self) -> int:
        """How many files there are in all lists."""
        return sum(self.made.lists)

    def add(self, found: Iterable[str]) -> tuple[int, int]:
        """Put files that are in no list yet into a new one, and the list down.

        Returns:
            How many are new, and how many files of earlier lists were not found.
        """
        number = len(self.made.lists)
        file = self._list(number)
        known = (path for earlier in range(number) for path in self._paths(earlier))
        with (
            replacing(file) as temporary,
            gzip.GzipFile(temporary, "wb", compresslevel=1, mtime=0) as opened,
        ):

            def keep(paths: Iterator[bytes]) -> int:
                count = 0
                for path in paths:
                    opened.write(path + b"\0")
                    count += 1
                return count

            new, gone = with_sorted(found, known, keep)
        if new:
            self.made = replace(self.made, lists=(*self.made.lists, new))
            self._save()
        else:
            file.unlink()
        return new, gone

    def shards(self) -> Iterator[Shard]:
        """Give all shards, in order."""
        for place in range(len(self.made.lists)):
            paths = map(os.fsdecode, self._paths(place))
            number = 0
            while some := tuple(islice(paths, self.made.shard)):
                yield Shard(place, number, some)
                number += 1

    def part(self, table: str, shard: Shard) -> Path:
        """Give the file of a shard's part; `table` is "photos" or "faces"."""
        return self.folder / table / f"{shard.name}.{self.made.format}"

    def write(
        self, shard: Shard, photos: list[dict[str, Any]], faces: list[dict[str, Any]]
    ) -> Counter[str]:
        """Write a shard's two parts; gives how many photos have which outcome."""
        counts = _counted(photos)
        about = {
            **asdict(replace(self.made, version=__version__)),
            "list": shard.list,
            "number": shard.number,
            "counts": counts,
        }
        del about["lists"], about["sources"]
        tables.write(self.part("faces", shard), tables.FACES, faces, about)
        tables.write(self.part("photos", shard), tables.PHOTOS, photos, about)
        return counts

    def counts(self, shard: Shard) -> Counter[str] | None:
        """Say how many photos of a shard have which outcome; None where it is not done."""
        file = self.part("photos", shard)
        try:
            if self.made.format == "parquet":
                counts = Counter[str](tables.about(file)["counts"])
            else:
                counts = _counted(tables.read(file, tables.PHOTOS))
        except (OSError, *tables.DAMAGE):  # not there, or damaged since
            return None
        return counts if counts.total() == len(shard.paths) else None

    def photos(self) -> Iterator[dict[str, Any]]:
        """Give the rows of all photos that are done, in the shards' order.

        Raises:
            LibraryError: a part is damaged, or cannot be read.
        """
        files = (self.folder / "photos").glob(f"part-*.{self.made.format}")
        parts = sorted(
            (int(found[1]), int(found[2]), file)
            for file in files
            if (found := _PART.fullmatch(file.stem)) and int(found[1]) < len(self.made.lists)
        )
        for place, number, file in parts:
            left = self.made.lists[place] - number * self.made.shard
            yield from _whole(file, min(left, self.made.shard))

    def clean(self) -> None:
        """Remove what a process that was killed had begun to write."""
        for folder in (self.folder, *(self.folder / name for name in ("files", "photos", "faces"))):
            for pattern in (".part-*", ".list-*", ".library-*"):
                for file in folder.glob(pattern):
                    file.unlink(missing_ok=True)

    def source(self, path: str) -> Path:
        """Give a photo's file; a relative path counts from the folder of the first call."""
        return Path(self.made.folder, path)

    def _list(self, number: int) -> Path:
        return self.folder / "files" / f"list-{number}.gz"

    def _paths(self, number: int) -> Iterator[bytes]:
        file = self._list(number)
        rest = b""
        try:
            with gzip.open(file, "rb") as opened:
                while chunk := opened.read(_READ):
                    *whole, rest = (rest + chunk).split(b"\0")
                    yield from whole
        except (OSError, EOFError, zlib.error) as error:
            raise LibraryError(f"{file}: cannot be read: {error}") from error

    def _save(self) -> None:
        text = json.dumps(asdict(self.made), indent=2)
        write_text(self.folder / _FILE, text + "\n")


def _whole(file: Path, expected: int) -> Iterator[dict[str, Any]]:
    """Give the rows of a photos' part, which are so many; a cut part may end between two rows."""
    count = 0
    try:
        for count, row in enumerate(tables.read(file, tables.PHOTOS), start=1):  # noqa: B007
            yield row
        if count != expected:
            raise ValueError(f"{count:,} rows, not {expected:,}")
    except (OSError, *tables.DAMAGE) as error:
        if isinstance(error, OSError) and error.errno is not None:  # Arrow's have none
            raise LibraryError(f"{file}: {os_reason(error)}") from error
        damage = " ".join(str(error).split())
        raise LibraryError(
            f"{file}: damaged: {damage}; remove it, and the same predict command does it again"
        ) from error


def _counted(photos: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(row["label"] or UNREADABLE for row in photos)


def _strangers(folder: Path) -> str | None:
    """Name something in a folder that is not ours; None where there is nothing."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UsageError(f"{folder}: --out is a folder, this is a file")
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return others[0] if others else None


def _refuse_other(folder: Path, before: Made, now: Made) -> None:
    """Refuse to mix what was made of one thing with what is made of another.

    Raises:
        UsageError: it says what differs.
    """

    def differs(what: str, then: object, here: object) -> None:
        if then != here:
            raise UsageError(
                f"{folder}: was made with {what} {then}, not {here}; give the same again, or "
                "another --out"
            )

    differs("the photos of", " ".join(before.sources), " ".join(now.sources))
    if before.folder != now.folder and not all(map(_absolute, now.sources)):
        differs("photos named from", before.folder, now.folder)
    if before.sha256 != now.sha256:
        names = (f"{one.classifier} (sha256 {one.sha256[:12]})" for one in (before, now))
        differs("the classifier", *names)
    differs("--faces", *("auto" if one.faces else "off" for one in (before, now)))
    differs("--unsure", *("on" if one.unsure else "off" for one in (before, now)))
    differs("the format", before.format, now.format)
    differs("--shard", before.shard, now.shard)


def _absolute(source: str) -> bool:
    return Path(source).is_absolute() or "://" in source
