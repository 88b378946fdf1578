r"""The folder of results: how they were made, the lists of files, and the parts of the tables.

    library.json                          how the results were made: see `Made`
    files/list-0.gz                       the files that the first call found, sorted, between \0s
    files/list-1.gz                       the further files that a later call found, and so on
    photos/part-0-000000-HASH.parquet     the photos of the first shard of list-0
    faces/part-0-000000-HASH.parquet      their faces

A list is split into shards of a fixed number of paths. Each shard has one part in each table, named
by its list, its number and a hash of its paths. The part of the faces is written first, so a shard
is done when the part of its photos exists. There is no other record of what is done.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import reprlib
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import asdict, dataclass, fields as dataclass_fields, replace
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from happysad import __version__
from happysad.batch import tables
from happysad.errors import ErrorCode, LibraryError, UsageError, counted, os_reason, shown
from happysad.files import replacing, write_text
from happysad.locks import alone
from happysad.predictions import SCHEMA, Faces, Rows, check_class

__all__ = ["UNREADABLE", "Made", "Results", "Shard"]

#: The key of photos with an error in counts.
UNREADABLE = "unreadable"

_FILE = "library.json"
# Limits of library.json, in characters, and of a path in a list, in bytes: see docs/security.md,
# "Results".
_LARGEST_FILE, _LONGEST_PATH = 64 << 20, 1 << 16
# Maximum number of faces of a photo.
_MOST_FACES = 10_000
# Number of bytes of a list that are read at once.
_CHUNK = 1 << 20
# The values that a setting may have.
_CHOICES = {"format": get_args(tables.Format), "faces": tuple(Faces)}
_PART = re.compile(r"part-(\d{1,18})-(\d{1,18})-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class Made:
    """How results were made; a later call must use the same settings."""

    sources: tuple[str, ...]
    """The names of the sources, as they were given."""
    folder: str
    """The working folder, to which paths are relative."""
    classifier: str
    """The name of the classifier's file or run."""
    sha256: str
    """The SHA-256 of the classifier's file, as 64 hex digits."""
    classes: tuple[str, ...]
    """The two or three classes that may be the answer."""
    faces: str
    """Where the faces come from: "find" or "given"."""
    unsure: bool
    """Whether a label may be "unsure"."""
    format: tables.Format
    """The format of the parts."""
    shard: int
    """Maximum number of photos in a part."""
    version: str = __version__
    """The version of happysad that began the results."""
    schema: int = SCHEMA
    """The version of the rows."""
    lists: tuple[int, ...] = ()
    """The number of files in each list."""

    def __post_init__(self) -> None:
        if self.shard < 1:
            raise UsageError(f"--shard must be 1 or more photos, not {self.shard}")

    @classmethod
    def of(cls, fields: dict[str, Any]) -> Made:
        """Return the settings in library.json.

        Raises:
            ValueError: a field is missing, unknown, of the wrong type or out of range.
        """
        types: dict[str, type] = {"unsure": bool, "shard": int, "schema": int}
        types |= dict.fromkeys(("sources", "classes", "lists"), list)
        for one in dataclass_fields(cls):
            value, expected = fields.get(one.name), types.get(one.name, str)
            if type(value) is not expected:
                raise ValueError(f"{one.name}: must be {expected.__name__}, not {_shown(value)}")
        if unknown := fields.keys() - {one.name for one in dataclass_fields(cls)}:
            raise ValueError(f"{shown(min(unknown))}: unknown")
        for source in (*fields["sources"], fields["folder"]):
            if not isinstance(source, str) or "\0" in source:
                raise ValueError(f"sources, folder: must be paths, not {_shown(source)}")
        for count in (*fields["lists"], fields["shard"]):
            if type(count) is not int or count < 1:
                raise ValueError(f"lists, shard: must be 1 or more, not {_shown(count)}")
        for name, allowed in _CHOICES.items():
            if fields[name] not in allowed:
                raise ValueError(f"{name}: must be one of {', '.join(allowed)}")
        classes = fields["classes"]
        for name in classes:
            check_class(name)
        if not 2 <= len(set(classes)) == len(classes) <= 3:
            raise ValueError(f"classes: must be two or three, not {_shown(classes)}")
        lists = {name: tuple(fields[name]) for name in ("sources", "classes", "lists")}
        return cls(**{**fields, **lists})


