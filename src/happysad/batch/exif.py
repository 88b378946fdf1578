"""When a photo was taken: EXIF's DateTimeOriginal in a JPEG, a PNG or a WebP."""

from __future__ import annotations

import os
from datetime import datetime
from typing import BinaryIO, Literal

from happysad.decoding_cost import LARGEST_EXIF

__all__ = ["taken_of"]

# Number of bytes that are read at the beginning of a JPEG: EXIF is in the first 64 KiB.
_HEAD = 1 << 17
# Maximum number of chunks of a PNG or a WebP that are skipped; photos have some dozens.
_CHUNKS = 1000
# Exif 2.3, 4.6.5: the tag that leads to the Exif IFD, and DateTimeOriginal in it.
_EXIF_IFD, _DATE_TIME_ORIGINAL = 0x8769, 0x9003


def taken_of(file: BinaryIO) -> datetime | None:
    """Return when a photo was taken, in the camera's local time; None if the file has no time.

    Args:
        file: an open file at its beginning; no pixels are read.
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
    """Return a chunk of a PNG (PNG 3, 5.3: size, name, data, CRC) or a WebP (RIFF: name, size).

    The sizes of a PNG are big-endian; those of a RIFF are little-endian, and its data is padded to
    an even size.
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
