"""Drawn pictures for the benchmarks, with different perceptual hashes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

__all__ = ["write_folders"]


def write_folders(root: Path, count: int, side: int = 48) -> None:
    """Write `count` grey JPEGs of smooth blobs to happy/ and sad/; sad ones have a darker half."""
    for number in range(count):
        label = ("happy", "sad")[number % 2]
        coarse = np.random.default_rng(number).integers(0, 256, (8, 8)).astype(np.float32)
        coarse[4:] *= 1.0 if label == "happy" else 0.8
        file = root / label / f"{number:05}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(file), np.clip(picture, 0, 255).astype(np.uint8))
