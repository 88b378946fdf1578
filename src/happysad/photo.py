"""A photo that is decoded no further than needed: libjpeg shrinks JPEGs as it decodes them.

Everything that trains, evaluates or predicts opens photos here, so that a network is asked about
the pixels that it learned from, and a path, a file's bytes and an upload get the same answer. An
array is used as it is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from happysad.face_crop import detail
from happysad.face_detection import Face, find
from happysad.images import MAX_PIXELS, Pixels, Source, decode, loaded

__all__ = ["Photo", "View"]

# The least length of the longer side of the view in which faces are searched for.
# docs/decisions.md, "Searching faces in a reduced photo".
_SEARCHED = 1000
# The least number of a view's pixels, across, for one pixel of a face crop; and the least ratio of
# a view's longer side to the side of the network's input. docs/decisions.md, "Cutting crops from a
# reduced photo".
_PER_PIXEL, _PER_SIDE = 1.25, 4


class View(NamedTuple):
    """A photo as far as it is decoded."""

    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), turned upright."""
    reduced: int
    """The factor by which the photo's own sides are longer: 1, 2, 4 or 8."""


class Photo:
    """A photo that is decoded when it is looked at, and again where more of it is needed."""

    def __init__(
        self,
        content: Source,
        *,
        name: str | None = None,
        source: object = None,
        max_pixels: int = MAX_PIXELS,
        bgr: bool = False,
    ) -> None:
        """Open a photo.

        Args:
            content: as `images.loaded` takes it.
            name: what messages call it; by default its path, or "the picture".
            source: what predictions keep as their source; by default `content`.
            max_pixels: files of more pixels are refused.
            bgr: True where an array is in BGR order; other content ignores it.

        Raises:
            ImageError: the photo cannot be opened.
        """
        self.source = content if source is None else source
        """What was given."""
        self.bgr = bgr and isinstance(content, np.ndarray)
        """Whether an array was given in BGR order."""
        self.notes: tuple[str, ...] = ()
        """What decoding it involved, such as "first of several frames"."""
        path = os.fsdecode(content) if isinstance(content, str | os.PathLike) else None
        self._shown = name or path or "the picture"
        self._max_pixels = max_pixels
        self._view: View | None = None
        self._data = b""
        came = loaded(content)
        if isinstance(came, bytes):
            self._data = came
        else:
            self._view = View(came[..., ::-1] if self.bgr else came, 1)

    def view(self, least: float) -> View:
        """Return a view whose longer side has at least `least` pixels, or the whole photo.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        seen = self._view
        if seen is None or (seen.reduced > 1 and max(seen.pixels.shape[:2]) < least):
            decoded = decode(
                self._data, self._shown, max_pixels=self._max_pixels, least=max(1, least)
            )
            self.notes = decoded.notes
            seen = self._view = View(decoded.pixels, decoded.reduced)
        return seen

    def whole(self, size: int) -> Pixels:
        """Return a view that is large enough for `images.fit` to bring it to `size` pixels.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        return self.view(_PER_SIDE * size).pixels

    def faces(self, *, threads: int = 0) -> list[Face]:
        """Return the faces, the largest first, in pixels of the photo itself.

        Args:
            threads: as for `face_detection.find`.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        seen = self.view(_SEARCHED)
        return find(seen.pixels, reduced=seen.reduced, threads=threads)

    def close(self, faces: Sequence[Face], size: int) -> tuple[Pixels, list[Face]]:
        """Return a view that is large enough to cut faces out of it, and where they are in it.

        Args:
            faces: in pixels of the photo itself.
            size: the crops' side in pixels.

        Returns:
            The view's pixels, and the faces in them, in the same order.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        seen = self.view(_SEARCHED)
        longest = max(seen.pixels.shape[:2]) * seen.reduced
        least = max((_PER_PIXEL / detail(face, size) for face in faces), default=0.0)
        seen = self.view(longest * min(1.0, least))
        return seen.pixels, [face.scaled(1 / seen.reduced) for face in faces]
