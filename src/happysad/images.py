"""Convert a path, bytes, a file object, a PIL image or an array to RGB uint8, safely.

`happysad.photo.Photo` decodes pictures through this module in training and prediction alike, and
`fit` resizes them to a network's input.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import stat
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from happysad import camera_raw, decoding_cost, repair
from happysad.errors import ErrorCode, ImageError, one_line, os_reason, shown, shown_path
from happysad.memory_budget import MemoryBudget
from happysad.picture_type import (
    EXTENSIONS,
    HEAD,
    format_of,
    kind,
    no_picture,
    other_picture,
    remedy,
)

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFile import ImageFile

__all__ = [
    "FIRST_FRAME",
    "MAX_BYTES",
    "MAX_MEMORY",
    "MAX_PIXELS",
    "Decoded",
    "Pixels",
    "Source",
    "Stored",
    "decode",
    "fit",
    "is_source",
    "loaded",
    "read",
    "read_bytes",
    "sample",
    "stored",
]

Pixels: TypeAlias = NDArray[np.uint8]
#: A picture: a path, a whole file's bytes, an open binary file, a PIL image or an array.
Source: TypeAlias = "str | os.PathLike[str] | bytes | BinaryIO | Image | Pixels"

#: Maximum number of pixels; a picture with more, such as a decompression bomb, is refused before it
#: is decoded. The largest phone cameras have 200 million.
MAX_PIXELS = 400_000_000

#: Maximum number of bytes that decoding a picture may take: 125 million pixels at full size, or a
#: progressive JPEG of 200 million pixels, which is decoded at an eighth. All threads share it.
MAX_MEMORY = 2 * 10**9

#: Maximum size of a file in bytes: enough for 100 million uncompressed pixels of 16 bits a channel.
MAX_BYTES = 2**30

#: The note of a picture that is the first frame of an animation.
FIRST_FRAME = "first of several frames"

# Number of pixels that are blended with white at once; each takes 20 bytes.
_AT_ONCE = 1_000_000

# TIFF's tags for the sides of a tile.
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
# TIFF's tags for the bits of each channel, and for channels in separate planes.
_BITS, _PLANAR = 258, 284

_BUDGET = MemoryBudget(MAX_MEMORY)

_TURNED = "turned upright by its EXIF orientation"
# Pillow's class for each type, and the extra of those that need one.
_CLASSES = {
    "jpeg": ("PIL.JpegImagePlugin", "JpegImageFile"),
    "png": ("PIL.PngImagePlugin", "PngImageFile"),
    "bmp": ("PIL.BmpImagePlugin", "BmpImageFile"),
    "gif": ("PIL.GifImagePlugin", "GifImageFile"),
    "webp": ("PIL.WebPImagePlugin", "WebPImageFile"),
    "tiff": ("PIL.TiffImagePlugin", "TiffImageFile"),
    "avif": ("PIL.AvifImagePlugin", "AvifImageFile"),
    "jpeg2000": ("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    "heif": ("pillow_heif", "HeifImageFile"),
}
# What decoders written in Python raise for damaged headers; its text is about Python's objects.
_OF_PYTHON = (LookupError, TypeError, AttributeError, struct.error)
# The parts that a Pillow built from source may lack.
_CODECS = {"avif": "avif", "jpeg2000": "jpg_2000"}


@dataclass(frozen=True, slots=True)
class Decoded:
    """A decoded picture."""

    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), turned upright by its EXIF orientation."""
    type: str
    """One of the keys of `picture_type.EXTENSIONS`, recognised by content."""
    notes: tuple[str, ...]
    """Remarks on the decoding: "first of several frames", "alpha laid on white", …"""
    reduced: int = 1
    """The ratio of the sides of the picture in the file to those of `pixels`: 1, 2, 4 or 8."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The shape of a picture as it is in the file, before its EXIF orientation turns it."""

    width: int
    """In pixels."""
    height: int
    """In pixels."""
    orientation: int
    """EXIF's orientation, 1 to 8: 1 is upright."""


