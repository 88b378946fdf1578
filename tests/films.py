"""Films for tests, written by OpenCV."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import cv2
import numpy as np

from happysad.dataset import drawn_faces
from happysad.images import Pixels

__all__ = ["film", "party"]


def film(file: Path, frames: Iterable[Pixels], rate: float = 25.0) -> Path:
    """Write RGB frames of one size as .avi or .mp4; return `file`."""
    pictures = list(frames)
    tag = {".avi": "MJPG", ".mp4": "mp4v"}[file.suffix]
    size = pictures[0].shape[1::-1] if pictures else (64, 48)
    writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*tag), rate, size)
    assert writer.isOpened()
    for pixels in pictures:
        writer.write(np.ascontiguousarray(pixels[..., ::-1]))
    writer.release()
    return file


@cache
def _drawn(size: int) -> Pixels:
    return drawn_faces.face("happy", np.random.default_rng(3), size)


def party(count: int, empty: Iterable[int] = ()) -> list[Pixels]:
    """Return frames of a drawn face that crosses a wall, 320x240; `empty` ones have no face."""
    frames = [np.full((240, 320, 3), (150, 160, 170), np.uint8) for _ in range(count)]
    for number in set(range(count)) - set(empty):
        left = 10 + 5 * number % 120
        frames[number][40:200, left : left + 160] = _drawn(160)
    return frames
