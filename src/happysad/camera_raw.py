"""Camera raw files by rawpy: the embedded preview, or else the developed picture."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rawpy import RawPy

__all__ = ["Raw", "RawPicture", "orientation"]

# Minimum length in pixels of the longer side of a preview, in which faces can be found; and of the
# developed picture, above which it is developed at half size.
_PREVIEW, _WHOLE = 1000, 4000
# LibRaw's codes of turns, with the quarter turns that numpy makes, and EXIF's orientations.
_TURNS = {3: 2, 5: 1, 6: -1}
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}


def orientation(data: bytes) -> int:
    """Return the EXIF orientation by which a raw file's picture is turned: 1, 3, 6 or 8.

    Raises:
        ImportError, rawpy.LibRawError: as for `Raw`.
    """
    import rawpy

    with rawpy.imread(io.BytesIO(data)) as raw:
        return _ORIENTATIONS.get(raw.sizes.flip, 1)


@dataclass(frozen=True, slots=True)
class RawPicture:
    """A picture of a raw file."""

    content: bytes | NDArray[np.uint8]
    """A JPEG, or RGB pixels, uint8, shape (height, width, 3), upright."""
    note: str


class Raw:
    """A raw file whose header is read."""

    def __init__(self, data: bytes) -> None:
        """Read the header.

        Raises:
            ImportError: rawpy is not installed.
            rawpy.LibRawError: the file is damaged, or of no camera that LibRaw knows.
        """
        import rawpy

        self._raw: RawPy = rawpy.imread(io.BytesIO(data))
        sizes = self._raw.sizes
        self.size = max(sizes.raw_width, sizes.width), max(sizes.raw_height, sizes.height)
        """Its width and height in pixels, as the camera was held for a landscape."""
        self._turns = _TURNS.get(sizes.flip, 0)
        self._lies = sizes.width > sizes.height

    def close(self) -> None:
        """Free its memory."""
        self._raw.close()

    def picture(self) -> RawPicture:
        """Return the preview if it is large enough to find faces in, else the developed picture."""
        import rawpy

        try:
            preview = self._raw.extract_thumb()
        except (rawpy.LibRawError, rawpy.NotSupportedError):
            preview = None
        note = "the preview of a raw file"
        if preview is not None and isinstance(preview.data, bytes):
            from PIL.JpegImagePlugin import JpegImageFile

            try:
                large = max(JpegImageFile(io.BytesIO(preview.data)).size) >= _PREVIEW
            except Exception:  # a damaged preview; the photo itself may be good
                large = False
            if large:
                return RawPicture(preview.data, note)
        elif preview is not None:
            shown = np.asarray(preview.data)
            if shown.ndim == 3 and shown.dtype == np.uint8 and max(shown.shape[:2]) >= _PREVIEW:
                return RawPicture(np.rot90(_in_colour(shown), self._turns), note)
        half = max(self.size) >= _WHOLE
        pixels = self._raw.postprocess(use_camera_wb=True, half_size=half)
        return RawPicture(
            _in_colour(pixels), f"developed from a raw file{' at half size' if half else ''}"
        )

    def upright(self, pixels: NDArray[np.uint8], turned: bool) -> NDArray[np.uint8]:
        """Return a decoded preview upright.

        Args:
            pixels: the preview, turned by its own EXIF orientation.
            turned: whether it had one.
        """
        lies = pixels.shape[1] > pixels.shape[0]
        if self._turns == 2:
            return pixels if turned else np.rot90(pixels, 2)
        return np.rot90(pixels, self._turns) if self._turns and lies == self._lies else pixels


def _in_colour(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture with three channels; that of a monochrome camera has one."""
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