def decode(
    data: bytes,
    name: str = "the picture",
    *,
    max_memory: int = MAX_MEMORY,
    least: float | None = None,
) -> Decoded:
    """Decode the bytes of a whole file.

    The first frame of an animation is taken; alpha is blended with white; CMYK, palettes, grey and
    16 bits per channel are converted to RGB with 8 bits per channel; the EXIF orientation is
    applied, as cv2 does. Of a camera raw file, the embedded preview is taken if it is large enough
    to find faces in. A JPEG that is too large for `max_memory` is reduced until it fits.

    Args:
        data: the file's bytes.
        name: the picture's name in messages.
        max_memory: maximum number of bytes that decoding may take; at most `MAX_MEMORY`.
        least: minimum length in pixels of the longer side to which a JPEG may be reduced while it
            is decoded, which saves time and memory; None for full size.

    Raises:
        ImageError: the file is not a picture of a type in `picture_type.EXTENSIONS`, is damaged or
            truncated, or has too many pixels.
    """
    name = one_line(name)
    type_ = _type_of(data, name)
    try:
        with _QUIET:
            if type_ == "raw":
                return _decode_raw(data, name, max_memory, least)
            try:
                decoded = _decode(data, type_, name, max_memory, least)
                if type_ != "jpeg" or (end := repair.jpeg_end(data)) == "whole":
                    return decoded
                if end == "followed":
                    return replace(decoded, notes=(*decoded.notes, "other data follows its end"))
                raise EOFError("image file is truncated")  # the decoder took what follows for it
            except (OSError, SyntaxError, EOFError):
                if (repaired := _repaired(data, type_, name, max_memory, least)) is None:
                    raise
                return repaired
    except ImageError:
        raise
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        code, why = _reason(error)
        raise ImageError(f"{why} ({type_})", code, name=name) from error


def stored(data: bytes, name: str = "the picture") -> Stored:
    """Return the shape of a picture in its file, without decoding it.

    Args:
        data: the file's bytes.
        name: the picture's name in messages.

    Returns:
        The shape; for a camera raw file, that of the picture which `decode` takes of it, whose
        preview is decoded.

    Raises:
        ImageError: the file is not a picture of a type in `picture_type.EXTENSIONS`, its beginning
            is damaged, or it has more than `MAX_PIXELS` pixels.
    """
    name = one_line(name)
    type_ = _type_of(data, name)
    try:
        with _QUIET:
            if type_ == "raw":
                seen, orientation = decode(data, name, least=1), camera_raw.orientation(data)
                height, width = (seen.reduced * side for side in seen.pixels.shape[:2])
                turned = (height, width) if orientation >= 5 else (width, height)
                return Stored(*turned, orientation)
            image = _opener(data, type_, name)(io.BytesIO(data))
            _check_pixels(*image.size, name)  # EXIF may lie behind the pixels
            return Stored(*image.size, _orientation(image))
    except ImageError:
        raise
    except Exception as error:  # damaged bytes make decoders raise nearly anything
        code, why = _reason(error)
        raise ImageError(f"{why} ({type_})", code, name=name) from error


def _type_of(data: bytes, name: str) -> str:
    """Return the type of a picture.

    Raises:
        ImageError: it is none that is supported, or decoding it would take too much.
    """
    if not data:
        raise ImageError("the file is empty", ErrorCode.EMPTY, name=name)
    type_ = kind(data)
    if type_ is None:
        if what := other_picture(data):
            raise ImageError(what, ErrorCode.UNSUPPORTED, name=name)
        allowed = ", ".join(EXTENSIONS)
        reason = no_picture(data) or f"not an image (allowed by content: {allowed})"
        raise ImageError(reason, ErrorCode.NOT_AN_IMAGE, name=name)
    if refusal := decoding_cost.reason(data, type_):
        raise ImageError(f"{refusal} ({type_})", ErrorCode.TOO_COMPLEX, name=name)
    return type_


