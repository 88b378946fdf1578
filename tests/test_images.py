"""Every file is either decoded correctly or raises ImageError with one line."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st
from PIL import Image

from happysad import images
from happysad.errors import ImageError, shown_path
from happysad.images import MAX_PIXELS, Pixels, decode, fit, read, read_bytes
from tests.pictures import encoded, photo, save


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


PHOTO = photo(1, 40, 56)
FILES = {
    "jpeg": encoded(PHOTO, "jpeg"),
    "progressive": encoded(PHOTO, "jpeg", progressive=True),
    "png": encoded(PHOTO, "png"),
    "bmp": encoded(PHOTO, "bmp"),
    "gif": encoded(PHOTO, "gif"),
    "webp": encoded(PHOTO, "webp"),
    "tiff": encoded(PHOTO, "tiff"),
    "tiff_lzw": encoded(PHOTO, "tiff", compression="tiff_lzw"),
    "tiff_jpeg": encoded(PHOTO, "tiff", compression="jpeg"),
    "exif": encoded(PHOTO, "jpeg", exif=turned(6)),
}
FAST = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def tried(data: bytes) -> Pixels | None:
    """Decode bytes; return None for an ImageError of one line that names the file."""
    try:
        pixels = decode(data, "a.file").pixels
    except ImageError as error:
        assert str(error).startswith("a.file: ")
        assert len(str(error).splitlines()) == 1
        assert len(str(error)) < 300
        return None
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    return pixels


def pillow(data: bytes) -> Pixels | None:
    """Return the pixels that Pillow reads from a file without alpha or orientation."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except Exception:
        return None


@pytest.mark.parametrize("name", FILES)
def test_whole_files_are_read(name: str) -> None:
    decoded = decode(FILES[name])
    expected = np.asarray(Image.open(io.BytesIO(FILES[name])).convert("RGB"))
    if name == "exif":
        expected = np.rot90(expected, -1)
    assert decoded.type == {"progressive": "jpeg", "exif": "jpeg"}.get(name, name.split("_")[0])
    np.testing.assert_array_equal(decoded.pixels, expected)


@given(name=st.sampled_from(sorted(FILES)), part=st.floats(0, 1, exclude_max=True))
@FAST
def test_truncated_files(name: str, part: float) -> None:
    data = FILES[name][: int(part * len(FILES[name]))]
    pixels = tried(data)
    if pixels is not None:  # only dispensable bytes were cut off: an end marker, metadata
        np.testing.assert_array_equal(pixels, decode(FILES[name]).pixels)


@given(
    name=st.sampled_from(sorted(FILES)),
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4),
)
@FAST
def test_flipped_bytes(name: str, flips: list[tuple[float, int]]) -> None:
    data = bytearray(FILES[name])
    for place, mask in flips:
        data[int(place * len(data))] ^= mask
    pixels = tried(bytes(data))
    expected = pillow(bytes(data))
    # "exif" may lose its orientation, and a flip may add alpha: only their shapes are checked.
    if pixels is not None and expected is not None and name in ("jpeg", "progressive", "bmp"):
        np.testing.assert_array_equal(pixels, expected)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\0" * 100)
