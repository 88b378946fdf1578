"""A glance at a file before it is predicted: whether it is one, and when its photo was taken."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from happysad.errors import HappysadError
from happysad.library.remote import fetch, is_remote

__all__ = ["Look", "look", "taken_of"]

# EXIF stands in the first 64 KiB of a JPEG, nearly always at its very beginning.
_HEAD = 1 << 17
# Exif 2.3, 4.6.5: the tag that leads to the Exif IFD, and DateTimeOriginal in it.
_EXIF_IFD, _DATE_TIME_ORIGINAL = 0x8769, 0x9003


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a file."""

    taken: datetime | None = None
    """EXIF's DateTimeOriginal: the camera's local time."""
    error: str | None = None
    """Why it cannot be a photo: a line that begins with its path."""
    data: bytes | None = None
    """The whole file, where it lies elsewhere; None for one on this machine."""


def look(path: str) -> Look:
    """Look at what has this path; a pipe or a device, which might never end, is not opened.

    What lies elsewhere (s3://…) is fetched.
    """
    if is_remote(path):
        try:
            data = fetch(path)
        except HappysadError as error:
            return Look(error=str(error))
        return Look(taken=taken_of(data[:_HEAD]), data=data)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
            return Look(error=f"{path}: a folder, not a file")
        if not stat.S_ISREG(mode):
            return Look(error=f"{path}: not a regular file")
        with Path(path).open("rb") as file:
            return Look(taken=taken_of(file.read(_HEAD)))
    except FileNotFoundError as error:
        if Path(path).is_symlink():
            return Look(error=f"{path}: a broken link, to {os.readlink(path)}")  # noqa: PTH115
        return Look(error=_line(path, error))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        return Look(error=_line(path, error))


def _line(path: str, error: Exception) -> str:
    return f"{path}: {(getattr(error, 'strerror', None) or str(error)).lower()}"


def taken_of(head: bytes) -> datetime | None:
    """Read EXIF's DateTimeOriginal from the beginning of a JPEG; None where there is none."""
    start = head.find(b"Exif\0\0", 0, 1 << 16) if head.startswith(b"\xff\xd8") else -1
    if start < 4 or head[start - 4 : start - 2] != b"\xff\xe1":
        return None
    size = int.from_bytes(head[start - 2 : start])
    from PIL import Image

    try:
        exif = Image.Exif()
        exif.load(head[start : start - 2 + size])
        text = exif.get_ifd(_EXIF_IFD).get(_DATE_TIME_ORIGINAL, "")
        return datetime.strptime(str(text)[:19], "%Y:%m:%d %H:%M:%S")
    except Exception:  # damaged EXIF makes Pillow raise nearly anything; the photo may be good
        return None
