"""Small files that would take hours or gigabytes are refused; unusual but cheap ones are read."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import numpy as np
import pytest

from happysad import decoding_cost
from happysad.errors import ImageError
from happysad.images import MAX_MEMORY, Stored, decode, stored
from happysad.web.http.settings import Settings
from tests.pictures import encoded, photo

JPEG = encoded(photo(1), "jpeg")
PROGRESSIVE = encoded(photo(1), "jpeg", progressive=True)
PNG = encoded(photo(1), "png")
GIF = encoded(photo(1), "gif")
# The upper left pixel, which shows whether the picture was turned.
CORNER = decode(PNG).pixels[0, 0]

if TYPE_CHECKING:
    from _typeshed import TraceFunction

Tag = tuple[int, int, int, int]


def scans(times: int) -> bytes:
    """Return a JPEG whose last scan is repeated `times` times."""
    start = PROGRESSIVE.rindex(b"\xff\xda")
    return PROGRESSIVE[:start] + PROGRESSIVE[start:-2] * times + PROGRESSIVE[-2:]


def segments(marker: int, content: bytes, times: int = 1) -> bytes:
    """Return a JPEG with additional segments."""
    segment = struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content
    return JPEG[:2] + segment * times + JPEG[2:]


def stray(unit: bytes, length: int = 70_000) -> bytes:
    """Return a JPEG with bytes between two segments that belong to neither."""
    return JPEG[:2] + segments(0xFE, b"")[2:6] + unit * (length // len(unit)) + JPEG[2:]


def gif_blocks(block: bytes, times: int = 1) -> bytes:
    """Return a GIF with additional blocks before its picture."""
    start = 13 + 3 * 256
    return GIF[:start] + block * times + GIF[start:]


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


SHARED = [(40_000 + number, 7, 29_000, 8) for number in range(60)]


def linked(whole: bytes) -> bytes:
    """Return EXIF whose first table leads to another one."""
    head = struct.pack("<2sHIHHHII", b"II", 42, 8, 1, 0x8769, 4, 1, 30)
    return head + bytes(8) + whole[8:]


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
        # Pillow looks at markers without a length and at stray bytes one by one.
        (lambda: JPEG[:2] + b"\xff\xd8" * 1001 + JPEG[2:], "more than 1,000 segments (jpeg)"),
        (lambda: stray(b"\xff"), "more than 65,536 bytes outside its segments (jpeg)"),
        (lambda: stray(b"\xff\0"), "more than 65,536 bytes outside its segments (jpeg)"),
        (lambda: stray(b"\xff\xd0"), "more than 65,536 bytes outside its segments (jpeg)"),
        (lambda: stray(b"a"), "more than 65,536 bytes outside its segments (jpeg)"),
        (
            lambda: segments(0xF0, bytes(65_000), 2),
            "more than 65,536 bytes outside its segments (jpeg)",
        ),
        # Pillow keeps a tuple for each component of a frame, and a list for each table.
        (lambda: segments(0xC0, bytes(33_000), 2), "more than 65,536 bytes of tables (jpeg)"),
        (lambda: segments(0xDB, bytes(33_000), 2), "more than 65,536 bytes of tables (jpeg)"),
        (lambda: gif_blocks(b"!\xfe\1a\0", 60_000), "blocks (gif)"),
        (lambda: gif_blocks(b"!\xfe" + b"\1a" * 200_000 + b"\0"), "blocks (gif)"),
        (lambda: gif_blocks(b"\0", 200_000), "blocks (gif)"),
        (lambda: chunks(b"abCd", b"", 100_000), "more than 100,000 chunks (png)"),
        (lambda: tiff(*[(40_000 + n, 7, 99, 8) for n in range(992)]), "more than 1,000 tags"),
        (
            lambda: tiff(*[(40_000 + n, 7, 99, 8) for n in range(992)], order=">"),
            "more than 1,000 tags",
        ),
        (lambda: tiff((282, 5, 200_001, 8)), "more than 200,000 numbers in its tags (tiff)"),
        (lambda: tiff((282, 5, 200_001, 8), big=True), "more than 200,000 numbers in its tags"),
        # Pillow before 13.0 copies bytes that many tags name.
        (lambda: tiff(*SHARED), "more bytes in its tags than in the file (tiff)"),
        (lambda: segments(0xE1, exif(*SHARED)), "more bytes in its tags than in the file (jpeg)"),
        (lambda: chunks(b"eXIf", tiff(*SHARED)), "more bytes in its tags than in the file (png)"),
        (
            lambda: chunks(b"eXIf", linked(tiff(*SHARED))),
            "more bytes in its tags than in the file (png)",
        ),
        (lambda: tiles(20_000), "20000x20000 pixels are too many"),
        (lambda: tiles(20_000, kind=3), "20000x20000 pixels are too many"),
    ],
)
def test_what_costs_too_much_is_refused_before_it_is_read(
    make: Callable[[], bytes], says: str
) -> None:
    with pytest.raises(ImageError) as raised:
        decode(make(), "a.file", max_memory=10**9)
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
        (lambda: stray(b"\xff", 60_000), (48, 64, 3)),
        (lambda: stray(b"a", 60_000), (48, 64, 3)),
        (lambda: gif_blocks(b"!\xfe" + b"\xff".ljust(256) * 9000 + b"\0"), (48, 64, 3)),
        (lambda: gif_blocks(b"!\xfe\1a\0", 9000), (48, 64, 3)),
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


@pytest.mark.parametrize(
    ("make", "type_"),
    [
        (lambda n: b"\xff\xd8" + b"\xff" * n, "jpeg"),
        (lambda n: b"\xff\xd8" * (n // 2), "jpeg"),
        (lambda n: b"\xff\xd8\xff\xd8" + b"\xff\xd0" * (n // 2), "jpeg"),
        (lambda n: scans(101)[:-2] + b"\xff\0" * (n // 2), "jpeg"),
        (lambda n: scans(50)[:-2] + b"\xff\xda\xff" * 101 + b"\xff" * n, "jpeg"),
        (lambda n: PNG[:8] + bytes(n), "png"),
        (lambda n: gif_blocks(b"\1" * n), "gif"),
        (lambda n: gif_blocks(b"!\xfe" + b"\1a" * n), "gif"),
    ],
)
def test_the_check_itself_takes_few_steps(make: Callable[[int], bytes], type_: str) -> None:
    """A file of twice the length takes at most twice the steps."""
    short, long = (steps(make(length), type_) for length in (20_000, 40_000))
    assert long <= 2 * short + 100


def steps(data: bytes, type_: str) -> int:
    """Return the number of lines and calls of Python that the check of a file takes."""
    taken = 0

    def count(frame: FrameType, event: str, value: object) -> TraceFunction:
        nonlocal taken
        taken += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        decoding_cost.reason(data, type_)
    finally:
        sys.settrace(before)
    return taken


@pytest.mark.parametrize("sides", [(6144, 8192), (9000, 12000), (12240, 16320)])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_the_largest_phones_photos_fit_into_memory_at_an_eighth(
    sides: tuple[int, int], subsampling: str
) -> None:
    """Of 50, 108 and 200 million pixels, progressive; the bodies of requests may be as large."""
    small = encoded(photo(1), "jpeg", progressive=True, subsampling=subsampling)
    at = small.index(b"\xff\xc2") + 5
    data = small[:at] + struct.pack(">HH", *sides) + small[at + 4 :]
    assert stored(data) == Stored(sides[1], sides[0], 1)
    most = Settings().max_memory
    assert decoding_cost.memory(data, "jpeg", sides[0] * sides[1] // 64) < most == MAX_MEMORY
    assert Settings().max_body > 80_000_000
