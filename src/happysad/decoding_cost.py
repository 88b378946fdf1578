"""Find files that would take hours or gigabytes to decode, even though they have few pixels."""

from __future__ import annotations

import re
import struct

__all__ = ["LARGEST_EXIF", "reason"]

#: Maximum number of bytes of EXIF that are read; the limit of a JPEG segment is 64 KiB.
LARGEST_EXIF = 2**20

# A decoder goes through the whole picture for each scan of a JPEG, and a scan of a megapixel may
# have only 8 bytes. Cameras and programs write up to 12 scans.
_MOST_SCANS = 100
# Pillow needs some microseconds for each segment of a JPEG and each chunk of a PNG, and joins
# segments with EXIF one by one. A large ICC profile takes 255 segments; a PNG of 300 MB in chunks
# of 8 KiB, as libpng writes them, has 37,000 chunks.
_MOST_SEGMENTS, _MOST_CHUNKS = 1000, 100_000
# The tags of a TIFF, and the numbers in them, each of which becomes a Python object of up to 200
# bytes. Two numbers for each row of pixels are usual.
_MOST_TAGS, _MOST_NUMBERS = 1000, 200_000

# A marker of a JPEG that is neither data (FF 00) nor a restart (D0 to D7).
_MARKER = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")
_START, _END, _SCAN, _APP1 = b"\xd8", b"\xd9", b"\xda", b"\xe1"
# The types of TIFF tags whose values stay bytes: BYTE, ASCII, UNDEFINED.
_BYTES = (1, 2, 7)


def reason(data: bytes, type_: str) -> str | None:
    """Return why a picture should not be decoded, or None if it may be.

    The size in pixels is not checked here.

    Args:
        data: the whole file.
        type_: one of the keys of `images.EXTENSIONS`.
    """
    check = {"jpeg": _jpeg, "png": _png, "tiff": _tiff}.get(type_)
    return check(data) if check else None


def _jpeg(data: bytes) -> str | None:
    at, segments, scans, exif = 2, 0, 0, 0
    few = data.count(b"\xff" + _SCAN) <= _MOST_SCANS
    while found := _MARKER.search(data, at):
        at = found.end()
        if found[1] == _END and scans:
            break
        if found[1] in (_START, _END):  # markers without a length; Pillow reads on
            continue
        length = max(2, int.from_bytes(data[at : at + 2]))
        segments += 1
        if found[1] == _SCAN:
            if few:  # the data of the scans need not be searched
                break
            scans += 1
        elif found[1] == _APP1 and data.startswith(b"Exif\0", at + 2):
            exif += length
        at += length
        if scans > _MOST_SCANS:
            return f"more than {_MOST_SCANS} scans"
        if segments > _MOST_SEGMENTS:
            return f"more than {_MOST_SEGMENTS:,} segments"
        if exif > LARGEST_EXIF:
            return f"more than {LARGEST_EXIF:,} bytes of EXIF"
    return None


def _png(data: bytes) -> str | None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at >= len(data):
            return None
        at += 12 + int.from_bytes(data[at : at + 4])
    return f"more than {_MOST_CHUNKS:,} chunks"


def _tiff(data: bytes) -> str | None:
    """Check the tags of the first picture in a TIFF or a BigTIFF."""
    order = "<" if data.startswith(b"II") else ">"
    header, count, tag = ("4xI", "H", "2xHI4x") if b"*" in data[:4] else ("8xQ", "Q", "2xHQ8x")
    try:
        (at,) = struct.unpack_from(order + header, data)
        (tags,) = struct.unpack_from(order + count, data, at)
    except (struct.error, OverflowError):
        return None  # a damaged file, which the decoder refuses
    at += struct.calcsize(order + count)
    size = struct.calcsize(order + tag)
    there = max(0, min(tags, (len(data) - at) // size))
    if there > _MOST_TAGS:
        return f"more than {_MOST_TAGS:,} tags"
    table = struct.iter_unpack(order + tag, data[at : at + there * size])
    if sum(numbers for kind, numbers in table if kind not in _BYTES) > _MOST_NUMBERS:
        return f"more than {_MOST_NUMBERS:,} numbers in its tags"
    return None