@example(b"hello, I am a text file called .jpg")
@example(b"%PDF-1.7")
@example(b"\xff\xd8\xff")
@example(b"BM")
@example(b"II*\0" + b"\0" * 60)
@example(b"GIF89a" + b"\xff" * 40)
@example(b"RIFF\x10\0\0\0WEBPVP8 ")
@FAST
def test_other_bytes(data: bytes) -> None:
    assert tried(data) is None


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that declares a size and contains almost no data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "the file is empty"),
        (b"text", "not an image"),
        (png_header(30_000, 30_000), "30000x30000 pixels are too many"),
        (png_header(MAX_PIXELS + 1, 1), "pixels are too many"),
        (png_header(0, 10), "damaged"),
        (FILES["jpeg"][:400], "truncated"),
        (FILES["png"][:400], "truncated"),
        (FILES["bmp"][:400], "truncated"),
        (FILES["tiff"][:400], r"truncated|damaged"),
    ],
)
def test_the_reason_is_told(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        decode(data, "photo.jpg")
    assert str(caught.value).startswith("photo.jpg: ")


def test_one_pixel() -> None:
    assert decode(encoded(np.full((1, 1, 3), 7, np.uint8))).pixels.tolist() == [[[7, 7, 7]]]


def test_cmyk() -> None:
    file = io.BytesIO()
    Image.fromarray(PHOTO).convert("CMYK").save(file, "jpeg", quality=95)
    decoded = decode(file.getvalue())
    assert decoded.notes == ("CMYK turned to RGB",)
    assert np.abs(decoded.pixels.astype(int) - PHOTO).mean() < 4


def test_16_bits_grey() -> None:
    values = np.linspace(0, 65535, 40 * 56).astype(np.uint16).reshape(40, 56)
    decoded = decode(encoded_cv2(values, ".png"))
    assert decoded.notes == ("more than 8 bits a channel, brought to 8",)
    np.testing.assert_array_equal(decoded.pixels[..., 0], values >> 8)
    np.testing.assert_array_equal(decode(encoded_cv2(values, ".tiff")).pixels, decoded.pixels)


@pytest.mark.parametrize("mode", ["I;16", "I;16B"])
def test_16_bits_are_read_in_both_byte_orders(mode: str) -> None:
    values = np.full((4, 4), 200, ">u2" if mode.endswith("B") else "<u2")  # dark, and below 256
    file = io.BytesIO()
    Image.frombytes(mode, (4, 4), values.tobytes()).save(file, "tiff")
    assert decode(file.getvalue()).pixels.max() == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 0.5, 1], [0, 128, 255]),  # as photo editors write it
        ([0, 0.1, 0.2], [0, 26, 51]),
        ([0, 0, 0], [0, 0, 0]),
        ([0, 1, 254.6], [0, 1, 255]),
    ],
)
def test_floating_point(values: list[float], expected: list[int]) -> None:
    decoded = decode(encoded_cv2(np.array([values], np.float32), ".tiff"))
    assert decoded.notes == ("more than 8 bits a channel, brought to 8",)
    assert decoded.pixels[0, :, 0].tolist() == expected


@pytest.mark.parametrize(
    ("values", "dtype", "reason"),
    [
        ([-0.1, 1], np.float32, r"pixels from -0\.1.* to 1\.0 have no known scale"),
        ([0, 255.5], np.float32, r"pixels from 0\.0 to 255\.5 have no known scale"),
        # up to 1 with an overshoot, or all but black up to 255
        ([0, 1.25], np.float32, r"pixels from 0\.0 to 1\.25 have no known scale"),
        ([0, np.nan], np.float32, "pixels that are not finite numbers"),
        ([0, np.inf], np.float32, "pixels that are not finite numbers"),
        ([-np.inf, 1], np.float32, "pixels that are not finite numbers"),
        ([-5, 300], np.int32, "pixels from -5 to 300 have no known scale"),
        ([-5, 200], np.int32, "pixels from -5 to 200 have no known scale"),
    ],
)
def test_numbers_of_no_known_scale(values: list[float], dtype: type, reason: str) -> None:
    file = io.BytesIO()
    Image.fromarray(np.array([values], dtype)).save(file, "tiff")
    with pytest.raises(ImageError, match=rf"^a\.tiff: damaged: {reason} \(tiff\)$"):
        decode(file.getvalue(), "a.tiff")


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bits_colour(suffix: str) -> None:
    deep = PHOTO.astype(np.uint16) * 257
    pixels = decode(encoded_cv2(deep[..., ::-1], suffix)).pixels
    assert np.abs(pixels.astype(int) - PHOTO).max() <= 1


def encoded_cv2(array: np.ndarray, suffix: str) -> bytes:
    return cv2.imencode(suffix, array)[1].tobytes()


def test_alpha_is_laid_on_white() -> None:
    rgba = np.dstack([PHOTO, np.full(PHOTO.shape[:2], 255, np.uint8)])
    rgba[:10, ..., 3] = 0
    rgba[10:20, ..., 3] = 128
    decoded = decode(encoded(rgba))
    assert decoded.notes == ("alpha laid on white",)
    assert (decoded.pixels[:10] == 255).all()
    np.testing.assert_array_equal(decoded.pixels[20:], PHOTO[20:])
    half = PHOTO[10:20].astype(int) * 128 / 255 + 127
    np.testing.assert_allclose(decoded.pixels[10:20], half, atol=1)


@pytest.mark.parametrize("transparency", [0, b"\x00" + b"\xff" * 255])
def test_palette_with_a_transparent_colour(transparency: int | bytes) -> None:
    palette = Image.fromarray(PHOTO).quantize(16)
    where = np.asarray(palette) == 0
    file = io.BytesIO()
    palette.save(file, "png", transparency=transparency)
    decoded = decode(file.getvalue())
    assert (decoded.pixels[where] == 255).all()
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(decoded.pixels[~where], expected[~where])