def _shown(value: object) -> str:
    return shown(reprlib.repr(value))


@dataclass(frozen=True)
class Shard:
    """Consecutive paths of a list, whose photos are in one part."""

    list: int
    """The number of the list, from 0."""
    number: int
    """The number of the shard in its list, from 0."""
    paths: tuple[str, ...]
    """The paths, sorted by their bytes."""

    @property
    def name(self) -> str:
        """The name of the part without its suffix."""
        joined = b"\0".join(map(os.fsencode, self.paths))
        return f"part-{self.list}-{self.number:06}-{hashlib.sha256(joined).hexdigest()[:12]}"


class Results:
    """A folder of results."""

    def __init__(self, folder: Path, made: Made) -> None:
        """Use `Results.begin` or `Results.open` instead."""
        self.folder = folder
        self.made = made

    @classmethod
    def open(cls, folder: Path) -> Results:
        """Open the results that `happysad predict --out` made.

        Raises:
            UsageError: there are no results in `folder`.
            LibraryError: the results are damaged, or of another version.
        """
        file = folder / _FILE
        try:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(_LARGEST_FILE + 1)
            if len(text) > _LARGEST_FILE:
                raise ValueError(f"more than {_LARGEST_FILE:,} characters")
            content = json.loads(text)
        except FileNotFoundError:
            raise UsageError(f"{folder}: no results of happysad predict --out ({_FILE})") from None
        except (ValueError, RecursionError) as error:
            raise LibraryError(f"{file}: damaged: {error}") from error
        if not isinstance(content, dict):
            raise LibraryError(f"{file}: damaged: not a JSON object")
        if content.get("schema") != SCHEMA:
            raise LibraryError(
                f"{folder}: results of schema {_shown(content.get('schema'))}, not {SCHEMA}; "
                "make new ones with happysad predict PHOTOS --out NEW_FOLDER"
            )
        try:
            return cls(folder, Made.of(content))
        except ValueError as error:
            raise LibraryError(f"{file}: damaged: {error}") from error

    @classmethod
    def begin(cls, folder: Path, made: Made) -> Results:
        """Begin results, or open existing ones that were made with the same settings.

        Raises:
            UsageError: they were made with other settings, or `folder` contains other files.
            LibraryError: as for `open`.
        """
        there = (folder / _FILE).exists()
        if not there and (strange := _strangers(folder)) is not None:
            raise UsageError(f"{folder}: contains {strange} and no results; name a new folder")
        if not there or not cls.open(folder).made.lists:  # nothing was done yet
            results = cls(folder, made)
            results._save()
            return results
        results = cls.open(folder)
        _refuse_other(folder, results.made, made)
        return results

    def locked(self) -> AbstractContextManager[None]:
        """Return a context that keeps other processes from writing here; see `alone`."""
        return alone(self.folder, "writes", LibraryError)

    def fingerprint(self) -> str:
        """Return the SHA-256 of library.json, as 64 hex digits."""
        return hashlib.sha256((self.folder / _FILE).read_bytes()).hexdigest()

    @property
    def files(self) -> int:
        """The number of files in all lists."""
        return sum(self.made.lists)

    def add(self, found: Iterable[str]) -> tuple[int, int]:
        """Write a new list of the files that are in no list yet.

        Args:
            found: paths, in any order; a path may come twice.

        Returns:
            The number of new files, and the number of files of earlier lists that were not found.

        Raises:
            LibraryError: there is no space for sorting the paths, or a list is damaged.
        """
        number = len(self.made.lists)
        file = self._list(number)
        known = (path for earlier in range(number) for path in self._paths(earlier))
        new = gone = 0
        with (
            _sorted(found, known) as paths,
            replacing(file) as temporary,
            gzip.GzipFile(temporary, "wb", compresslevel=1, mtime=0) as opened,
        ):
            for path, is_known, is_found in paths:
                if not is_known:
                    opened.write(path + b"\0")
                    new += 1
                elif not is_found:
                    gone += 1
        if new:
            self.made = replace(self.made, lists=(*self.made.lists, new))
            self._save()
        else:
            file.unlink()
        return new, gone

    def shards(self) -> Iterator[Shard]:
        """Yield all shards, in order."""
        for place in range(len(self.made.lists)):
            paths = map(os.fsdecode, self._paths(place))
            number = 0
            while some := tuple(islice(paths, self.made.shard)):
                yield Shard(place, number, some)
                number += 1

    def part(self, table: str, shard: Shard) -> Path:
        """Return the file of a shard's part; `table` is "photos" or "faces"."""
        return self.folder / table / f"{shard.name}.{self.made.format}"

    def write(
        self, shard: Shard, photos: list[dict[str, Any]], faces: list[dict[str, Any]]
    ) -> Counter[str]:
        """Write a shard's two parts, and return the number of photos of each label.

        Args:
            shard: one of `shards`.
            photos: the rows of its photos, as `tables.photo_row` returns them. If some photos are
                missing, the rows of the parts that exist are kept for them.
            faces: the rows of their faces, as `Prediction.face_rows` returns them.

        Raises:
            LibraryError: the folder was renamed or removed, or a part that exists is damaged.
        """
        if len(photos) < len(shard.paths):
            new = {_path(row) for row in photos}
            photos = self._merged("photos", Rows.PHOTO, shard, photos, new)
            faces = self._merged("faces", Rows.FACE, shard, faces, new)
        counts = _counted(photos)
        about = {
            **asdict(replace(self.made, version=__version__)),
            "list": shard.list,
            "number": shard.number,
            "counts": counts,
        }
        del about["lists"], about["sources"]
        classes = self.made.classes
        try:
            tables.write(self.part("faces", shard), classes, Rows.FACE, faces, about)
            tables.write(self.part("photos", shard), classes, Rows.PHOTO, photos, about)
        except FileNotFoundError as error:
            raise LibraryError(
                f"{self.folder}: was renamed or removed while results were written to it"
            ) from error
        return counts

    def _merged(
        self, table: str, each: Rows, shard: Shard, rows: list[dict[str, Any]], new: set[str]
    ) -> list[dict[str, Any]]:
        """Return the rows of a part, with other rows for some photos, in the order of the shard."""
        file, place = self.part(table, shard), {path: at for at, path in enumerate(shard.paths)}
        merged = [(place[_path(row)], row) for row in rows]
        try:
            for row, stored in tables.read_stored(file, self.made.classes, each):
                if (path := tables.path_of(row)) not in new:
                    merged.append((place[path], stored))
        except (OSError, *tables.DAMAGE) as error:
            raise _damaged(file, error) from error
        merged.sort(key=lambda one: one[0])
        return [row for _, row in merged]

    def counts(self, shard: Shard) -> Counter[str] | None:
        """Return the number of photos of each label in a shard; None if it is not done."""
        file = self.part("photos", shard)
        try:
            if self.made.format == "parquet":
                counts = Counter[str]({str(k): int(n) for k, n in _counts(tables.about(file))})
            else:
                counts = _counted(tables.read(file, self.made.classes, Rows.PHOTO))
        except (OSError, *tables.DAMAGE):  # there is none, or it is damaged
            return None
        return counts if counts.total() == len(shard.paths) else None

    def missing(self, shard: Shard, *, errors: bool = False) -> tuple[Counter[str], set[str]]:
        """Return what is done of a shard, and what is not.

        A photo is also missing if it could not be read for a reason that may have passed.

        Args:
            shard: one of `shards`.
            errors: whether all photos that could not be read are missing.

        Returns:
            The number of photos of each label that are done, and the paths of the missing photos.
        """
        counts = self.counts(shard)
        if counts is None:
            return Counter(), set(shard.paths)
        if not counts[UNREADABLE]:
            return counts, set()
        try:
            paths = {
                tables.path_of(row)
                for row in tables.read(self.part("photos", shard), self.made.classes, Rows.PHOTO)
                if (code := row["error_code"]) is not None
                and (errors or (code in set(ErrorCode) and ErrorCode(code).may_pass))
            }
        except (OSError, *tables.DAMAGE):
            return Counter(), set(shard.paths)
        counts[UNREADABLE] -= len(paths)
        return +counts, paths

    def photos(self) -> Iterator[dict[str, Any]]:
        """Yield the rows of all predicted photos, in the order of the shards; see `tables.read`.

        Raises:
            LibraryError: a part is damaged, or cannot be read.
        """
        for file, expected in self._parts():
            yield from _whole(file, self.made.classes, expected)

    def answers(self) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """Yield the row of each predicted photo with the rows of its faces; see `photos`.

        Raises:
            LibraryError: a part is damaged, or cannot be read.
        """
        for file, expected in self._parts():
            part = self.folder / "faces" / file.name
            try:
                faces = tables.read(part, self.made.classes, Rows.FACE)
                for row in _whole(file, self.made.classes, expected):
                    count = row["faces"] or 0
                    if not 0 <= count <= _MOST_FACES:
                        raise ValueError(f"{count:,} faces in a photo")
                    own = list(islice(faces, count))
                    if [one["path"] for one in own] != [row["path"]] * count:
                        raise ValueError(f"its faces are not those of {file}")
                    yield row, own
            except (OSError, *tables.DAMAGE) as error:
                raise _damaged(part, error) from error

    def _parts(self) -> Iterator[tuple[Path, int]]:
        """Yield the parts of the photos in order, with the number of rows that each must have."""
        files = (self.folder / "photos").glob(f"part-*.{self.made.format}")
        parts = sorted(
            (int(found[1]), int(found[2]), file)
            for file in files
            if (found := _PART.fullmatch(file.stem)) and int(found[1]) < len(self.made.lists)
        )
        for place, number, file in parts:
            left = self.made.lists[place] - number * self.made.shard
            yield file, min(left, self.made.shard)

    def prepare(self) -> None:
        """Make the folders of the parts, and remove temporary files of killed processes."""
        for name in ("files", "photos", "faces"):
            if (self.folder / name).is_symlink():
                raise LibraryError(f"{self.folder / name}: must be a folder, not a link")
            (self.folder / name).mkdir(exist_ok=True)
        for folder in (self.folder, *(self.folder / name for name in ("files", "photos", "faces"))):
            for pattern in (".part-*", ".list-*", ".library-*"):
                for file in folder.glob(pattern):
                    file.unlink(missing_ok=True)

    def source(self, path: str) -> Path:
        """Return a photo's file; a relative path is relative to the folder of the first call."""
        return Path(self.made.folder, path)

    def _list(self, number: int) -> Path:
        return self.folder / "files" / f"list-{number}.gz"

    def _paths(self, number: int) -> Iterator[bytes]:
        file = self._list(number)
        rest = b""
        left = self.made.lists[number]
        try:
            with gzip.open(file, "rb") as opened:
                while chunk := opened.read(_CHUNK):
                    *whole, rest = (rest + chunk).split(b"\0")
                    left -= len(whole)
                    if left < 0 or max(map(len, (*whole, rest))) > _LONGEST_PATH:
                        raise ValueError("more or longer paths than happysad writes")
                    yield from whole
        except (OSError, EOFError, zlib.error, ValueError) as error:
            raise LibraryError(f"{file}: cannot be read: {error}") from error

    def _save(self) -> None:
        text = json.dumps(asdict(self.made), indent=2)
        write_text(self.folder / _FILE, text + "\n")


