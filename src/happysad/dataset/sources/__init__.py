"""Import other people's datasets into class folders: `happysad import`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from happysad.dataset.sources import archive, drive, fer2013, folder, huggingface
from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.download import DownloadLimits, download_file
from happysad.dataset.sources.file_kind import describe, kind_of
from happysad.dataset.sources.label_table import MAX_TABLE, LabelTable
from happysad.dataset.sources.members import Member, Members, content
from happysad.dataset.sources.tally import Source, Survey
from happysad.dataset.sources.target import Target
from happysad.errors import ImportDataError, UsageError, os_reason, shown

__all__ = ["DownloadLimits", "Imported", "import_data"]

_ALLOWED = (
    "a folder, zip or tar with class folders, with photos named by class, or with FER2013's CSV; "
    "this CSV; an http(s) or Google Drive link to one of these; or hf:OWNER/NAME"
)
_ORIGIN = "; the file was downloaded from {}: delete it to download it again"


@dataclass(frozen=True)
class Imported:
    """What an import copied and what it left out."""

    counts: dict[str, int]
    """The number of the source's files in each class folder, by its name, sorted."""
    sources: dict[str, dict[str, int]]
    """The parts of each count, by the source's name of the class."""
    notes: tuple[str, ...]
    """Lines about the other files, such as "left out: 3 files that are no pictures"."""


