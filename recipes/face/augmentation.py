"""Augmentation of face crops: other framing and light, worse pictures, painted rectangles."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Changes", "augment"]

Pixels = NDArray[np.uint8]
_LEVELS = np.arange(256, dtype=np.float32)
# The sides of an erased rectangle as shares of the crop's.
_ERASED = (0.12, 0.38)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The ranges of the random changes."""

    rotation: float = 15.0
    """The maximum angle to either side, in degrees."""
    shift: float = 0.1
    """The maximum shift in each direction, as a share of the crop's side."""
    zoom: float = 0.2
    """The scale is 1 - zoom to 1 + zoom."""
    light: float = 0.35
    """The contrast is 1 - light to 1 + light; the brightness changes half as much."""
    dark: float = 0.0
    """The probability that the levels are multiplied by 0.08 to 0.6."""
    worse: float = 0.35
    """The probability of one of: blur, small size, JPEG, noise."""
    worse_again: float = 0.0
    """The probability of a second one of them."""
    blur: float = 0.034
    """The maximum sigma as a share of the side."""
    small: float = 0.4
    """The minimum side to which a crop is reduced, as a share of its own."""
    quality: float = 15.0
    """The minimum JPEG quality."""
    noise: float = 16.0
    """The maximum sigma in levels."""
    erasing: float = 0.2
    """The probability that a rectangle is painted over."""


def augment(image: Pixels, changes: Changes, rng: np.random.Generator) -> Pixels:
    """Return a changed copy of a crop; the changes depend only on `rng`.

    Mirroring, rotation, zoom and shift are one affine map with reflected borders. Rectangles are
    painted over in one random level (Zhong et al. 2017, arXiv:1708.04896).

    Args:
        image: uint8, shape (side, side, 1).
        changes: the ranges of the changes.
        rng: the source of randomness.

    Returns:
        uint8, the same shape.
    """
    side = len(image)
    changed: Pixels = cv2.warpAffine(  # type: ignore[assignment]
        image,
        _matrix(side, changes, rng),
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    changed = cv2.LUT(changed, _table(changes, rng))  # type: ignore[assignment]
    for probability in (changes.worse, changes.worse_again):
        if rng.random() < probability:
            changed = _worsened(changed, changes, rng)
    if rng.random() < changes.erasing:
        _erase(changed, rng)
    return changed.reshape(image.shape)  # cv2 drops a single channel


def _matrix(side: int, changes: Changes, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the affine map from a point in the result to its point in the crop."""
    turn, zoom, right, down = rng.uniform(-1, 1, 4)
    angle, scale = math.radians(changes.rotation) * turn, 1 / (1 + changes.zoom * zoom)
    mirror = rng.choice((-1, 1))
    linear = scale * np.array(
        [[mirror * math.cos(angle), -math.sin(angle)], [mirror * math.sin(angle), math.cos(angle)]]
    )
    middle = np.full(2, (side - 1) / 2)
    moved = middle + side * changes.shift * np.array([right, down])
    return np.column_stack([linear, moved - linear @ middle])


def _table(changes: Changes, rng: np.random.Generator) -> Pixels:
    """Return the new level of each of the 256 levels."""
    contrast, brightness = changes.light * rng.uniform(-1, 1, 2)
    levels = (_LEVELS - 127.5) * (1 + contrast) + 127.5 * (1 + brightness / 2)
    if rng.random() < changes.dark:
        levels *= rng.uniform(0.08, 0.6)
    return np.asarray(np.clip(np.rint(levels), 0, 255), dtype=np.uint8)


def _worsened(image: Pixels, changes: Changes, rng: np.random.Generator) -> Pixels:
    side = len(image)
    worse: Any
    match rng.integers(4):
        case 0:
            worse = cv2.GaussianBlur(image, (0, 0), side * rng.uniform(0.008, changes.blur))
        case 1:
            small = round(side * rng.uniform(changes.small, 0.85))
            worse = cv2.resize(image, (small, small), interpolation=cv2.INTER_AREA)
            worse = cv2.resize(worse, (side, side), interpolation=cv2.INTER_CUBIC)
        case 2:
            quality = round(rng.uniform(changes.quality, 70))
            file = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            worse = cv2.imdecode(file, cv2.IMREAD_GRAYSCALE)
        case _:
            noise = rng.normal(0, rng.uniform(3, changes.noise), image.shape)
            worse = np.clip(np.rint(image + noise), 0, 255)
    return np.asarray(worse, dtype=np.uint8)


def _erase(image: Pixels, rng: np.random.Generator) -> None:
    side = len(image)
    tall, wide = (round(side * share) for share in rng.uniform(*_ERASED, 2))
    top, left = rng.integers(side - tall), rng.integers(side - wide)
    image[top : top + tall, left : left + wide] = rng.integers(256)
