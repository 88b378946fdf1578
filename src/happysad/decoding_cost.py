"""Find files that would take hours or gigabytes to decode, even though they have few pixels.

`memory` estimates what decoding takes at a scale.
"""

from __future__ import annotations

import re
import struct
from itertools import islice

from happysad import jpeg2000_header
from happysad.jpeg_markers import BARE, END, FRAMES, SCAN, coefficients, next_marker

__all__ = ["LARGEST_EXIF", "memory", "reason"]

#: Maximum number of bytes of EXIF that are read; the limit of a JPEG segment is 64 KiB.
LARGEST_EXIF = 2**20

# The limits are explained in docs/security.md, "Pictures".
_MOST_SCANS, _MOST_SEGMENTS, _MOST_CHUNKS = 100, 1000, 100_000
_MOST_STRAY, _MOST_IN_TABLES = 2**16, 2**16
_MOST_TAGS, _MOST_NUMBERS = 1000, 200_000
# Maximum number of pixels of a JPEG times its scans.
_MOST_WORK = 10**10
# Maximum number of bytes that decoding takes for a pixel. docs/decisions.md, "What decoding takes".
_BYTES, _BYTES_JPEG2000 = 16, 40

_APP1 = 0xE1
# The types of pictures in which EXIF lies in one piece, and its beginning; the maximum number of
# places that are looked at, and of bytes that tags may share; the bytes of numbers by their types.
_WITH_EXIF = {"png", "webp", "avif", "heif", "jpeg2000"}
_EXIF_START = re.compile(rb"II\*\0\x08\0\0\0|MM\0\*\0\0\0\x08")
_MOST_PLACES, _MOST_SHARED = 16, 2**20
_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
# The tags that lead to further tables: EXIF's, GPS's and that of other programs.
_LINKS = (0x8769, 0x8825, 0xA005)
# Headers of frames and quantization tables: Pillow keeps about 32 bytes for each byte of them.
_TABLES = FRAMES | {0xDB, 0xDE}
# The types of TIFF tags whose values stay bytes: BYTE, ASCII, UNDEFINED.
_STAY_BYTES = (1, 2, 7)


def reason(data: bytes, type_: str) -> str | None:
    """Return why a picture should not be decoded, or None if it may be.

    The size in pixels is not checked here.

    Args:
        data: the whole file.
        type_: one of the keys of `picture_type.EXTENSIONS`.
    """
    check = _CHECKS.get(type_)
    refusal = check(data) if check else None
    return refusal or (_exif_inside(data) if type_ in _WITH_EXIF else None)


def memory(data: bytes, type_: str, pixels: int) -> int:
    """Return an upper limit of the bytes that decoding a picture takes, besides those of its file.

    Args:
        data: the whole file.
        type_: one of the keys of `picture_type.EXTENSIONS`.
        pixels: the number of pixels at the scale at which it is decoded.
    """
    kept = coefficients(data) if type_ == "jpeg" else 0
    return kept + pixels * (_BYTES_JPEG2000 if type_ == "jpeg2000" else _BYTES)


def _jpeg(data: bytes) -> str | None:
    """Check the segments before the first scan and, if there may be many scans, all of them."""
    at, segments, scans, stray, tables, exif = 2, 0, 0, 0, 0, b""
    at_most, most_scans = data.count(b"\xff\xda"), _MOST_SCANS
    while found := next_marker(data, at, None if scans else _MOST_STRAY - stray):
        if not scans:
            stray += found.start() - at
        at, marker = found.end(), found[1][0]
        segments += 1
        if marker == END and scans:
            break
        if marker not in BARE:
            length = max(2, int.from_bytes(data[at : at + 2]))
            if marker == SCAN:
                if not scans and exif and (refusal := _exif(exif)):
                    return refusal
                if at_most <= most_scans:  # the data of the scans need not be searched
                    return None
                scans += 1
            elif marker == _APP1 and data.startswith(b"Exif\0", at + 2):
                exif += data[at + 8 : at + length]
            elif marker in _TABLES:
                tables += length
                if marker in FRAMES:
                    most_scans = min(most_scans, _scans(data[at + 3 : at + 7]))
            at += length
        if scans > most_scans:
            return f"more than {most_scans} scans"
        if segments > _MOST_SEGMENTS:
            return f"more than {_MOST_SEGMENTS:,} segments"
        if len(exif) > LARGEST_EXIF:
            return f"more than {LARGEST_EXIF:,} bytes of EXIF"
        if tables > _MOST_IN_TABLES:
            return f"more than {_MOST_IN_TABLES:,} bytes of tables"
    if not scans and len(data) - at > _MOST_STRAY - stray:
        return f"more than {_MOST_STRAY:,} bytes outside its segments"
    return None


