"""Other people's datasets, brought into folders of one class each: `happysad import`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from happysad.dataset.importing import archive, drive, fer2013, folder, huggingface
from happysad.dataset.importing.classes import ClassMap
from happysad.dataset.importing.download import fetch
from happysad.dataset.importing.placing import Placing
from happysad.dataset.importing.sources import came, kind_of
from happysad.errors import ImportDataError, UsageError, os_reason

__all__ = ["Imported", "import_data"]

_ALLOWED = (
    "FER2013's CSV; a zip, tar or folder of class folders; an http(s) or Google Drive link to one; "
    "or hf:OWNER/NAME"
)


@dataclass(frozen=True)
class Imported:
    """What an import placed and what it left out."""

    counts: dict[str, int]
    """How many of the source's files stand in each class folder, by label, sorted."""
    notes: tuple[str, ...]
    """What else is to be said, one line each: "left out: 3 files that are no pictures", …"""


def import_data(
    source: str,
    target: Path,
    *,
    classes: Sequence[str] | None = None,
    mapping: Mapping[str, str] | None = None,
    sha256: str | None = None,
) -> Imported:
    """Place the pictures of `source` in ``target/LABEL/…``.

    What lies in `target` already is never overwritten: a file with the same bytes is kept and
    counted, and beside a different one of that name the new one gets another name. So the same
    call again goes on where a stopped one ended, and changes nothing after a whole one.

    Args:
        source: FER2013's CSV; a zip, tar or folder of class folders; an http(s) or Google Drive
            link to one; or hf:OWNER/NAME (needs the extra huggingface).
        target: where the class folders are made.
        classes: the class folders to fill. Each gets the source's class of that name, or what
            `mapping` says.
        mapping: the source's classes, in upper or lower case, with their class folders here.
            Without `classes` and `mapping`, the source's happy, happiness and joy go to happy,
            sad and sadness to sad.
        sha256: what a link's file must hash to, 64 hex digits.

    Raises:
        UsageError: `source` is nothing of these, or another argument is wrong.
        ImportDataError: it cannot be fetched, checked, unpacked or written, or has no picture that
            is wanted. What was placed until then is whole, and stays.
    """
    class_map = ClassMap(mapping, classes)
    is_link = re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", source) is not None
    sha256 = _checked(sha256, source, is_link)
    placing = Placing(target)
    try:
        if source.startswith("hf:"):
            huggingface.place(source.removeprefix("hf:"), class_map, placing)
        elif is_link:
            _place_link(source, sha256, class_map, placing)
        elif source and Path(source).is_dir():  # an empty one would be the current folder
            folder.place(Path(source), class_map, placing)
        elif Path(source).is_file():
            if not _place_file(Path(source), class_map, placing):
                raise UsageError(f"SOURCE must be {_ALLOWED}; {source} is {came(Path(source))}")
        else:
            raise UsageError(f"SOURCE must be {_ALLOWED}; {source}: no such file")
    except ImportDataError as error:
        raise ImportDataError(f"{error}{placing.so_far}") from error
    except OSError as error:  # a full disk, a folder that may not be written
        raise ImportDataError(
            f"{error.filename or target}: {os_reason(error)}{placing.so_far}; "
            "the same command goes on"
        ) from error
    if not placing.counts:
        raise ImportDataError(
            "; ".join([f"{source}: no picture of a wanted class", *placing.notes])
        )
    return Imported(placing.counts, placing.notes)


def _checked(sha256: str | None, source: str, is_link: bool) -> str | None:
    if sha256 is None:
        return None
    if not is_link:
        raise UsageError(f"--sha256 is for http(s) and Google Drive links, not for {source}")
    if not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise UsageError(f"--sha256 takes 64 hex digits, not {sha256!r}")
    return sha256.lower()


def _place_link(link: str, sha256: str | None, classes: ClassMap, placing: Placing) -> None:
    get = drive.fetch_shared if drive.is_drive(link) else fetch
    file = get(link, sha256=sha256)
    placing.note(f"the download is kept: {file}; delete it to download it again")
    try:
        known = _place_file(file, classes, placing)
    except ImportDataError as error:
        raise ImportDataError(f"{error}; {link} gave it: delete it to download it again") from error
    if not known:
        what = came(file)
        file.unlink()
        raise ImportDataError(f"{link}: FER2013's CSV, a zip or a tar should come; {what} came")


def _place_file(file: Path, classes: ClassMap, placing: Placing) -> bool:
    """Place what a file holds; False where it is nothing we know."""
    kind = kind_of(file)
    if kind == "zip":
        archive.place_zip(file, classes, placing)
    elif kind == "tar":
        archive.place_tar(file, classes, placing)
    elif kind == "fer2013":
        fer2013.place(file, classes, placing)
    return kind is not None
