"""Small files that would take hours or gigabytes are refused; unusual but cheap ones are read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from happysad import decoding_cost
from happysad.errors import ImageError
from happysad.images import decode
from tests.pictures import encoded, photo

JPEG = encoded(photo(1), "jpeg")
PROGRESSIVE = encoded(photo(1), "jpeg", progressive=True)
PNG = encoded(photo(1), "png")
# The upper left pixel, which shows whether the picture was turned.
CORNER = decode(PNG).pixels[0, 0]

Tag = tuple[int, int, int, int]


def scans(times: int) -> bytes:
    """Return a JPEG whose last scan is repeated `times` times."""
    start = PROGRESSIVE.rindex(b"\xff\xda")
    return PROGRESSIVE[:start] + PROGRESSIVE[start:-2] * times + PROGRESSIVE[-2:]


def segments(marker: int, content: bytes, times: int = 1) -> bytes:
    """Return a JPEG with additional segments."""
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    return JPEG[:2] + segment * times + JPEG[2:]


def chunks(name: bytes, content: bytes, times: int = 1) -> bytes:
    """Return a PNG with additional chunks."""
    body = name + content
    chunk = struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))
    return PNG[:33] + chunk * times + PNG[33:]


def tiff(*further: Tag, big: bool = False, order: str = "<") -> bytes:
    """Return a grey TIFF of 16 by 16 pixels; `further` are tags: number, type, count, value."""
    at = 30_000
    given: list[Tag] = [
        (256, 4, 1, 16),
        (257, 4, 1, 16),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, at),
        (277, 3, 1, 1),
        (278, 4, 1, 16),
        (279, 4, 1, 256),
        *further,
    ]
    head = struct.pack(order + ("2sHHHQQ" if big else "2sHIH"), *(
        (b"II" if order == "<" else b"MM", 43, 8, 0, 16, len(given))
        if big
        else (b"II" if order == "<" else b"MM", 42, 8, len(given))
    ))  # fmt: skip
    table = b""
    for number, kind, count, value in given:
        # A single SHORT is in the first two bytes of its field.
        short, rest = kind == 3 and count == 1, 8 if big else 4
        field = struct.pack(order + ("H" if short else "Q" if big else "I"), value)
        table += struct.pack(order + ("HHQ" if big else "HHI"), number, kind, count)
        table += field.ljust(rest, b"\0")
    return (head + table + bytes(8)).ljust(at, b"\0") + bytes(256)


def tiles(side: int, kind: int = 4) -> bytes:
    """Return a TIFF of 16 by 16 pixels in one tile, which declares the given size."""
    return tiff((322, kind, 1, side), (323, kind, 1, side), (324, 4, 1, 30_000), (325, 4, 1, 256))


def exif(*further: Tag) -> bytes:
    return b"Exif\0\0" + tiff((274, 3, 1, 3), *further)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: scans(101), "more than 100 scans (jpeg)"),
        (lambda: segments(0xFE, b"", 1001), "more than 1,000 segments (jpeg)"),
        # Pillow ignores an end marker before the first scan.
        (
            lambda: JPEG[:2] + b"\xff\xd9" + segments(0xFE, b"", 1001)[2:],
            "more than 1,000 segments (jpeg)",
        ),
        (lambda: segments(0xE1, exif().ljust(65_000), 17), "more than 1,048,576 bytes of EXIF"),
        (lambda: chunks(b"abCd", b"", 100_000), "more than 100,000 chunks (png)"),
        (lambda: tiff(*[(40_000 + n, 7, 99, 8) for n in range(992)]), "more than 1,000 tags"),
        (
            lambda: tiff(*[(40_000 + n, 7, 99, 8) for n in range(992)], order=">"),
            "more than 1,000 tags",
        ),
        (lambda: tiff((282, 5, 200_001, 8)), "more than 200,000 numbers in its tags (tiff)"),
        (lambda: tiff((282, 5, 200_001, 8), big=True), "more than 200,000 numbers in its tags"),
        (lambda: tiles(20_000), "20000x20000 pixels are too many"),
        (lambda: tiles(20_000, kind=3), "20000x20000 pixels are too many"),
    ],
)
def test_what_costs_too_much_is_refused_before_it_is_read(
    make: Callable[[], bytes], says: str
) -> None:
    with pytest.raises(ImageError) as raised:
        decode(make(), "a.file", max_pixels=50_000_000)
    assert str(raised.value).startswith("a.file: ")
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: PROGRESSIVE, (48, 64, 3)),
        (lambda: scans(80), (48, 64, 3)),
        # A film or another picture behind the picture's end, as phones write them.
        (lambda: PROGRESSIVE + b"\xff\xda" * 500, (48, 64, 3)),
        (lambda: segments(0xE2, b"\xff\xda" * 500, 40), (48, 64, 3)),
        (lambda: segments(0xE2, b"ICC_PROFILE\0" + bytes(9999), 255), (48, 64, 3)),
        (lambda: segments(0xFE, b"", 900), (48, 64, 3)),
        (lambda: chunks(b"abCd", b"", 9000), (48, 64, 3)),
        (lambda: tiff((40_000, 7, 30_000, 8)), (16, 16, 3)),
        (lambda: tiff((282, 5, 1000, 8)), (16, 16, 3)),
        (lambda: tiff(order=">"), (16, 16, 3)),
        (lambda: tiff(big=True), (16, 16, 3)),
        (lambda: encoded(photo(1), "tiff", compression="tiff_lzw", tile=(256, 256)), (48, 64, 3)),
    ],
)
def test_odd_files_that_cost_little_are_read(
    make: Callable[[], bytes], shape: tuple[int, int, int]
) -> None:
    assert decode(make()).pixels.shape == shape


def test_exif_that_is_too_large_is_not_looked_into() -> None:
    """EXIF with a half turn is applied if it has a usual size, and ignored if it is too large."""
    whole = exif()[6:]
    turned = decode(chunks(b"eXIf", whole)).pixels
    left = decode(chunks(b"eXIf", whole.ljust(decoding_cost.LARGEST_EXIF + 1, b"\0"))).pixels
    np.testing.assert_array_equal(turned[-1, -1], CORNER)
    np.testing.assert_array_equal(left[0, 0], CORNER)


@pytest.mark.parametrize("type_", ["jpeg", "png", "tiff"])
def test_damaged_files_are_left_to_the_decoder(type_: str) -> None:
    whole = {"jpeg": scans(101), "png": PNG, "tiff": tiff(big=True)}[type_]
    for end in range(min(len(whole), 400)):
        assert decoding_cost.reason(whole[:end], type_) is None
