"""Random changes of a photo: geometry, light, quality, and erased rectangles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from happysad.images import Pixels
from happysad.training.config import TrainConfig

__all__ = ["DRAWS", "augment"]

#: The number of random numbers that `augment` uses for one photo.
DRAWS = 16

_LEVELS = np.arange(256, dtype=np.float32) - 127.5
#: The sides of an erased rectangle as shares of the photo's.
_ERASED = (0.12, 0.38)
#: The ranges of worsening: the blur's sigma as a share of the side, the share of the side that a
#: photo is shrunk to, JPEG's quality, the noise's sigma in levels.
_BLUR, _SHRUNK, _QUALITY, _NOISE = (0.008, 0.034), (0.4, 0.85), (15, 70), (3, 16)


def augment(image: Pixels, draws: NDArray[np.float32], config: TrainConfig) -> Pixels:
    """Return a randomly changed copy of a photo, within the limits of the settings.

    Mirroring, rotation, shift and zoom are one affine map with reflected borders; contrast and
    brightness are one lookup table. Then the photo may be blurred, shrunk and enlarged, compressed
    as JPEG or made noisy. Erasing paints a rectangle in one random colour (Zhong et al. 2017,
    arXiv:1708.04896).

    Args:
        image: uint8, shape (height, width, channels), 1 or 3 channels; not changed.
        draws: random numbers from 0 to below 1, shape (`DRAWS`,).
        config: the limits of each change.

    Returns:
        uint8, the same shape.
    """
    height, width, _ = image.shape
    mirror, *affine, contrast, brightness, erased, worsened = draws[:9].tolist()
    changed: Pixels = cv2.warpAffine(  # type: ignore[assignment]
        image,
        _matrix(height, width, config.flip and mirror < 0.5, affine, config),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    if config.light:
        changed = cv2.LUT(changed, _table(contrast, brightness, config.light))  # type: ignore[assignment]
    if worsened < config.worsening:
        changed = _worsen(changed, *draws[9:11].tolist())
    changed = changed.reshape(image.shape)  # cv2 drops a single channel
    if erased < config.erasing:
        _erase(changed, draws[11:].tolist())
    return changed


def _matrix(
    height: int, width: int, mirrored: bool, draws: Sequence[float], config: TrainConfig
) -> NDArray[np.float64]:
    """Return the affine map from coordinates in the result to coordinates in the photo."""
    turn, zoom, right, down = (2 * draw - 1 for draw in draws)  # from -1 to 1
    angle, scale = math.radians(config.rotation) * turn, 1 / (1 + config.zoom * zoom)
    cos, sin = scale * math.cos(angle), scale * math.sin(angle)
    mirror = -1 if mirrored else 1
    x, y = (width - 1) / 2, (height - 1) / 2
    to_x, to_y = x + width * config.shift * right, y + height * config.shift * down
    return np.array(
        [
            [mirror * cos, -sin, to_x - mirror * cos * x + sin * y],
            [mirror * sin, cos, to_y - mirror * sin * x - cos * y],
        ]
    )


def _table(contrast: float, brightness: float, light: float) -> Pixels:
    """Return the lookup table of the 256 levels; brightness changes half as much as contrast."""
    slope = 1 + light * (2 * contrast - 1)
    middle = 127.5 * (1 + light * (brightness - 0.5))
    levels = _LEVELS * np.float32(slope) + np.float32(middle)
    np.minimum(np.maximum(levels, 0, out=levels), 255, out=levels)
    return levels.astype(np.uint8)


def _worsen(image: Pixels, which: float, much: float) -> Pixels:
    height, width = image.shape[:2]

    def between(low: float, high: float) -> float:
        return low + (high - low) * much

    match int(4 * which):
        case 0:
            worse = cv2.GaussianBlur(image, (0, 0), width * between(*_BLUR))
        case 1:
            share = between(*_SHRUNK)
            smaller = (max(1, round(width * share)), max(1, round(height * share)))
            worse = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
            worse = cv2.resize(worse, (width, height), interpolation=cv2.INTER_CUBIC)
        case 2:
            quality = [cv2.IMWRITE_JPEG_QUALITY, round(between(*_QUALITY))]
            _, file = cv2.imencode(".jpg", image, quality)
            worse = np.asarray(cv2.imdecode(file, cv2.IMREAD_UNCHANGED))
        case _:
            rng = np.random.default_rng(int(much * 2**24))  # a draw has 24 bits
            noise = rng.normal(0, between(*_NOISE), image.shape)
            worse = np.clip(image + noise, 0, 255).astype(np.uint8)
    return worse  # type: ignore[return-value]


def _erase(image: Pixels, draws: Sequence[float]) -> None:
    height, width, channels = image.shape
    low, high = _ERASED
    tall = max(1, round(height * (low + (high - low) * draws[0])))
    wide = max(1, round(width * (low + (high - low) * draws[1])))
    top, left = int((height - tall) * draws[2]), int((width - wide) * draws[3])
    shade = 256 * draws[4]
    colour = (shade, (shade + 85) % 256, (shade + 170) % 256)
    image[top : top + tall, left : left + wide] = [int(level) for level in colour[:channels]]