def _scans(sides: bytes) -> int:
    """Return the number of scans that a JPEG of these sides may have."""
    return _MOST_WORK // (int.from_bytes(sides[:2]) * int.from_bytes(sides[2:]) or 1)


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
    tags = _tags(data)
    if len(tags) > _MOST_TAGS:
        return f"more than {_MOST_TAGS:,} tags"
    if sum(numbers for kind, numbers in tags if kind not in _STAY_BYTES) > _MOST_NUMBERS:
        return f"more than {_MOST_NUMBERS:,} numbers in its tags"
    return _shared(tags, len(data))


def _tags(data: bytes) -> list[tuple[int, int]]:
    """Return the types and the counts of the tags in the first table of a TIFF or a BigTIFF."""
    order = "<" if data.startswith(b"II") else ">"
    header, count, tag = ("4xI", "H", "2xHI4x") if b"*" in data[:4] else ("8xQ", "Q", "2xHQ8x")
    try:
        (at,) = struct.unpack_from(order + header, data)
        (tags,) = struct.unpack_from(order + count, data, at)
    except (struct.error, OverflowError):
        return []  # a damaged file, which the decoder refuses
    at += struct.calcsize(order + count)
    size = struct.calcsize(order + tag)
    there = max(0, min(tags, (len(data) - at) // size))
    return list(struct.iter_unpack(order + tag, data[at : at + there * size]))


def _shared(tags: list[tuple[int, int]], length: int) -> str | None:
    """Refuse tags that name the same bytes, which Pillow before 13.0 copies for each of them.

    Tags whose values are longer than the file are skipped by Pillow, too.
    """
    sizes = (numbers * _SIZES.get(kind, 1) for kind, numbers in tags)
    shared = sum(size for size in sizes if size <= length) - length
    return "more bytes in its tags than in the file" if shared > _MOST_SHARED else None


def _exif(exif: bytes) -> str | None:
    """Check the tables of EXIF: the first one, and those to which its tags may lead."""
    tables = [exif[4:8]]
    order = "<" if exif.startswith(b"II") else ">"
    for tag in _LINKS:
        link = re.escape(struct.pack(order + "HHI", tag, 4, 1))
        places = list(islice(re.finditer(link, exif), _MOST_PLACES + 1))
        if len(places) > _MOST_PLACES:
            return f"more than {_MOST_PLACES} links in its EXIF"
        tables += [exif[found.end() : found.end() + 4] for found in places]
    found = (_shared(_tags(exif[:4] + table + exif[8:]), len(exif)) for table in tables)
    return next(filter(None, found), None)


def _exif_inside(data: bytes) -> str | None:
    """Check what looks like EXIF in a picture."""
    for place, found in enumerate(_EXIF_START.finditer(data)):
        if place == _MOST_PLACES:
            return f"more than {_MOST_PLACES} places with EXIF"
        if refusal := _exif(data[found.start() : found.start() + LARGEST_EXIF]):
            return refusal
    return None


_CHECKS = {
    "jpeg": _jpeg,
    "png": _png,
    "gif": _gif,
    "tiff": _tiff,
    "jpeg2000": jpeg2000_header.reason,
}
