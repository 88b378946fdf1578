"""A photo of which no more is decoded than is looked at: libjpeg shrinks JPEGs as it decodes them.

Everything that trains, judges or predicts opens photos here: a network is asked about the pixels
that it learned from, and a path, a file's bytes and an upload get one answer. An array is looked at
as it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from happysad.faces import Face, detail, find
from happysad.images import MAX_PIXELS, Pixels, Source, decode, read, read_bytes

__all__ = ["Photo", "View"]

# Faces are searched for in a view whose longer side has at least so many pixels: `faces.find`
# brings it to 640, and to at most 1280 for small faces. Of 212 photos of 1 to 36 megapixels
# with faces, web photos enlarged, 5 get another outcome than from all their pixels, none happy for
# sad; of 134 counted before, as many did as when they were saved as a JPEG again.
_SEARCHED = 1000
# A crop is cut from a view with at least so many pixels, across, for one of its own. Of 119 faces
# in web photos, seen with 1.25 to 2 pixels for one, 3 get another outcome than from the whole
# photo; of 124 seen with more, 3 too. Their p_sad moves no further either (median 0.1 in log-odds),
# though the crops are softer (0.89 to 0.93 of the Laplacian's spread; from 2 on 0.95 and more). A
# whole photo is brought to a network's input from a view whose longer side is at least so many
# times as long.
_PER_PIXEL, _PER_SIDE = 1.25, 4


class View(NamedTuple):
    """A photo as far as it is decoded."""

    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), turned upright."""
    reduced: int
    """The photo's own sides are so many times as long: 1, 2, 4 or 8."""


class Photo:
    """A photo that is decoded when it is looked at, and again where more of it is needed."""

    def __init__(
        self,
        source: Source,
        *,
        name: str | None = None,
        max_pixels: int = MAX_PIXELS,
        bgr: bool = False,
    ) -> None:
        """Open a photo.

        Args:
            source: as `images.read` takes it.
            name: stands in messages for a file's bytes; a path stands for itself.
            max_pixels: files of more pixels are refused.
            bgr: True where `source` is an array in BGR order.

        Raises:
            ImageError: there is no such file, or the array is none.
        """
        self.name: str | None = None
        """Its path, where it has one."""
        self._max_pixels = max_pixels
        self._view: View | None = None
        self._data = b""
        if isinstance(source, np.ndarray):
            pixels = read(source)
            self._view = View(pixels[..., ::-1] if bgr else pixels, 1)
        elif isinstance(source, bytes):
            self._data, self._shown = source, name or "the picture"
        else:
            self.name = os.fspath(source)
            self._data, self._shown = read_bytes(Path(source)), self.name

    def view(self, least: float) -> View:
        """Give a view of it whose longer side has at least so many pixels, or the photo itself.

        Raises:
            ImageError: as `images.decode`.
        """
        seen = self._view
        if seen is None or (seen.reduced > 1 and max(seen.pixels.shape[:2]) < least):
            decoded = decode(
                self._data, self._shown, max_pixels=self._max_pixels, least=max(1, least)
            )
            seen = self._view = View(decoded.pixels, decoded.reduced)
        return seen

    def whole(self, size: int) -> Pixels:
        """Give a view that is enough for `images.fit` to bring it to `size` pixels.

        Raises:
            ImageError: as `images.decode`.
        """
        return self.view(_PER_SIDE * size).pixels

    def faces(self, *, threads: int = 0) -> list[Face]:
        """Find its faces, the largest first, in pixels of the photo itself.

        Args:
            threads: as for `faces.find`.

        Raises:
            ImageError: as `images.decode`.
        """
        seen = self.view(_SEARCHED)
        return find(seen.pixels, reduced=seen.reduced, threads=threads)

    def close(self, faces: Sequence[Face], size: int) -> tuple[Pixels, list[Face]]:
        """Give a view that is enough to cut these faces out of, and where they are in it.

        Args:
            faces: in pixels of the photo itself.
            size: the crops' side in pixels.

        Returns:
            The view's pixels, and the faces in them, in the same order.

        Raises:
            ImageError: as `images.decode`.
        """
        seen = self.view(_SEARCHED)
        longest = max(seen.pixels.shape[:2]) * seen.reduced
        least = max((_PER_PIXEL / detail(face, size) for face in faces), default=0.0)
        seen = self.view(longest * min(1.0, least))
        return seen.pixels, [face.scaled(1 / seen.reduced) for face in faces]