@contextmanager
def _sorted(
    found: Iterable[str], known: Iterable[bytes]
) -> Iterator[Iterator[tuple[bytes, bool, bool]]]:
    """Sort paths by their bytes on disk, without keeping them in memory.

    Yields:
        Each path once, with whether it is among `known`, and whether it is among `found`.

    Raises:
        LibraryError: there is no space for SQLite to sort the paths.
    """
    try:
        with closing(sqlite3.connect("")) as base:  # a temporary file that the connection removes
            base.execute("PRAGMA temp_store = FILE")
            base.execute("PRAGMA synchronous = OFF")
            base.execute("PRAGMA journal_mode = OFF")
            base.execute("CREATE TABLE files (path BLOB NOT NULL, known INTEGER NOT NULL)")
            for is_known, paths in ((False, map(os.fsencode, found)), (True, known)):
                base.executemany(
                    "INSERT INTO files VALUES (?, ?)", ((path, is_known) for path in paths)
                )
            rows = base.execute(
                "SELECT path, max(known), min(known) FROM files GROUP BY path ORDER BY path"
            )
            yield ((path, bool(is_known), not only_known) for path, is_known, only_known in rows)
    except sqlite3.Error as error:
        raise LibraryError(
            f"the list of files: {error}; it is sorted in the temporary folder; set SQLITE_TMPDIR "
            "to a folder with more space"
        ) from error


