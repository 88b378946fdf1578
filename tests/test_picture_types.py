"""Photos of phones and cameras are read, and what cannot be read is named with its remedy."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from happysad import repair
from happysad.errors import ErrorCode, ImageError
from happysad.images import Decoded, Pixels, Stored, decode, read, stored
from happysad.picture_type import EXTENSIONS, format_of, kind
from tests.films import film
from tests.pictures import encoded, photo

PHOTO = photo(1, 64, 96)
JPEG = encoded(PHOTO, "jpeg", quality=92)
PROGRESSIVE = encoded(PHOTO, "jpeg", quality=92, progressive=True)
PNG = encoded(PHOTO)


def heic(pixels: Pixels = PHOTO, **options: Any) -> bytes:
    plugin = pytest.importorskip("pillow_heif", reason="needs the extra heif")
    file = io.BytesIO()
    plugin.from_pillow(Image.fromarray(pixels)).save(file, quality=90, **options)
    return file.getvalue()


def dng(preview: bytes = b"", *, orientation: int = 1, side: int = 64) -> bytes:
    """Return a DNG of a grey mosaic of `side` x 1.5 `side`, with a JPEG as its preview."""
    pytest.importorskip("rawpy", reason="needs the extra raw")
    width, height = side * 3 // 2, side
    mosaic = np.full((height, width), 3000, "<u2")
    mosaic[: height // 2] = 300
    matrix = struct.pack("<18i", *(v for n in range(9) for v in (10_000 * (n % 4 == 0), 10_000)))
    neutral = struct.pack("<6I", *[1] * 6)
    shown = Image.open(io.BytesIO(preview)).size if preview else (1, 1)
    main = [
        (254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1),
        (262, 3, 1, 32803), (273, 4, 1, mosaic.tobytes()), (277, 3, 1, 1), (278, 4, 1, height),
        (279, 4, 1, mosaic.nbytes), (33421, 3, 2, struct.pack("<2H", 2, 2)),
        (33422, 1, 4, bytes([0, 1, 1, 2])), (50714, 3, 1, 0), (50717, 4, 1, 4095),
    ]  # fmt: skip
    first = [
        (254, 4, 1, 1), (256, 4, 1, shown[0]), (257, 4, 1, shown[1]),
        (258, 3, 3, struct.pack("<3H", 8, 8, 8)), (259, 3, 1, 7), (262, 3, 1, 6),
        (271, 2, 5, b"Maker"), (272, 2, 5, b"Model"), (273, 4, 1, preview or b"\0"),
        (274, 3, 1, orientation), (277, 3, 1, 3), (278, 4, 1, shown[1]),
        (279, 4, 1, len(preview) or 1), (330, 4, 1, main), (50706, 1, 4, bytes([1, 4, 0, 0])),
        (50708, 2, 6, b"Model\0"), (50721, 10, 9, matrix), (50728, 5, 3, neutral),
        (50778, 3, 1, 21),
    ]  # fmt: skip
    return _tiff(first)


def _tiff(tags: list[Any]) -> bytes:
    out = bytearray(struct.pack("<2sHI", b"II", 42, 8))

    def directory(tags: list[Any]) -> int:
        at = len(out)
        out.extend(bytes(6 + 12 * len(tags)))
        struct.pack_into("<H", out, at, len(tags))
        for place, (number, type_, count, value) in enumerate(tags):
            if isinstance(value, list):
                field = directory(value)
            elif isinstance(value, bytes) and (len(value) > 4 or number == 273):
                field = len(out)
                out.extend(value + bytes(len(value) % 2))
            else:
                field = int.from_bytes(value, "little") if isinstance(value, bytes) else value
            struct.pack_into("<HHII", out, at + 2 + 12 * place, number, type_, count, field)
        return at

    directory(tags)
    return bytes(out)


def near(decoded: Decoded, expected: Pixels = PHOTO, most: float = 6) -> None:
    assert decoded.pixels.shape == expected.shape
    assert np.abs(decoded.pixels.astype(int) - expected).mean() < most


@pytest.mark.parametrize("type_", ["avif", "jpeg2000"])
def test_types_of_pillow_are_read(type_: str) -> None:
    data = encoded(PHOTO, type_, **({"quality": 90} if type_ == "avif" else {}))
    near(decode(data, "named.jpg"))
    assert decode(data).type == kind(data) == kind(data[:64]) == type_
    for end in (100, len(data) // 2, len(data) - 20):
        with pytest.raises(ImageError, match=r"^cut: (truncated|damaged): .*\((avif|jpeg2000)\)$"):
            decode(data[:end], "cut")


def test_heic_is_read_upright_whatever_its_name(tmp_path: Path) -> None:
    data = heic()
    near(decode(data))
    assert decode(data).type == kind(data) == kind(data[:64]) == "heif"
    (tmp_path / "renamed.jpg").write_bytes(data)
    assert read(tmp_path / "renamed.jpg").shape == PHOTO.shape
    exif = Image.Exif()
    exif[0x0112] = 6
    near(decode(heic(exif=exif.tobytes())), np.rot90(PHOTO, -1))
    with pytest.raises(ImageError, match=r"^cut: (truncated|damaged): .*\(heif\)$"):
        decode(data[: len(data) // 2], "cut")


def test_a_raw_file_gives_its_preview_upright() -> None:
    shown = photo(3, 800, 1200)
    for orientation, turns in ((1, 0), (3, 2), (6, -1), (8, 1)):
        data = dng(encoded(shown, "jpeg"), orientation=orientation)
        decoded = decode(data)
        near(decoded, np.rot90(shown, turns))
        assert decoded.type == kind(data) == "raw"
        assert decoded.notes[0] == "the preview of a raw file"
    small = decode(data, least=300)
    assert (small.reduced, small.pixels.shape) == (4, (300, 200, 3))


def test_a_damaged_raw_file_has_a_reason_in_words() -> None:
    pytest.importorskip("rawpy", reason="needs the extra raw")
    with pytest.raises(ImageError, match=r"^cut: damaged: Input/output error \(raw\)$"):
        decode(b"FUJIFILMCCD-RAW 0201", "cut")


def test_a_raw_file_of_a_monochrome_camera_is_read() -> None:
    mosaic, grey = (struct.pack("<HHII", 262, 3, 1, kind) for kind in (32803, 34892))
    pixels = decode(dng().replace(mosaic, grey)).pixels
    assert pixels.shape == (64, 96, 3)
    assert (pixels == pixels[..., :1]).all()


def test_a_thumbnail_is_not_taken_for_the_photo() -> None:
    for preview in (encoded(photo(3, 80, 120), "jpeg"), b""):
        decoded = decode(dng(preview, orientation=6))
        assert decoded.notes == ("developed from a raw file",)
        assert decoded.pixels.shape == (96, 64, 3)
        assert decoded.pixels[:, :20].mean() > decoded.pixels[:, -20:].mean() + 50


@pytest.mark.parametrize(
    ("data", "module", "says"),
    [
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1", "pillow_heif", "HEIC: pip install 'happysad[heif]'"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1", "pillow_heif", "HEIF: pip install 'happysad[heif]'"),
        (b"FUJIFILMCCD-RAW 0201", "rawpy", "RAF: pip install 'happysad[raw]'"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "rawpy", "CR3: pip install 'happysad[raw]'"),
        (b"II*\0\x10\0\0\0CR\2\0", "rawpy", "CR2: pip install 'happysad[raw]'"),
        (b"IIRO\x08\0\0\0", "rawpy", "ORF: pip install 'happysad[raw]'"),
        (b"IIU\0\x18\0\0\0", "rawpy", "RW2: pip install 'happysad[raw]'"),
        (_tiff([(271, 2, 6, b"NIKON\0"), (262, 3, 1, 32803)]), "rawpy", "NEF: pip install"),
        (_tiff([(254, 4, 1, 1), (271, 2, 5, b"SONY\0"), (330, 4, 1, 8)]), "rawpy", "ARW: pip"),
        (_tiff([(50706, 1, 4, b"\1\4\0\0")]), "rawpy", "DNG: pip install 'happysad[raw]'"),
    ],
)  # fmt: skip
def test_what_needs_an_extra_is_named_with_its_remedy(
    data: bytes, module: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImageError) as raised:
        decode(data, "IMG_0001.jpg")
    assert raised.value.code == ErrorCode.UNSUPPORTED
    assert str(raised.value).startswith(f"IMG_0001.jpg: {says}")
    assert format_of(data) == says[:3] or format_of(data) == says[:4]


@pytest.mark.parametrize(
    ("data", "code", "says"),
    [
        (b"\xff\x0a\x78\x9c", "unsupported", "JPEG XL, which happysad cannot read: djxl makes"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "unsupported", "JPEG XL"),
        (b"8BPS\0\1" + bytes(20), "unsupported", "a Photoshop file: save it as JPEG or PNG"),
        (b"%PDF-1.7\n", "not_an_image", "a PDF document, not an image: pdftoppm -jpeg"),
        (b"\0\0\0\x14ftypqt  ", "not_an_image", "a film, not an image: happysad video takes it"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "not_an_image", "a film"),
        (b"\x1aE\xdf\xa3\1\0", "not_an_image", "a film"),
        (b"RIFF\0\0\0\0AVI LIST", "not_an_image", "a film"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "not_an_image", "a film"),
        (b"G" + bytes(187) + b"G" + bytes(187) + b"G", "not_an_image", "a film"),
        (b"ID3\3\0", "not_an_image", "a sound recording, not an image"),
        (b'<?xml version="1.0"?>\n<svg xmlns="">', "not_an_image", "an SVG drawing, not an image"),
        (b"<html><svg>", "not_an_image", "not an image (allowed by content: jpeg"),
    ],
)
def test_other_files_are_named(data: bytes, code: str, says: str) -> None:
    with pytest.raises(ImageError) as raised:
        decode(data, "a.jpg")
    assert raised.value.code == code
    assert raised.value.reason.startswith(says)


def test_decoders_are_imported_only_for_their_files() -> None:
    code = "import happysad.images as i, sys; i.decode(open(0, 'rb').read()); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=PNG, capture_output=True, check=True)
    loaded = set(done.stdout.decode().split())
    assert not loaded & {"pillow_heif", "rawpy", "PIL.AvifImagePlugin", "PIL.Jpeg2KImagePlugin"}


NOISE = np.random.default_rng(5).integers(0, 256, 5000, np.uint8).tobytes()


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("tail", [b"", b"\xff", NOISE, b"\0" * 3000, b"\xff\xe1\0\x09Exif\0\0"])
@pytest.mark.parametrize("least", [None, 20])
def test_a_jpeg_whose_pixels_are_whole_is_read(
    data: bytes, tail: bytes, least: float | None
) -> None:
    decoded, whole = decode(data[:-2] + tail, least=least), decode(data, least=least)
    np.testing.assert_array_equal(decoded.pixels, whole.pixels)
    assert decoded.notes == ("its end marker is missing",)
    behind = decode(data + tail, least=least)
    np.testing.assert_array_equal(behind.pixels, whole.pixels)
    assert behind.notes == (("other data follows its end",) if tail.strip(b"\0") else ())


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), name) + content


def test_a_motion_photo_is_one_photo(tmp_path: Path) -> None:
    content = film(tmp_path / "film.mp4", [photo(1, 64, 64)] * 3).read_bytes()
    tails = {
        "none": content,
        "box": _box(b"mpvd", content),
        "last box": b"\0\0\0\0mpvd" + content,
        "Samsung": b"\0\x000\nMotionPhoto_Data" + content + b"SEFH" + bytes(20) + b"SEFT",
    }
    for tail in tails.values():
        for data in (JPEG, PROGRESSIVE, heic()):
            assert kind(data + tail) == kind(data)
            np.testing.assert_array_equal(decode(data + tail).pixels, decode(data).pixels)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("length", range(2, 8))
def test_a_jpeg_with_a_short_frame_header_has_a_reason_in_words(data: bytes, length: int) -> None:
    at = data.index(b"\xff\xc0" if data is JPEG else b"\xff\xc2") + 2
    end = at + int.from_bytes(data[at : at + 2])
    short = data[:at] + length.to_bytes(2) + data[at + 2 : at + length] + data[end:]
    with pytest.raises(
        ImageError, match=r"^cut: damaged: a header is too short or wrong \(jpeg\)$"
    ):
        decode(short, "cut")


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
@pytest.mark.parametrize("tail", [b"", NOISE, b"\0" * 5000, b"\xff" * 5000])
@pytest.mark.parametrize("part", [0.3, 0.5, 0.8])
def test_a_jpeg_that_lacks_pixels_is_refused(data: bytes, tail: bytes, part: float) -> None:
    with pytest.raises(ImageError, match=r"truncated|damaged"):
        decode(data[: int(part * len(data))] + tail, "a.jpg", least=20)


def test_a_progressive_jpeg_without_its_last_scan_is_refused() -> None:
    with pytest.raises(ImageError, match=r"truncated|damaged"):
        decode(PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xda")])
    assert repair.ended_jpegs(PROGRESSIVE[: PROGRESSIVE.rindex(b"\xff\xda")]) is None


def chunk(name: bytes, content: bytes, wrong: int = 0) -> bytes:
    crc = zlib.crc32(name + content) ^ wrong
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)


@pytest.mark.parametrize("name", [b"tEXt", b"gAMA", b"eXIf", b"zzZz"])
def test_a_png_with_a_wrong_checksum_beside_its_pixels_is_read(name: bytes) -> None:
    decoded = decode(PNG[:33] + chunk(name, b"key\0text", wrong=1) + PNG[33:])
    np.testing.assert_array_equal(decoded.pixels, PHOTO)
    assert decoded.notes == (f"wrong checksum beside the pixels ({name.decode()})",)


def test_a_png_with_a_wrong_checksum_of_its_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match="damaged"):
        decode(PNG[:29] + bytes(4) + PNG[33:])


def test_16_bits_in_planes_are_refused() -> None:
    planes = np.repeat(PHOTO.astype("<u2").transpose(2, 0, 1) * 257, 1, axis=0)
    tags = [
        (256, 4, 1, 96), (257, 4, 1, 64), (258, 3, 3, struct.pack("<3H", 16, 16, 16)),
        (259, 3, 1, 1), (262, 3, 1, 2), (277, 3, 1, 3), (278, 4, 1, 64), (284, 3, 1, 2),
    ]  # fmt: skip
    head = len(_tiff([*tags, (273, 4, 3, bytes(12)), (279, 4, 3, bytes(12))]))
    places = struct.pack("<3I", *(head + n * planes[0].nbytes for n in range(3)))
    sizes = struct.pack("<3I", *[planes[0].nbytes] * 3)
    data = _tiff([*tags[:5], (273, 4, 3, places), *tags[5:7], (279, 4, 3, sizes), tags[7]])
    with pytest.raises(ImageError, match="TIFF of 16 bits in separate planes: save it interleaved"):
        decode(data.ljust(head, b"\0") + planes.tobytes())


def test_every_type_has_extensions_of_its_own() -> None:
    names = [suffix for suffixes in EXTENSIONS.values() for suffix in suffixes]
    assert len(names) == len(set(names))


def test_the_stored_shape_is_that_of_the_boxes() -> None:
    data = dng(encoded(photo(3, 800, 1200), "jpeg"), orientation=6)
    assert stored(data) == Stored(1200, 800, 6)
    assert stored(heic()) == Stored(96, 64, 1)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE], ids=["baseline", "progressive"])
def test_wherever_a_jpeg_is_cut_its_pixels_are_right_or_refused(data: bytes) -> None:
    whole = decode(data).pixels
    for cut in range(2, 40):
        try:
            pixels = decode(data[:-cut]).pixels
        except ImageError:
            continue
        np.testing.assert_array_equal(pixels, whole)