def import_data(
    source: str,
    target: Path,
    *,
    classes: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    neither: bool = False,
    sha256: str | None = None,
    limits: DownloadLimits | None = None,
    table: Path | None = None,
    path_column: str | None = None,
    class_column: str | None = None,
    dry_run: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Copy the pictures of `source` into ``target/CLASS/…``.

    Nothing in `target` is overwritten. If a file of the same name has the same content, it is kept
    and counted; if its content differs, the new file gets another name. So the same call continues
    after an interruption, and changes nothing once it is complete.

    Args:
        source: a zip, tar or folder of class folders, of pictures named by class or with FER2013's
            CSV; this CSV; an http(s) or Google Drive link to one of these; or hf:OWNER/NAME (needs
            the extra huggingface).
        target: the folder in which the class folders are created.
        classes: the class folders to fill. Each is filled from the source's class of that name,
            unless `mapping` fills it from others.
        mapping: the class folder for each class of the source, whose names may be in upper or
            lower case. Without `classes` and `mapping`, the source's happy, happiness and joy go
            to happy, and its sad and sadness to sad.
        neither: True also copies the source's neutral, surprise, anger, fear, disgust and contempt
            into the class folder neither, except those that `mapping` or `classes` use otherwise.
        sha256: the expected SHA-256 of the file behind a link, 64 hex digits.
        limits: the limits of size and time of the download of a link; None for the defaults.
        table: a CSV with the paths and the classes of the pictures of a zip, a tar or a folder; its
            path may be one in `source`.
        path_column: the name of the table's column of paths; None to guess it.
        class_column: the name of the table's column of classes; None to guess it.
        dry_run: True writes nothing to `target`, and returns what would be copied.
        say: called before the first picture is written, with each sentence about what was found.

    Raises:
        UsageError: `source` is none of these, or another argument is invalid.
        ImportDataError: the source cannot be downloaded, verified, unpacked or written, or has no
            picture of a wanted class. Files copied before the error are complete and are kept.
    """
    class_map = ClassMap(mapping, classes, neither=neither)
    is_link = re.match(r"[A-Za-z][A-Za-z0-9+.-]{1,30}://", source) is not None
    sha256 = _checked(sha256, source, is_link)
    if limits is not None and not is_link:
        raise UsageError(
            "--max-size, --max-hours and --max-idle are for http(s) and Google Drive links, "
            f"not for {shown(source)}"
        )
    if table is None and (path_column or class_column) is not None:
        raise UsageError("--path-column and --class-column need --table")
    place = Target(target)
    survey = Survey()
    kept: Path | None = None
    try:
        if is_link:
            kept = _downloaded(source, sha256, limits or DownloadLimits())
            line = f"the download is kept: {kept}; delete it to download it again"
            survey.note(line)
            place.note(line)
        labels = None if table is None else _Labels(table, path_column, class_column)
        pictures = _source(source if kept is None else str(kept), class_map, target, labels)
        for picture in pictures(survey, reading=False):
            survey.count(picture)
        if not survey.counts:
            none = f"{source}: no picture of a wanted class"
            raise ImportDataError("; ".join([none, *survey.notes]))
        for sentence in survey.lines:
            say(sentence)
        if dry_run:
            return Imported(survey.counts, survey.sources, survey.notes)
        for picture in pictures(place, reading=True):
            place.write(
                picture.class_folder,
                picture.name,
                picture.read(),
                theirs=picture.theirs,
                same=picture.same,
            )
    except ImportDataError as error:
        origin = "" if kept is None else _ORIGIN.format(source)
        raise ImportDataError(f"{error}{origin}{place.so_far}") from error
    except OSError as error:  # a full disk, a folder without permission to write
        raise ImportDataError(
            f"{error.filename or target}: {os_reason(error)}{place.so_far}; "
            "the same command continues"
        ) from error
    return Imported(place.counts, place.sources, place.notes)


def _checked(sha256: str | None, source: str, is_link: bool) -> str | None:
    if sha256 is None:
        return None
    if not is_link:
        raise UsageError(f"--sha256 is for http(s) and Google Drive links, not for {source[:80]}")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 must be 64 hex digits, not {sha256[:80]!r}")
    return sha256.lower()


def _downloaded(link: str, sha256: str | None, limits: DownloadLimits) -> Path:
    """Return the file or folder behind a link; a file of an unknown kind is deleted."""
    get = drive.download_shared if drive.is_drive(link) else download_file
    file = get(link, sha256=sha256, limits=limits)
    if not file.is_dir() and kind_of(file) is None:
        what = describe(file)
        file.unlink()
        raise ImportDataError(f"{link}: must be FER2013's CSV, a zip or a tar, not {what}")
    return file


@dataclass(frozen=True)
class _Labels:
    """The arguments of `import_data` about its table."""

    table: Path
    path_column: str | None
    class_column: str | None


def _source(source: str, class_map: ClassMap, target: Path, labels: _Labels | None) -> Source:
    """Return the pictures of a dataset on disk or on the Hugging Face hub."""
    if source.startswith("hf:"):
        _refuse(labels, source)
        return huggingface.source(source.removeprefix("hf:"), class_map)
    path = Path(source)
    listing: Callable[[Path, str], Iterator[Member]]
    if source and path.is_dir():  # Path("") is the current folder
        folder.refuse_overlap(path, target)
        listing = folder.members
    elif not path.is_file():
        raise UsageError(f"SOURCE must be {_ALLOWED}; {source[:80]}: no such file")
    else:
        match kind_of(path):
            case "zip":
                listing = archive.zip_members
            case "tar":
                listing = archive.tar_members
            case "fer2013":
                _refuse(labels, source)
                opened = partial(_opened, path)
                return fer2013.source(source, path.stat().st_size, opened, class_map)
            case None:
                hint = "; give a table of photos with --table" if path.suffix == ".csv" else ""
                raise UsageError(f"SOURCE must be {_ALLOWED}; {source} is {describe(path)}{hint}")
    table = None if labels is None else _table(labels, partial(listing, path, "reading"), class_map)
    return Members(source, class_map, partial(listing, path), table).source()


def _refuse(labels: _Labels | None, source: str) -> None:
    if labels is not None:
        raise UsageError(f"--table is for a zip, a tar or a folder, not for {source[:80]}")


def _table(
    labels: _Labels, members: Callable[[], Iterator[Member]], class_map: ClassMap
) -> LabelTable:
    """Read a table on disk, or else one of the members of the source."""
    table = labels.table
    if table.is_file() and table.stat().st_size <= MAX_TABLE:
        data: bytes | None = table.read_bytes()
    elif table.exists():
        raise UsageError(f"--table must be a CSV of at most {MAX_TABLE:,} bytes, not {table}")
    else:
        data = content(members(), table.as_posix(), MAX_TABLE)
    if data is None:
        raise UsageError(f"--table {shown(str(table))}: no such file, nor in SOURCE")
    return LabelTable(
        str(table),
        data,
        class_map,
        path_column=labels.path_column,
        class_column=labels.class_column,
    )


def _opened(file: Path, _: str) -> IO[bytes]:
    return file.open("rb")
