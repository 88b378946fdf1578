"""A glance at a file before it is predicted: whether it is one, and when its photo was taken."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from happysad.bombs import LARGEST_EXIF
from happysad.errors import HappysadError, os_reason
from happysad.library.remote import fetch, is_remote

__all__ = ["Look", "look", "taken_of"]

# EXIF stands in the first 64 KiB of a JPEG, nearly always at its very beginning.
_HEAD = 1 << 17
# Of a PNG and a WebP so many chunks are passed over at most; photos have some dozens.
_CHUNKS = 1000
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
        return Look(taken=taken_of(BytesIO(data)), data=data)
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
        if stat.S_ISDIR(mode):
            os.scandir(path).close()
            return Look(error=f"{path}: a folder, not a file")
        if not stat.S_ISREG(mode):
            return Look(error=f"{path}: not a regular file")
        with Path(path).open("rb") as file:
            return Look(taken=taken_of(file))
    except FileNotFoundError as error:
        if Path(path).is_symlink():
            return Look(error=f"{path}: a broken link, to {os.readlink(path)}")  # noqa: PTH115
        return Look(error=_line(path, error))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        return Look(error=_line(path, error))


def _line(path: str, error: Exception) -> str:
    return f"{path}: {os_reason(error)}"


def taken_of(file: BinaryIO) -> datetime | None:
    """Read EXIF's DateTimeOriginal of a JPEG, a PNG or a WebP; None where there is none.

    Args:
        file: at its beginning; of pixels nothing is read.
    """
    head = file.read(12)
    if head.startswith(b"\xff\xd8"):
        data = _of_jpeg(head + file.read(_HEAD))
    elif head.startswith(b"\x89PNG\r\n\x1a\n"):
        file.seek(8)
        data = _of_chunks(file, b"eXIf", "big")
    elif head.startswith(b"RIFF") and head.endswith(b"WEBP"):
        data = _of_chunks(file, b"EXIF", "little")
    else:
        return None
    if not data:
        return None
    from PIL import Image

    try:
        exif = Image.Exif()
        exif.load(data)
        text = exif.get_ifd(_EXIF_IFD).get(_DATE_TIME_ORIGINAL, "")
        return datetime.strptime(str(text)[:19], "%Y:%m:%d %H:%M:%S")
    except Exception:  # damaged EXIF makes Pillow raise nearly anything; the photo may be good
        return None


def _of_jpeg(head: bytes) -> bytes:
    start = head.find(b"Exif\0\0", 0, 1 << 16)
    if start < 4 or head[start - 4 : start - 2] != b"\xff\xe1":
        return b""
    return head[start : start - 2 + int.from_bytes(head[start - 2 : start])]


def _of_chunks(file: BinaryIO, wanted: bytes, order: Literal["big", "little"]) -> bytes:
    """Find a chunk of a PNG (PNG 3, 5.3: size, name, data, CRC) or a WebP (RIFF: name, size, data).

    A PNG's sizes are big-endian, a RIFF's little, and its data is padded to an even size.
    """
    for _ in range(_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        png = order == "big"
        name, size = (head[4:], head[:4]) if png else (head[:4], head[4:])
        length = int.from_bytes(size, order)
        if name == wanted:
            return file.read(length) if length <= LARGEST_EXIF else b""
        file.seek(length + (4 if png else length % 2), os.SEEK_CUR)
    return b""