def test_a_hundred_thousand_frames_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting the frames took seconds for a small GIF and minutes for a TIFF."""
    from PIL.GifImagePlugin import GifImageFile

    looked_at = []
    original = GifImageFile._seek

    def seek(self: GifImageFile, frame: int, update_image: bool = True) -> None:
        looked_at.append(frame)
        original(self, frame, update_image)

    monkeypatch.setattr(GifImageFile, "_seek", seek)
    head = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    assert decode(head + frame * 100_000 + b"\x3b").notes == ("first of several frames",)
    assert max(looked_at) <= 1


@pytest.mark.parametrize("format", ["gif", "webp", "png", "tiff"])
def test_animations_give_their_first_frame(format: str) -> None:  # noqa: A002
    frames = [Image.fromarray(photo(seed)) for seed in (1, 2, 3)]
    file = io.BytesIO()
    extra = {"lossless": True} if format == "webp" else {}
    frames[0].save(file, format, save_all=True, append_images=frames[1:], **extra)
    decoded = decode(file.getvalue())
    assert decoded.notes == ("first of several frames",)
    if format != "gif":  # which reduces the colours to 256
        np.testing.assert_array_equal(decoded.pixels, photo(1))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_orientations_are_as_cv2_turns_them(tmp_path: Path, orientation: int, suffix: str) -> None:
    # Grey in quarters: no chroma upsampling, so that both JPEG decoders agree to a level or two.
    file = save(tmp_path / f"turned{suffix}", photo(3, channels=1), exif=turned(orientation))
    expected = cv2.imread(str(file), cv2.IMREAD_COLOR)
    assert expected is not None
    pixels = read(file)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected[..., ::-1]).max() <= 2


def test_warnings_stay_inside_with_many_threads() -> None:
    """Files that Pillow warns about are read without a warning; the filters stay as before."""
    broken = FILES["tiff"][:4] + b"\xff" * 4 + FILES["tiff"][8:]
    short = turned(1).tobytes()[:-4]  # metadata that ends too early
    loose = encoded(PHOTO, "jpeg", exif=short)
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(tried, [broken, loose, FILES["jpeg"]] * 40))
    assert warnings.filters == before
    assert results[0] is None
    assert all(result is not None for result in results[1::3])


def test_paths_bytes_and_arrays_agree(tmp_path: Path) -> None:
    file = save(tmp_path / "a.png", PHOTO)
    for source in (file, str(file), file.read_bytes(), PHOTO):
        np.testing.assert_array_equal(read(source), PHOTO)
    np.testing.assert_array_equal(read(PHOTO[..., 0]), np.repeat(PHOTO[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="must be uint8 of shape"):
        read(array)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"none\.jpg: no such file or directory"):
        read(tmp_path / "none.jpg")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("folder", "is a directory"),
        ("pipe", "not a regular file"),  # opening it would never end
        ("large.png", "too large: 1,001 bytes (at most 1,000)"),
        ("x" * 300, "file name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, reason: str
) -> None:
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large.png").write_bytes(FILES["png"].ljust(1001, b"\0")[:1001])
    with pytest.raises(ImageError) as caught:
        read_bytes(tmp_path / name)
    assert caught.value.reason == reason
    assert str(caught.value) == f"{shown_path(str(tmp_path / name))}: {reason}"


def test_a_file_that_exists_is_named_whole(tmp_path: Path) -> None:
    """The user looks for the file by the name in the message."""
    file = tmp_path / f"{'long ' * 40}\n.jpg"
    file.write_bytes(b"")
    with pytest.raises(ImageError) as caught:
        read(file)
    assert str(caught.value) == rf"{tmp_path / ('long ' * 40)}\n.jpg: the file is empty"


def test_of_a_file_that_is_no_picture_only_the_beginning_is_read(tmp_path: Path) -> None:
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0\0\0\x18ftypmp42" + b"\0" * 10_000)
    assert len(read_bytes(film)) < 5000
    with pytest.raises(ImageError, match=r"a film, not an image: happysad video takes it"):
        read(film)
    picture = save(tmp_path / "a.png", PHOTO)
    assert read_bytes(picture) == picture.read_bytes()


@pytest.mark.parametrize(("height", "width"), [(48, 48), (1, 1), (10, 300), (300, 10), (1, 5000)])
@pytest.mark.parametrize("channels", [1, 3])
def test_fit_gives_the_networks_shape(height: int, width: int, channels: int) -> None:
    fitted = fit(np.full((height, width, 3), 90, np.uint8), 48, channels)
    assert fitted.shape == (48, 48, channels)
    assert fitted.dtype == np.uint8
    assert (fitted == 90).all()
