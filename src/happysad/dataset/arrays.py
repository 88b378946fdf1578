"""A split's photos, decoded once into a memory-mapped uint8 array that is kept by content."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from happysad.dataset.manifest import Manifest
from happysad.dataset.threads import in_threads
from happysad.errors import DatasetError
from happysad.files import replacing
from happysad.images import Pixels, decode, fit, read_bytes

__all__ = ["Arrays", "load"]

# Rises when `images.decode` or `images.fit` gives other pixels, so that old caches are not used.
_VERSION = 1


@dataclass(frozen=True)
class Arrays:
    """Photos as a network takes them."""

    images: Pixels
    """uint8, shape (n, size, size, channels), 0 to 255; memory-mapped, read-only."""
    labels: NDArray[np.float32]
    """float32, shape (n,): the index into `Manifest.labels`, 0 or 1."""
    groups: list[str]
    """Each photo's group."""


def load(
    manifest: Manifest, rows: pd.DataFrame, size: int, channels: int, cache: Path | None = None
) -> Arrays:
    """Give some rows' photos through `images.fit`, decoded over all cores the first time.

    The file in the cache is named by what it holds: the photos' pixels in their order, the size
    and the channels. It is written whole or not at all.

    Args:
        manifest: the rows' manifest.
        rows: used rows of its table.
        size: the square's side in pixels.
        channels: 3 for RGB, 1 for grey.
        cache: the folder to keep it in; None for happysad/arrays in XDG_CACHE_HOME or ~/.cache.

    Raises:
        DatasetError: there are no rows; a file is not what it was when the manifest was made; or
            the cache's disk is full.
        ImageError: a file cannot be read any more.
    """
    if rows.empty:
        raise DatasetError(f"{manifest.root}: no photos to load")
    shape = (len(rows), size, size, channels)
    file = (cache or _default_cache()) / f"{_key(rows, size, channels)}.npy"
    if _mapped(file, shape) is None:
        _write(manifest, rows, file, shape)
    images = _mapped(file, shape)
    if images is None:
        raise DatasetError(f"{file}: the cache cannot be read back")
    number = {label: place for place, label in enumerate(manifest.labels)}
    labels = np.array([number[label] for label in rows["label"]], dtype=np.float32)
    return Arrays(images, labels, rows["group"].tolist())


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "happysad" / "arrays"


def _key(rows: pd.DataFrame, size: int, channels: int) -> str:
    text = "\n".join([f"{_VERSION} {size} {channels}", *rows["pixels"]])
    return hashlib.sha256(text.encode()).hexdigest()


def _mapped(file: Path, shape: tuple[int, ...]) -> Pixels | None:
    """Map a cache's file; None where there is none, or it is of another shape."""
    try:
        images = open_memmap(file, mode="r")
    except (OSError, ValueError):
        return None
    return images if images.shape == shape and images.dtype == np.uint8 else None


def _write(manifest: Manifest, rows: pd.DataFrame, file: Path, shape: tuple[int, ...]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(file.parent).free
    except OSError as error:
        raise DatasetError(f"{file.parent}: {(error.strerror or str(error)).lower()}") from error
    needed = int(np.prod(shape))
    if needed > free:  # writing to a map on a full disk would end the process
        raise DatasetError(
            f"{file.parent}: the decoded photos need {needed / 1e9:.1f} GB, {free / 1e9:.1f} are "
            "free; set XDG_CACHE_HOME to a folder with more"
        )
    jobs = list(zip(manifest.files(rows), rows["sha256"], range(len(rows)), strict=True))
    with replacing(file) as temporary:
        images = open_memmap(temporary, mode="w+", dtype=np.uint8, shape=shape)

        def put(job: tuple[Path, str, int]) -> None:
            path, sha256, place = job
            data = read_bytes(path)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise DatasetError(f"{path}: the file has changed since it was checked")
            images[place] = fit(decode(data, str(path)).pixels, shape[1], shape[3])

        for _ in in_threads(put, jobs, "decoding"):
            pass
        images.flush()
