"""Photos that are decoded only as far as needed: libjpeg shrinks JPEGs while it decodes them.

Training, evaluation and prediction all open photos here, so that a network predicts on the same
pixels that it was trained on, and a path, the bytes of a file and an upload get the same answer. An
array is used as it is.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from happysad.face_crop import detail
from happysad.face_detection import Face, find, stretch
from happysad.images import MAX_MEMORY, Pixels, Source, decode, loaded

__all__ = ["Photo", "View"]

# Minimum length in pixels of the longer side of the view that is searched for faces, for a photo of
# usual shape.
# docs/decisions.md, "Searching faces in a reduced photo".
_SEARCHED = 1000
# Minimum number of a view's pixels, in each direction, per pixel of a face crop; and minimum ratio
# of a view's longer side to the side of the network's input. docs/decisions.md, "Cutting crops from
# a reduced photo".
_PER_PIXEL, _PER_SIDE = 1.25, 4


class View(NamedTuple):
    """A photo at the size at which it was decoded."""

    pixels: Pixels
    """RGB, uint8, shape (height, width, 3), turned upright."""
    reduced: int
    """The ratio of the full-size photo's sides to those of `pixels`: 1, 2, 4 or 8."""


class Photo:
    """A photo that is decoded on first use, and again when a larger view is needed."""

    def __init__(
        self,
        content: Source,
        *,
        name: str | None = None,
        source: object = None,
        max_memory: int = MAX_MEMORY,
        bgr: bool = False,
    ) -> None:
        """Open a photo.

        Args:
            content: as for `images.loaded`.
            name: the photo's name in messages; by default its path, or "the picture".
            source: the `source` of predictions for this photo; by default `content`.
            max_memory: as for `images.decode`.
            bgr: True if `content` is an array in BGR order; ignored for other content.

        Raises:
            ImageError: the photo cannot be opened.
        """
        self.source = content if source is None else source
        """The `source` of predictions for this photo."""
        self.bgr = bgr and isinstance(content, np.ndarray)
        """Whether the content is an array in BGR order."""
        self.notes: tuple[str, ...] = ()
        """Remarks on the decoding, such as "first of several frames"."""
        path = os.fsdecode(content) if isinstance(content, str | os.PathLike) else None
        self._shown = name or path or "the picture"
        self._max_memory = max_memory
        self._view: View | None = None
        self._asked = 0.0
        self._data = b""
        came = loaded(content)
        if isinstance(came, bytes):
            self._data = came
        else:
            self._view = View(came[..., ::-1] if self.bgr else came, 1)

    def view(self, least: float) -> View:
        """Return a view whose longer side has at least `least` pixels.

        It is smaller if the photo is, or if a larger one does not fit into memory.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        seen = self._view
        larger = least > self._asked
        if seen is None or (larger and seen.reduced > 1 and max(seen.pixels.shape[:2]) < least):
            decoded = decode(
                self._data, self._shown, max_memory=self._max_memory, least=max(1, least)
            )
            self.notes, self._asked = decoded.notes, least
            seen = self._view = View(decoded.pixels, decoded.reduced)
        return seen

    def whole(self, size: int) -> Pixels:
        """Return the pixels of a view from which `images.fit` can make a square of `size` pixels.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        return self.view(_PER_SIDE * size).pixels

    def full(self) -> Pixels:
        """Return the pixels of the photo at full size.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        return self.view(math.inf).pixels

    def faces(self, *, threads: int = 0) -> list[Face]:
        """Return the faces, the largest first, in pixels of the full-size photo.

        Args:
            threads: as for `face_detection.find`.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        seen = self.view(_SEARCHED)
        seen = self.view(_SEARCHED * stretch(seen.pixels.shape))
        return find(seen.pixels, reduced=seen.reduced, threads=threads)

    def close(self, faces: Sequence[Face], size: int) -> tuple[View, list[Face]]:
        """Return a view that is large enough for face crops, and the faces in pixels of the view.

        Args:
            faces: in pixels of the full-size photo.
            size: the crops' side in pixels.

        Returns:
            The view, and the faces in pixels of the view, in the order of `faces`.

        Raises:
            ImageError: the photo cannot be decoded.
        """
        seen = self.view(_SEARCHED)
        longest = max(seen.pixels.shape[:2]) * seen.reduced
        least = max((_PER_PIXEL / detail(face, size) for face in faces), default=0.0)
        seen = self.view(longest * min(1.0, least))
        return seen, [face.scaled(1 / seen.reduced) for face in faces]
