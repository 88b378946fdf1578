"""Cut a face out of a photo, upright: the same crop in training and prediction."""

from __future__ import annotations

import numpy as np

from happysad.errors import UsageError
from happysad.face_detection import Face, check_image, part_around, resized
from happysad.images import Pixels

__all__ = ["EYES", "crop", "detail"]

#: The positions of the eyes in a crop, the left one first, as (x, y) in shares of its side.
#: docs/decisions.md, "Where the eyes are in a face crop".
EYES = ((0.314, 0.386), (0.686, 0.386))

# Minimum distance between the eyes as a share of the distance from eyes to mouth; minimum, usual
# and maximum distance as shares of the box's longer side; and the height of the eyes in the box.
_LEAST_SPAN = 0.85
_SPAN_IN_BOX = (0.2, 0.37, 0.7)
_EYES_IN_BOX = 0.36


def crop(image: Pixels, face: Face, size: int) -> Pixels:
    """Return a face crop, turned upright, with the eyes at `EYES`, like the pictures of FER2013.

    A similarity transform (rotation, scale, shift) maps the eyes to `EYES`. If the eyes nearly
    coincide, as in a profile, the line from the eyes to the mouth limits rotation and scale. If the
    landmarks contradict the box, only the box is used. Outside the photo, the pixels of its border
    are repeated. Shrinking averages areas, without aliasing.

    Args:
        image: the photo of the face, as for `face_detection.find`.
        face: in pixels of `image`.
        size: the side of the crop in pixels.

    Returns:
        uint8, shape (size, size, channels), with 3 or 1 channels as in `image`.

    Raises:
        ImageError: `image` has another dtype or shape.
        UsageError: `size` is not positive.
    """
    import cv2

    check_image(image)
    if size < 1:
        raise UsageError(f"size must be at least 1 pixel, not {size!r}")
    middle, span = _pose(face)
    (left, level), (right, _) = EYES
    scale = 1 / detail(face, size)
    # From here on, points are complex numbers x + iy, so that a rotation is a multiplication.
    turn = span.conjugate() / abs(span)
    target = complex((left + right) / 2, level) * size
    corners = [
        middle + (complex(x, y) - target) / (turn * scale) for x in (0, size) for y in (0, size)
    ]
    part, start = part_around(image, corners, margin=2 + 2 / scale)
    if scale < 1:
        small = resized(part, scale)
        ratio = (small.shape[1] / part.shape[1], small.shape[0] / part.shape[0])
    else:
        small, ratio = part, (1.0, 1.0)
    # The matrix maps the crop to the reduced part, as cv2 requires with WARP_INVERSE_MAP. The
    # centre of a pixel is half a pixel from its corner.
    step = 1 / (turn * scale)
    linear = np.array([[step.real, -step.imag], [step.imag, step.real]])
    origin = middle - start - target * step
    shift = np.array([origin.real, origin.imag])
    matrix = np.empty((2, 3))
    matrix[:, :2] = linear * np.array(ratio)[:, None]
    matrix[:, 2] = (shift + linear @ (0.5, 0.5)) * ratio - 0.5
    turned = cv2.warpAffine(
        small,
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(turned, dtype=np.uint8).reshape(size, size, -1)


def detail(face: Face, size: int) -> float:
    """Return the number of the photo's pixels, in each direction, per pixel of a crop.

    Args:
        face: in pixels of the photo.
        size: the side of the crop in pixels.
    """
    _, span = _pose(face)
    (left, _), (right, _) = EYES
    return abs(span) / ((right - left) * size)


def _pose(face: Face) -> tuple[complex, complex]:
    """Return the middle between the eyes, and the vector from the left to the right one."""
    left, right, _, *mouth = (complex(*point) for point in face.landmarks)
    middle, span = (left + right) / 2, right - left
    down = sum(mouth) / 2 - middle
    if down:  # in a face turned aside, the line between the eyes is short and unreliable
        across = down / abs(down) * -1j
        span += across * max(0.0, _LEAST_SPAN * abs(down) - (span / across).real)
    box = complex(face.x, face.y) + complex(face.width / 2, face.height * _EYES_IN_BOX)
    side = max(face.width, face.height)
    least, usual, most = (share * side for share in _SPAN_IN_BOX)
    if least <= abs(span) <= most and abs(middle - box) <= side / 2:
        return middle, span
    return box, complex(usual)
