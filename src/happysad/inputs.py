"""What a classifier's network takes from a photo: the whole of it, its faces, or both.

Training and prediction both come through here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.faces import Face, crop
from happysad.images import Pixels, fit
from happysad.photos import Photo

__all__ = ["FACES", "PHOTO_SIZE", "both", "crops", "of_photo", "weights"]

#: A network that looks at both takes so many faces of a photo, the largest.
FACES = 8
#: The side of the small photo beside them in pixels.
PHOTO_SIZE = 64


def of_photo(
    photo: Photo, size: int, channels: int, *, faces: Sequence[Face] | None = None
) -> dict[str, NDArray[Any]]:
    """Give what a network takes of one photo, decoding no more than that needs.

    Args:
        photo: opened for this alone: what was decoded before for something larger is used again,
            so that the pixels may differ by a level.
        size: the side of the network's input, or of a face's crop, in pixels.
        channels: 3 for RGB, 1 for grey.
        faces: all that `photo.faces()` gives, where the network looks at both; None where it looks
            at the whole picture.

    Returns:
        By the inputs' names: what `both` gives, or image: uint8, shape (size, size, channels).

    Raises:
        ImageError: as `images.decode`.
    """
    if faces is None:
        return {"image": fit(photo.whole(size), size, channels)}
    return both(*photo.close(faces, size), size, channels)


def crops(pixels: Pixels, faces: Sequence[Face], size: int, channels: int) -> Pixels:
    """Cut faces out, as `faces.crop` does.

    Args:
        pixels: the photo they were found in: RGB, uint8, shape (height, width, 3).
        faces: n of them.
        size: the crops' side in pixels.
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8, shape (n, size, size, channels).
    """
    import cv2

    if not faces:
        return np.zeros((0, size, size, channels), np.uint8)
    if channels == 1:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
    return np.stack([crop(pixels, face, size) for face in faces])


def weights(pixels: Pixels, faces: Sequence[Face]) -> NDArray[np.float32]:
    """Say how much of a photo each face takes: its side over the photo's, 0 to 1, shape (n,)."""
    whole = pixels.shape[0] * pixels.shape[1]
    shares = [min(1.0, face.width * face.height / whole) for face in faces]
    return np.sqrt(np.array(shares, dtype=np.float32))


def both(
    pixels: Pixels, faces: Sequence[Face], size: int, channels: int
) -> dict[str, NDArray[Any]]:
    """Give what a network that looks at both takes of one photo.

    Returns:
        faces: uint8, shape (`FACES`, size, size, channels), black where there are fewer;
        weights: float32, shape (`FACES`,), as `weights` gives them, 0 where there are fewer;
        photo: uint8, shape (`PHOTO_SIZE`, `PHOTO_SIZE`, 3).
    """
    largest = faces[:FACES]
    cut = np.zeros((FACES, size, size, channels), np.uint8)
    cut[: len(largest)] = crops(pixels, largest, size, channels)
    weight = np.zeros(FACES, np.float32)
    weight[: len(largest)] = weights(pixels, largest)
    return {"faces": cut, "weights": weight, "photo": fit(pixels, PHOTO_SIZE, 3)}