def _check_pixels(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS:
        reason = f"{width}x{height} pixels are too many (at most {MAX_PIXELS:,})"
        raise ImageError(reason, ErrorCode.TOO_LARGE, name=name)


def _decode(data: bytes, type_: str, name: str, max_memory: int, least: float | None) -> Decoded:
    """Decode a picture of a type that Pillow opens."""
    image = _opener(data, type_, name)(io.BytesIO(data))
    tags = getattr(image, "tag_v2", {})
    _refuse_planes(tags, name)
    # A tile of a TIFF is decoded whole, even if the picture covers only a part of it.
    width = max(image.size[0], tags.get(_TILE_WIDTH, 0))
    height = max(image.size[1], tags.get(_TILE_HEIGHT, 0))
    reduced, memory = _scale(data, type_, (width, height), max_memory, least, name)
    with _BUDGET.taken(memory):
        if reduced > 1:
            # draft halves the picture while both sides stay this long.
            drafted = image.draft(None, (width // reduced, height // reduced))
            assert drafted is not None
        image.load()
        pixels, notes = _to_rgb(image)
    return Decoded(pixels, type_, notes, reduced)


def _scale(
    data: bytes,
    type_: str,
    size: tuple[int, int],
    max_memory: int,
    least: float | None,
    name: str,
) -> tuple[int, int]:
    """Return by how much a picture is reduced (1, 2, 4 or 8), and the memory that this takes.

    libjpeg reduces while it decodes; other types keep their size.

    Raises:
        ImageError: the picture has too many pixels.
    """
    _check_pixels(*size, name)
    scales = [by for by in (1, 2, 4, 8) if by == 1 or (type_ == "jpeg" and min(size) >= by)]
    wanted = max((by for by in scales if least is not None and max(size) / by >= least), default=1)
    for by in scales:
        pixels = -(-size[0] // by) * -(-size[1] // by)
        memory = decoding_cost.memory(data, type_, pixels)
        if by >= wanted and memory <= max_memory:
            return by, memory
    raise ImageError(
        f"{size[0]}x{size[1]} pixels are too many: they take {memory / 1e9:.1f} GB "
        f"(at most {max_memory / 1e9:.1f})",
        ErrorCode.TOO_LARGE,
        name=name,
    )


def _refuse_planes(tags: Mapping[int, Any], name: str) -> None:
    """Refuse a TIFF that Pillow would read wrongly."""
    bits = tags.get(_BITS, ())
    if tags.get(_PLANAR) == 2 and len(bits) > 1 and max(bits) > 8:
        reason = "TIFF of 16 bits in separate planes: save it interleaved, or with 8 bits"
        raise ImageError(reason, ErrorCode.UNSUPPORTED, name=name)


def _repaired(
    data: bytes, type_: str, name: str, max_memory: int, least: float | None
) -> Decoded | None:
    """Decode a picture whose pixels are whole, but whose end or other parts are damaged."""
    if type_ == "png":
        sound, left_out = repair.sound_png(data)
        if left_out:
            decoded = _decode(sound, type_, name, max_memory, least)
            note = f"wrong checksum beside the pixels ({shown(', '.join(left_out))})"
            return replace(decoded, notes=(*decoded.notes, note))
    elif type_ == "jpeg" and (ended := repair.ended_jpegs(data)) is not None:
        # At full size: a reduced picture does not show all that is missing.
        digests = {
            hashlib.sha256(_decode(one, type_, name, max_memory, None).pixels.tobytes()).digest()
            for one in ended
        }
        if len(digests) == 1:
            decoded = _decode(ended[0], type_, name, max_memory, least)
            return replace(decoded, notes=(*decoded.notes, "its end marker is missing"))
    return None


def _decode_raw(data: bytes, name: str, max_memory: int, least: float | None) -> Decoded:
    """Decode a camera raw file, of which the embedded preview is taken if it is large enough."""
    try:
        raw = camera_raw.Raw(data)
    except ImportError as error:
        raise ImageError(remedy(data, "raw"), ErrorCode.UNSUPPORTED, name=name) from error
    with contextlib.closing(raw):
        _, memory = _scale(data, "raw", raw.size, max_memory, None, name)
        with _BUDGET.taken(memory):
            picture = raw.picture()
        if not isinstance(picture.content, bytes):
            return Decoded(picture.content, "raw", (picture.note,))
        preview = decode(picture.content, name, max_memory=max_memory, least=least)
        notes = tuple(note for note in preview.notes if note == _TURNED)
        pixels = raw.upright(preview.pixels, _TURNED in notes)
        return Decoded(pixels, "raw", (picture.note, *notes), preview.reduced)


def is_source(source: object) -> bool:
    """Return whether an object is one of the kinds of `Source`.

    >>> is_source("party.jpg"), is_source(7)
    (True, False)
    """
    return isinstance(source, str | os.PathLike | bytes | np.ndarray) or (
        hasattr(source, "read") or _is_pil(source)
    )


def loaded(source: Source) -> Pixels | bytes:
    """Return the pixels of a picture that is already decoded, otherwise the bytes of its file.

    Args:
        source: a path, bytes, an open binary file, which is read from its current place to its
            end, a PIL image, which is turned upright by its EXIF orientation, or an array: uint8,
            of shape (height, width), (height, width, 3) in RGB order or (height, width, 4) in RGBA
            order. cv2.imread returns BGR; ``array[..., ::-1]`` turns it to RGB.

    Returns:
        RGB, uint8, shape (height, width, 3); or bytes.

    Raises:
        ImageError: the picture cannot be read.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, bytes):
        return source
    if _is_pil(source):
        return _from_pil(source)
    if hasattr(source, "read"):
        return _from_file(source)
    path = os.fsdecode(cast("str | os.PathLike[str]", source))
    if not path:
        raise ImageError("the path is empty", ErrorCode.CANNOT_OPEN)
    return read_bytes(Path(path), name=path)


def read(source: Source) -> Pixels:
    """Return the pixels of a picture.

    Args:
        source: as for `loaded`.

    Returns:
        RGB, uint8, shape (height, width, 3).

    Raises:
        ImageError: the picture cannot be read.

    >>> read(np.zeros((2, 3), np.uint8)).shape
    (2, 3, 3)
    """
    came = loaded(source)
    if not isinstance(came, bytes):
        return came
    named = os.fsdecode(source) if isinstance(source, str | os.PathLike) else "the picture"
    return decode(came, named).pixels


def read_bytes(path: Path, *, name: str | None = None) -> bytes:
    """Return the bytes of a picture's file; of any other file, return only the first bytes.

    Args:
        path: the file.
        name: the file's name in messages; by default its path.

    Raises:
        ImageError: the file cannot be opened (the message has the system's reason), is not a
            regular file (a pipe might never end), or is a picture of more than `MAX_BYTES`.
    """
    name = shown_path(name or str(path))
    try:
        status = path.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise ImageError("not a regular file", ErrorCode.NOT_A_FILE, name=name)
        with path.open("rb", buffering=0) as file:
            head = file.read(HEAD)
            if kind(head) is None:
                return head
            if status.st_size > MAX_BYTES:
                reason = f"too large: {status.st_size:,} bytes (at most {MAX_BYTES:,})"
                raise ImageError(reason, ErrorCode.TOO_LARGE, name=name)
            file.seek(0)  # read all at once: joining head and rest would need twice the memory
            return file.read()
    except OSError as error:
        raise ImageError(os_reason(error), ErrorCode.CANNOT_OPEN, name=name) from error
    except ValueError as error:  # a path with a NUL in it
        raise ImageError(str(error), ErrorCode.CANNOT_OPEN, name=name) from error


def fit(pixels: Pixels, size: int, channels: int) -> Pixels:
    """Return a picture as a network's input: resized to a square, grey or colour.

    The aspect ratio is not kept, as in the tutorials, so that every part of the picture stays
    visible. Shrinking averages areas (cv2.INTER_AREA, no aliasing), enlarging interpolates
    linearly.

    Args:
        pixels: RGB, uint8, shape (height, width, 3).
        size: the square's side in pixels.
        channels: 3 for RGB, 1 for grey (ITU-R BT.601 luma, as cv2.COLOR_RGB2GRAY).

    Returns:
        uint8, shape (size, size, channels).
    """
    import cv2

    if channels == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    shrinks = max(pixels.shape[:2]) > size
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, (size, size), interpolation=interpolation)
    return np.asarray(resized, dtype=np.uint8).reshape(size, size, channels)


def sample(
    pixels: Pixels, size: int, channels: int, resize: Literal["bilinear", "nearest"]
) -> NDArray[np.float32]:
    """Return a picture as the network's input that tutorials for Keras make of it.

    The aspect ratio is not kept. Unlike `fit`, this samples the picture at points, however much it
    shrinks.

    Args:
        pixels: RGB, uint8, shape (height, width, 3).
        size: the square's side in pixels.
        channels: as for `fit`.
        resize: "bilinear" weighs the four pixels around each point, exactly as ``tf.image.resize``
            and Keras's ``image_dataset_from_directory``; "nearest" takes one pixel, as Keras's
            ``load_img`` and ``ImageDataGenerator``.

    Returns:
        float32, 0 to 255, shape (size, size, channels).
    """
    import cv2

    if channels == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None]  # type: ignore[assignment]
    if resize == "nearest":
        from PIL import Image

        picture = Image.fromarray(pixels.squeeze(2) if channels == 1 else pixels)
        taken = np.asarray(picture.resize((size, size), Image.Resampling.NEAREST), np.float32)
        return taken.reshape(size, size, channels)
    rows, columns = (_points(length, size) for length in pixels.shape[:2])
    above, left = (np.floor(points) for points in (rows, columns))
    down, right = (rows - above)[:, None, None], (columns - left)[None, :, None]

    def pixel(row: NDArray[np.float32], column: NDArray[np.float32]) -> NDArray[np.float32]:
        last = np.array(pixels.shape[:2]) - 1
        at = np.ix_(row.astype(int).clip(0, last[0]), column.astype(int).clip(0, last[1]))
        return np.asarray(pixels[at], np.float32)

    top, bottom = (
        pixel(row, left) + (pixel(row, left + 1) - pixel(row, left)) * right
        for row in (above, above + 1)
    )
    return np.asarray(top + (bottom - top) * down)


def _points(length: int, size: int) -> NDArray[np.float32]:
    """Return where the centres of `size` pixels lie on a side of `length` pixels."""
    scale = np.float32(length) / np.float32(size)
    return (np.arange(size, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)


class _Quiet:
    """Suppresses Pillow's warnings about unusual files while any thread is in the context.

    warnings.catch_warnings alone would mix up the filters of several threads: here the first thread
    enters it, and the last one exits it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_QUIET = _Quiet()


def _opener(data: bytes, type_: str, name: str) -> Callable[[io.BytesIO], ImageFile]:
    """Return Pillow's class for one type.

    Calling the class directly tries no other format, and only our limit on pixels applies.

    Raises:
        ImageError: the decoder is not installed.
    """
    module, class_ = _CLASSES[type_]
    try:
        if (codec := _CODECS.get(type_)) and not import_module("PIL.features").check(codec):
            reason = f"{format_of(data)}: pip install --upgrade pillow"
            raise ImageError(reason, ErrorCode.UNSUPPORTED, name=name)
        return getattr(import_module(module), class_)  # type: ignore[no-any-return]
    except ImportError as error:
        raise ImageError(remedy(data, type_), ErrorCode.UNSUPPORTED, name=name) from error


def _to_rgb(image: ImageFile) -> tuple[Pixels, tuple[str, ...]]:
    notes = []
    # The frames are not counted, which may take minutes: a small file can have a hundred thousand.
    if getattr(image, "is_animated", False):
        notes.append(FIRST_FRAME)
    upright = _upright(image)
    if upright is not image:
        notes.append(_TURNED)
    if upright.mode.startswith(("I", "F")):
        notes.append("more than 8 bits a channel, brought to 8")
        grey = _to_8_bits(np.asarray(upright))
        return np.repeat(grey[..., None], 3, axis=2), tuple(notes)
    if upright.mode == "CMYK":
        notes.append("CMYK turned to RGB")
    if upright.has_transparency_data:
        rgba = np.asarray(upright.convert("RGBA"))
        if rgba[..., 3].min() < 255:
            notes.append("alpha laid on white")
        return _on_white(rgba), tuple(notes)
    return np.asarray(upright if upright.mode == "RGB" else upright.convert("RGB")), tuple(notes)


def _upright(image: ImageFile) -> Image:
    with contextlib.suppress(Exception):  # damaged EXIF: the picture itself is still good
        if _orientation(image) != 1:
            from PIL import ImageOps

            return ImageOps.exif_transpose(image)
    return image


def _orientation(image: ImageFile) -> int:
    """Return EXIF's orientation, 1 to 8; 1 if the file has no valid one."""
    with contextlib.suppress(Exception):  # damaged EXIF: the picture itself is still good
        if len(image.info.get("exif", b"")) <= decoding_cost.LARGEST_EXIF:
            orientation = image.getexif().get(0x0112, 1)
            return orientation if orientation in range(1, 9) else 1
    return 1


def _to_8_bits(values: NDArray[np.generic]) -> Pixels:
    low, high = values.min(), values.max()
    if not np.isfinite([low, high]).all():
        raise ValueError("pixels that are not finite numbers")
    whole = values.dtype.kind in "iu"
    # In either byte order, as in TIFFs.
    if values.dtype.str[1:] == "u2" or (whole and low >= 0 and 255 < high <= 65535):
        return (values.astype(np.uint16) >> 8).astype(np.uint8)
    # Values range up to 1 or up to 255; a maximum just above 1 would fit both.
    if low < 0 or high > 255 or (not whole and 1 < high < 2):
        raise ValueError(f"pixels from {low} to {high} have no known scale")
    if whole:
        return values.astype(np.uint8)
    return np.asarray(np.rint(values * 255 if high <= 1 else values), dtype=np.uint8)


def _on_white(rgba: Pixels) -> Pixels:
    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    from_, to = rgba.reshape(-1, 4), rgb.reshape(-1, 3)
    for start in range(0, len(from_), _AT_ONCE):
        part = from_[start : start + _AT_ONCE]
        alpha = part[:, 3:].astype(np.uint16)
        mixed = part[:, :3] * alpha + 255 * (255 - alpha)
        to[start : start + _AT_ONCE] = (mixed + 127) // 255
    return rgb


def _is_pil(source: object) -> bool:
    # Pillow is not imported here: an image of it exists only if it is already imported. While
    # another thread imports it, its module may have no class Image yet.
    kind = getattr(sys.modules.get("PIL.Image"), "Image", None)
    return kind is not None and isinstance(source, kind)


_PIL_IMAGE = "the PIL image"


def _from_pil(image: Any) -> Pixels:
    try:
        with _QUIET:
            if decoding_cost.memory(b"", "", image.width * image.height) > MAX_MEMORY:
                reason = f"{image.width}x{image.height} pixels are too many"
                raise ImageError(reason, ErrorCode.TOO_LARGE, name=_PIL_IMAGE)
            if not image.width * image.height:
                raise ImageError("it has no pixels", ErrorCode.BAD_ARRAY, name=_PIL_IMAGE)
            image.load()
            return _to_rgb(image)[0]
    except ImageError:
        raise
    except Exception as error:  # a lazily opened file fails only now, with nearly any error
        code, why = _reason(error)
        raise ImageError(why, code, name=_PIL_IMAGE) from error


def _from_file(file: Any) -> bytes:
    name = shown_path(str(getattr(file, "name", "the file object")))
    try:
        data = file.read(MAX_BYTES + 1)
    except ImageError:
        raise
    except Exception as error:  # it is closed, in a damaged archive, or not a file at all
        why = shown(os_reason(error) or type(error).__name__)
        raise ImageError(why, ErrorCode.CANNOT_OPEN, name=name) from error
    if not isinstance(data, bytes):
        raise ImageError("must be opened in binary mode", ErrorCode.CANNOT_OPEN, name=name)
    if len(data) > MAX_BYTES:
        reason = f"too large (at most {MAX_BYTES:,} bytes)"
        raise ImageError(reason, ErrorCode.TOO_LARGE, name=name)
    return data


def _from_array(array: Pixels) -> Pixels:
    shape = array.shape
    right_shape = array.ndim == 2 or (array.ndim == 3 and shape[2] in (3, 4))
    if array.dtype != np.uint8 or not right_shape or 0 in shape:
        raise ImageError(
            "the array must be uint8 of shape (height, width), (height, width, 3) RGB or "
            f"(height, width, 4) RGBA, not {array.dtype} of shape {shape}",
            ErrorCode.BAD_ARRAY,
        )
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, axis=2)
    return _on_white(array) if shape[2] == 4 else array


def _reason(error: Exception) -> tuple[ErrorCode, str]:
    # Pillow raises a SyntaxError from what reading a header raised.
    raised = error.__cause__ if isinstance(error, SyntaxError) else error
    if isinstance(raised, _OF_PYTHON):
        return ErrorCode.DAMAGED, f"{ErrorCode.DAMAGED}: a header is too short or wrong"
    said = error.args[0] if error.args else ""
    whole = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(error)  # LibRaw's
    text = whole.splitlines()[0] if whole else type(error).__name__
    truncated = "truncated" in text.lower() or isinstance(error, EOFError)
    code = ErrorCode.TRUNCATED if truncated else ErrorCode.DAMAGED
    return code, f"{code}: {text}"
