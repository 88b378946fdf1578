"""Pictures for tests: smooth random "photos" whose perceptual hashes differ in many bits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from happysad.images import Pixels

__all__ = ["encoded", "folders", "photo", "portrait", "save"]


def photo(seed: int, height: int = 48, width: int = 64, channels: int = 3) -> Pixels:
    """Return smooth random blobs: RGB, uint8, shape (height, width, 3).

    With `channels` 1, all three channels are equal. The perceptual hashes of two seeds differ in
    about 32 of 64 bits; those of one seed in two sizes differ in a few bits.
    """
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, channels), dtype=np.uint8)
    if channels == 1:
        coarse = np.repeat(coarse, 3, axis=2)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def encoded(pixels: Pixels, format: str = "png", **options: Any) -> bytes:  # noqa: A002
    """Return the bytes of a file in a format of Pillow; shape and dtype decide its mode."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def save(file: Path, pixels: Pixels, format: str | None = None, **options: Any) -> Path:  # noqa: A002
    """Write a picture; the format follows the extension unless it is given."""
    file.parent.mkdir(parents=True, exist_ok=True)
    type_ = format or {".jpg": "jpeg", ".tif": "tiff"}.get(file.suffix, file.suffix[1:])
    file.write_bytes(encoded(pixels, type_, **options))
    return file


def folders(
    root: Path, each: int = 12, labels: tuple[str, ...] = ("happy", "sad"), seed: int = 0
) -> Path:
    """Write `each` distinct PNG photos per class to a data folder; return `root`."""
    for place, label in enumerate(labels):
        for number in range(each):
            pixels = photo(seed + 1000 * place + number)
            save(root / label / f"{number:03}.png", pixels)
    return root


def portrait() -> bytes:
    """Return the JPEG of a real portrait from matplotlib's sample data: one face, 512x600."""
    import matplotlib

    return Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg").read_bytes()