def _whole(file: Path, classes: tuple[str, ...], expected: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a part of photos, and refuse a part without the `expected` number of them.

    A damaged part may be cut off between two rows.
    """
    count = 0
    try:
        for count, row in enumerate(tables.read(file, classes, Rows.PHOTO), 1):  # noqa: B007
            yield row
        if count != expected:
            raise ValueError(f"{counted(count, 'row')}, not {expected:,}")
    except (OSError, *tables.DAMAGE) as error:
        raise _damaged(file, error) from error


def _damaged(file: Path, error: Exception) -> LibraryError:
    """Return the error for a part that cannot be read."""
    if isinstance(error, OSError) and error.errno is not None:  # Arrow's have none
        return LibraryError(f"{file}: {os_reason(error)}")
    damage = " ".join(str(error).split())
    return LibraryError(
        f"{file}: damaged: {damage}; remove it, and run the same predict command again"
    )


def _path(row: Mapping[str, Any]) -> str:
    """Return the exact path of a row that was not written yet."""
    exact = row.get("path_bytes")
    return str(row["path"]) if exact is None else os.fsdecode(bytes.fromhex(exact))


def _counts(about: dict[str, Any]) -> Iterable[tuple[str, int]]:
    counts = about["counts"]
    if not isinstance(counts, dict):
        raise TypeError("counts: not an object")
    return counts.items()


def _counted(photos: Iterable[dict[str, Any]]) -> Counter[str]:
    return Counter(row["label"] or UNREADABLE for row in photos)


def _strangers(folder: Path) -> str | None:
    """Return the name of an entry of a folder; None if the folder is empty or does not exist."""
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UsageError(f"{folder}: --out must be a folder, not a file")
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    return others[0] if others else None


def _refuse_other(folder: Path, before: Made, now: Made) -> None:
    """Refuse to mix results that are made with different settings.

    Raises:
        UsageError: a setting differs.
    """

    def differs(what: str, then: object, here: object) -> None:
        if then != here:
            raise UsageError(
                f"{folder}: was made with {what} {then}, not {here}; use the same, or another --out"
            )

    differs("the photos of", " ".join(before.sources), " ".join(now.sources))
    if before.folder != now.folder and not all(map(_absolute, now.sources)):
        differs("photos named from", before.folder, now.folder)
    if before.sha256 != now.sha256:
        names = (f"{one.classifier} (sha256 {one.sha256[:12]})" for one in (before, now))
        differs("the classifier", *names)
    differs("--answers", *(",".join(one.classes) for one in (before, now)))
    differs("--faces", before.faces, now.faces)
    differs("--unsure", *("on" if one.unsure else "off" for one in (before, now)))
    differs("the format", before.format, now.format)
    differs("--shard", before.shard, now.shard)


def _absolute(source: str) -> bool:
    return Path(source).is_absolute() or "://" in source
