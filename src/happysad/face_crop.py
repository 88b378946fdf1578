"""Cut a face out of a photo, upright: the same crop in training and prediction."""

from __future__ import annotations

import numpy as np

from happysad.errors import UsageError
from happysad.face_detection import Face, check_image, part_around, resized
from happysad.images import Pixels

__all__ = ["EYES", "crop", "detail"]

#: Where the eyes stand in a crop, left one first, as (x, y) in shares of its side: the medians of
#: what YuNet finds in 2,100 crops of FER2013's training set (300 a class, enlarged to 240 pixels;
#: 2,048 found: (0.312, 0.385) and (0.684, 0.387)), made symmetric, so that a mirrored photo gives
#: the mirrored crop. Crops are so framed as FER2013's pictures: brows to chin, ear to ear.
EYES = ((0.314, 0.386), (0.686, 0.386))

# Of the same 2,048 faces: the eyes' distance is 0.94 (median) of that from eyes to mouth, and at
# least 0.85 in 82 %. So bounded from below it is 0.26 to 0.55 of the box's longer side, 0.37 in the
# middle; the eyes stand at 0.36 of the box's height.
_LEAST_SPAN = 0.85
_SPAN_IN_BOX = (0.2, 0.37, 0.7)
_EYES_IN_BOX = 0.36


def crop(image: Pixels, face: Face, size: int) -> Pixels:
    """Cut a face out, turned upright, its eyes at `EYES`: framed as FER2013's pictures are.

    A similarity (turn, scale, shift) brings the eyes there. Where they nearly coincide, as in a
    profile, the line from the eyes to the mouth keeps turn and scale in bounds; where the
    landmarks contradict the box, the box alone is used. What lies outside the photo repeats its
    border. Shrinking averages areas (no aliasing).

    Args:
        image: the photo that `face` was found in, as `find` takes it.
        face: as `find` gives it.
        size: the crop's side in pixels.

    Returns:
        uint8, shape (size, size, channels); channels 3 or 1 as in `image`.

    Raises:
        ImageError: `image` is no such array.
        UsageError: `size` is not positive.
    """
    import cv2

    check_image(image)
    if size < 1:
        raise UsageError(f"size must be at least 1 pixel, not {size!r}")
    middle, span = _pose(face)
    (left, level), (right, _) = EYES
    scale = 1 / detail(face, size)
    # Everything below takes points as complex numbers x + iy: turning is multiplying.
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
    # From the crop to the reduced part (as cv2 wants it with WARP_INVERSE_MAP); a pixel's middle
    # lies half a pixel from its corner.
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
    """Say how many pixels of the photo, across, a pixel of a crop of `size` pixels takes."""
    _, span = _pose(face)
    (left, _), (right, _) = EYES
    return abs(span) / ((right - left) * size)


def _pose(face: Face) -> tuple[complex, complex]:
    """Give the middle between the eyes and the way from the left one to the right one."""
    left, right, _, *mouth = (complex(*point) for point in face.landmarks)
    middle, span = (left + right) / 2, right - left
    down = sum(mouth) / 2 - middle
    if down:  # turned aside, the eyes' own line is short and says little
        across = down / abs(down) * -1j
        span += across * max(0.0, _LEAST_SPAN * abs(down) - (span / across).real)
    box = complex(face.x, face.y) + complex(face.width / 2, face.height * _EYES_IN_BOX)
    side = max(face.width, face.height)
    least, usual, most = (share * side for share in _SPAN_IN_BOX)
    if least <= abs(span) <= most and abs(middle - box) <= side / 2:
        return middle, span
    return box, complex(usual)
