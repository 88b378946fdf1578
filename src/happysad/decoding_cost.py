"""Find files that would take hours or gigabytes to decode, even though they have few pixels."""

from __future__ import annotations

import re
import struct

__all__ = ["LARGEST_EXIF", "reason"]

#: Maximum number of bytes of EXIF that are read; the limit of a JPEG segment is 64 KiB.
LARGEST_EXIF = 2**20

# The limits are explained in docs/security.md, "Pictures".
_MOST_SCANS, _MOST_SEGMENTS, _MOST_CHUNKS = 100, 1000, 100_000
_MOST_STRAY, _MOST_IN_TABLES = 2**16, 2**16
_MOST_TAGS, _MOST_NUMBERS = 1000, 200_000

# A marker of a JPEG that is neither data (FF 00) nor a restart (D0 to D7). Every marker ends with
# the last FF of a run, so that the pattern needs no repetition, and a search takes linear time.
_MARKER = re.compile(rb"\xff([\x02-\xcf\xd8-\xfe])")
# Number of bytes that are searched before other threads may run.
_AT_ONCE = 2**20
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
# Markers after which Pillow reads no length: the start, the end, and those of extensions.
_BARE = {0xC8, 0xD8, _END, *range(0xF0, 0xFE)}
# Headers of frames and quantization tables: Pillow keeps about 32 bytes for each byte of them.
_TABLES = {*range(0xC0, 0xD0), 0xDB, 0xDE} - {0xC4, 0xC8, 0xCC}
# The types of TIFF tags whose values stay bytes: BYTE, ASCII, UNDEFINED.
_BYTES = (1, 2, 7)


def reason(data: bytes, type_: str) -> str | None:
    """Return why a picture should not be decoded, or None if it may be.

    The size in pixels is not checked here.

    Args:
        data: the whole file.
        type_: one of the keys of `images.EXTENSIONS`.
    """
    check = {"jpeg": _jpeg, "png": _png, "gif": _gif, "tiff": _tiff}.get(type_)
    return check(data) if check else None


def _jpeg(data: bytes) -> str | None:
    """Check the segments before the first scan and, if there may be many scans, all of them."""
    at, segments, scans, stray, tables, exif = 2, 0, 0, 0, 0, 0
    few = data.count(b"\xff\xda") <= _MOST_SCANS
    while found := _next_marker(data, at, None if scans else _MOST_STRAY - stray):
        if not scans:
            stray += found.start() - at
        at, marker = found.end(), found[1][0]
        segments += 1
        if marker == _END and scans:
            break
        if marker not in _BARE:
            length = max(2, int.from_bytes(data[at : at + 2]))
            if marker == _SCAN:
                if few:  # the data of the scans need not be searched
                    return None
                scans += 1
            elif marker == _APP1 and data.startswith(b"Exif\0", at + 2):
                exif += length
            elif marker in _TABLES:
                tables += length
            at += length
        if scans > _MOST_SCANS:
            return f"more than {_MOST_SCANS} scans"
        if segments > _MOST_SEGMENTS:
            return f"more than {_MOST_SEGMENTS:,} segments"
        if exif > LARGEST_EXIF:
            return f"more than {LARGEST_EXIF:,} bytes of EXIF"
        if tables > _MOST_IN_TABLES:
            return f"more than {_MOST_IN_TABLES:,} bytes of tables"
    if not scans and len(data) - at > _MOST_STRAY - stray:
        return f"more than {_MOST_STRAY:,} bytes outside its segments"
    return None


def _next_marker(data: bytes, at: int, most: int | None) -> re.Match[bytes] | None:
    """Return the next marker of a JPEG that begins at most `most` bytes after `at`."""
    end = len(data) if most is None else min(len(data), at + most + 2)
    for start in range(at, end, _AT_ONCE):
        if found := _MARKER.search(data, start, min(start + _AT_ONCE + 1, end)):
            return found
    return None


def _png(data: bytes) -> str | None:
    at = 8
    for _ in range(_MOST_CHUNKS):
        if at >= len(data):
            return None
        at += 12 + int.from_bytes(data[at : at + 4])
    return f"more than {_MOST_CHUNKS:,} chunks"


def _gif(data: bytes) -> str | None:
    """Check the blocks up to the second picture, where Pillow stops."""
    most = _MOST_CHUNKS + len(data) // 128
    at, blocks, pictures = 13 + _colours(data[10:11]), 0, 0
    while at < len(data) and blocks <= most:
        kind = data[at]
        if kind == 0x2C:  # a picture
            pictures += 1
            at += 11 + _colours(data[at + 9 : at + 10])
        elif kind == 0x21:  # an extension
            at += 2
        else:  # the end, or a byte that Pillow skips
            at, blocks = at + 1, blocks + 1
            if kind == 0x3B:
                break
            continue
        if pictures == 2:
            break
        while at < len(data) and blocks <= most:
            size, at, blocks = data[at], at + 1 + data[at], blocks + 1
            if not size:
                break
    return f"more than {most:,} blocks" if blocks > most else None


def _colours(flags: bytes) -> int:
    """Return the number of bytes of a GIF's colour table."""
    return 3 << (flags[0] & 7) + 1 if flags and flags[0] & 128 else 0


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
