"""The type of a picture by its content, and the names of files that are no pictures.

Only the first bytes are looked at; whatever the type, a decoder reads the rest.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

__all__ = ["EXTENSIONS", "HEAD", "format_of", "kind", "no_picture", "other_picture", "remedy"]

#: The number of first bytes of a file that tell its type.
HEAD = 4096

#: The supported types, recognised by content, with their extensions, the usual one first.
EXTENSIONS = {
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "png": (".png",),
    "bmp": (".bmp", ".dib"),
    "gif": (".gif",),
    "webp": (".webp",),
    "tiff": (".tif", ".tiff"),
    "heif": (".heic", ".heif", ".hif"),
    "avif": (".avif",),
    "jpeg2000": (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    "raw": (".dng", ".nef", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2"),
}

# The first bytes of a file of each type.
_SIGNATURES = {
    "raw": re.compile(rb"II[*]\0.{4}CR|FUJIFILMCCD-RAW|IIR[OS]|MMOR|IIU\0|.{4}ftypcrx ", re.DOTALL),
    "jpeg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "bmp": re.compile(rb"BM"),
    "gif": re.compile(rb"GIF8[79]a"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "tiff": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "jpeg2000": re.compile(rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"),
}
_RAW_FORMATS = {b"FUJI": "RAF", b"IIRO": "ORF", b"IIRS": "ORF", b"MMOR": "ORF", b"IIU\0": "RW2"}
_RAW_MAKERS = {b"NIKON": "NEF", b"SONY": "ARW", b"PENTAX": "PEF", b"SAMSUNG": "SRW"}

# The brands of ISO base media files (ISO/IEC 14496-12, 4.3) that hold pictures.
_AVIF = {b"avif", b"avis"}
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF = _HEIC | {b"mif1", b"mif2", b"msf1"}

# Tags of a TIFF's first picture. A raw file begins with a reduced picture, or has a mosaic.
_SUBFILE, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG_VERSION = 254, 262, 271, 330, 50706
_MOSAICS = (32803, 34892)
_MOST_TAGS = 1000

# Pictures of other types, and what to do with them, by their first bytes.
_OTHER_PICTURES = {
    "JPEG XL, which happysad cannot read: djxl makes a JPEG or a PNG of it": re.compile(
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"
    ),
    "a Photoshop file: save it as JPEG or PNG": re.compile(rb"8BPS\0[\x01\x02]"),
    "an icon: save it as PNG": re.compile(rb"\0\0\x01\0[\x01-\x40]\0"),
}
# Files that are no pictures.
_FILM = "a film, not an image: happysad video takes it"
_FOREIGN = {
    "a PDF document, not an image: pdftoppm -jpeg makes pictures of its pages": re.compile(
        rb"%PDF-"
    ),
    "a sound recording, not an image": re.compile(
        rb".{4}ftypM4[AB] |ID3|fLaC|RIFF....WAVE", re.DOTALL
    ),
    _FILM: re.compile(
        rb".{4}ftyp|\0.{3}(moov|mdat|wide|free|skip|pnot)|\x1aE\xdf\xa3|RIFF....AVI |FLV\x01|OggS"
        rb"|\0\0\x01[\xb3\xba]|\0\0\0?\x01[\x09\x27\x40\x67]|\x30\x26\xb2\x75\x8e\x66\xcf\x11"
        rb"|G.{187}G.{187}G",
        re.DOTALL,
    ),
}
_SVG = "an SVG drawing, not an image: rsvg-convert makes a PNG of it"
_XML = (b"<svg", b"<?xml", b"<!--", b"<!doctype svg")


def kind(data: bytes) -> str | None:
    """Return the type of a picture by its first bytes; None if it is not supported.

    Args:
        data: the whole file, or its first `HEAD` bytes. A raw file whose tags come later is then
            called a TIFF.

    >>> kind(b"GIF89a"), kind(b"%PDF-1.7")
    ('gif', None)
    """
    found = next((name for name, magic in _SIGNATURES.items() if magic.match(data)), None)
    if found == "tiff" and _raw_format(data):
        return "raw"
    if found is None and (brands := _brands(data)):
        return "avif" if brands & _AVIF else "heif" if brands & _HEIF else None
    return found


def format_of(data: bytes) -> str:
    """Return the name that people use for a supported type, such as HEIC or NEF.

    >>> format_of(b"FUJIFILMCCD-RAW")
    'RAF'
    """
    type_ = kind(data)
    if type_ == "raw":
        if data[4:8] == b"ftyp":
            return "CR3"
        return _RAW_FORMATS.get(data[:4]) or ("CR2" if data[8:10] == b"CR" else _raw_format(data))
    if type_ == "heif":
        return "HEIC" if _brands(data) & _HEIC else "HEIF"
    return (type_ or "").upper()


def remedy(data: bytes, extra: str) -> str:
    """Return the reason for a picture that is not read because an extra is not installed.

    >>> remedy(b"FUJIFILMCCD-RAW", "raw")
    "RAF: pip install 'happysad[raw]'"
    """
    return f"{format_of(data)}: pip install 'happysad[{extra}]'"


def other_picture(data: bytes) -> str | None:
    r"""Return the name of an unsupported type of picture, and what to do; None if unknown.

    >>> other_picture(b"\xff\x0a")
    'JPEG XL, which happysad cannot read: djxl makes a JPEG or a PNG of it'
    """
    return _match(_OTHER_PICTURES, data)


def no_picture(data: bytes) -> str | None:
    """Return the name of a type of file that is no picture, and what to do; None if unknown.

    >>> no_picture(b"%PDF-1.7")
    'a PDF document, not an image: pdftoppm -jpeg makes pictures of its pages'
    """
    if found := _match(_FOREIGN, data):
        return found
    text = data[:HEAD].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return _SVG if text.startswith(_XML) and b"<svg" in text else None


def _match(patterns: dict[str, re.Pattern[bytes]], data: bytes) -> str | None:
    return next((what for what, magic in patterns.items() if magic.match(data)), None)


def _brands(data: bytes) -> set[bytes]:
    """Return the brands of an ISO base media file; none of any other file."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(data[:4]), len(data), HEAD)
    return {data[at : at + 4] for at in (8, *range(16, end, 4))}


def _raw_format(data: bytes) -> str:
    """Return the name of the camera raw format that a TIFF is; "" if it is a picture."""
    tags = dict(_tags(data))
    if _DNG_VERSION in tags:
        return "DNG"
    reduced = tags.get(_SUBFILE, 0) & 1 and _SUB_IFDS in tags
    if _MAKE not in tags or not (reduced or tags.get(_PHOTOMETRIC) in _MOSAICS):
        return ""
    make = data[tags[_MAKE] :][:16].upper()
    return next((name for maker, name in _RAW_MAKERS.items() if make.startswith(maker)), "raw")


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the tags of a TIFF's first picture, each with its first value or its place."""
    order = "<" if data.startswith(b"II") else ">"
    try:
        (at,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, at)
        for entry in range(at + 2, at + 2 + 12 * min(count, _MOST_TAGS), 12):
            tag, type_ = struct.unpack_from(order + "HH", data, entry)
            (value,) = struct.unpack_from(order + ("H" if type_ == 3 else "I"), data, entry + 8)
            yield tag, value
    except struct.error:  # the tags are not among the first bytes, or the file is damaged
        return
