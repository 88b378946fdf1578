"""Photos as networks take them: decoded once into a memory map that is kept by content."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from happysad.dataset.manifest import Manifest
from happysad.errors import DatasetError, os_reason
from happysad.files import replacing
from happysad.images import Pixels, read_bytes
from happysad.inputs import FACES, PHOTO_SIZE, of_photo
from happysad.parallel import ordered_map
from happysad.photos import Photo
from happysad.progress import track

__all__ = ["Arrays", "FacesAndPhotos", "load", "load_both"]

# Rise when `photos.Photo` or `images.fit` gives other pixels, or `inputs.both` other faces, so that
# old caches are not used.
_VERSION = 3
_BOTH_VERSION = 2


@dataclass(frozen=True)
class Arrays:
    """Photos as a network takes them."""

    images: Pixels
    """uint8, shape (n, size, size, channels), 0 to 255; memory-mapped, read-only."""
    labels: NDArray[np.float32]
    """float32, shape (n,): the index into `Manifest.labels`, 0 or 1."""
    groups: list[str]
    """Each photo's group."""


@dataclass(frozen=True)
class FacesAndPhotos:
    """Photos as a network takes them that looks at both their faces and the whole."""

    inputs: dict[str, NDArray[Any]]
    """``faces``, ``weights`` and ``photo``, as `inputs.both` makes them, each with n in front;
    memory-mapped, read-only."""
    labels: NDArray[np.float32]
    """float32, shape (n,): the index into `Manifest.labels`, 0 or 1."""
    groups: list[str]
    """Each photo's group."""

    @property
    def images(self) -> Pixels:
        """The photos themselves, small, in RGB."""
        return self.inputs["photo"]


def load(
    manifest: Manifest, rows: pd.DataFrame, size: int, channels: int, cache: Path | None = None
) -> Arrays:
    """Give some rows' photos through `inputs.of_photo`, decoded over all cores the first time.

    The file in the cache is named by what it holds: the photos' bytes in their order, the size and
    the channels. It is written whole or not at all.

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
    images = _cached(
        manifest,
        rows,
        f"{_VERSION} {size} {channels}",
        np.dtype((np.uint8, (size, size, channels))),
        lambda photo: of_photo(photo, size, channels)["image"],
        "decoding",
        cache,
    )
    return Arrays(images, _labels(manifest, rows), rows["group"].tolist())


def load_both(
    manifest: Manifest, rows: pd.DataFrame, size: int, channels: int, cache: Path | None = None
) -> FacesAndPhotos:
    """Give some rows' photos with their faces through `inputs.of_photo`; see `load` for the rest.

    Args:
        manifest: the rows' manifest.
        rows: used rows of its table.
        size: the side of a face's crop in pixels.
        channels: 3 for crops in RGB, 1 for grey; the photo itself is RGB.
        cache: as in `load`.
    """
    record = np.dtype(
        [
            ("faces", np.uint8, (FACES, size, size, channels)),
            ("weights", np.float32, (FACES,)),
            ("photo", np.uint8, (PHOTO_SIZE, PHOTO_SIZE, 3)),
        ]
    )

    def look(photo: Photo) -> tuple[NDArray[Any], ...]:
        inputs = of_photo(photo, size, channels, faces=photo.faces(threads=1))
        return tuple(inputs[name] for name in record.names or ())

    key = f"both {_VERSION} {_BOTH_VERSION} {size} {channels}"
    stored = _cached(manifest, rows, key, record, look, "finding faces", cache)
    inputs = {name: stored[name] for name in record.names or ()}
    return FacesAndPhotos(inputs, _labels(manifest, rows), rows["group"].tolist())


def _cached(
    manifest: Manifest,
    rows: pd.DataFrame,
    key: str,
    dtype: np.dtype[Any],
    make: Callable[[Photo], Any],
    what: str,
    cache: Path | None,
) -> NDArray[Any]:
    """Map what `make` gives for each row's photo, one `dtype` a photo; made where it is missing."""
    if rows.empty:
        raise DatasetError(f"{manifest.root}: no photos to load")
    name = hashlib.sha256("\n".join([key, *rows["sha256"]]).encode()).hexdigest()
    file = (cache or _default_cache()) / f"{name}.npy"
    if _mapped(file, len(rows), dtype) is None:
        _write(manifest, rows, file, dtype, make, what)
    stored = _mapped(file, len(rows), dtype)
    if stored is None:
        raise DatasetError(f"{file}: the cache cannot be read back")
    return stored


def _labels(manifest: Manifest, rows: pd.DataFrame) -> NDArray[np.float32]:
    number = {label: place for place, label in enumerate(manifest.labels)}
    return np.array([number[label] for label in rows["label"]], dtype=np.float32)


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "happysad" / "arrays"


def _mapped(file: Path, count: int, dtype: np.dtype[Any]) -> NDArray[Any] | None:
    """Map a cache's file; None where there is none, or it is of another shape."""
    try:
        stored = open_memmap(file, mode="r")
    except (OSError, ValueError):
        return None
    fits = stored.shape == (count, *dtype.shape) and stored.dtype == dtype.base
    return stored if fits else None


def _write(
    manifest: Manifest,
    rows: pd.DataFrame,
    file: Path,
    dtype: np.dtype[Any],
    make: Callable[[Photo], Any],
    what: str,
) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(file.parent).free
    except OSError as error:
        raise DatasetError(f"{file.parent}: {os_reason(error)}") from error
    needed = len(rows) * dtype.itemsize
    if needed > free:  # writing to a map on a full disk would end the process
        raise DatasetError(
            f"{file.parent}: the decoded photos need {needed / 1e9:.1f} GB, {free / 1e9:.1f} are "
            "free; set XDG_CACHE_HOME to a folder with more"
        )
    jobs = list(zip(manifest.files(rows), rows["sha256"], range(len(rows)), strict=True))
    with replacing(file) as temporary:
        shape = (len(rows), *dtype.shape)
        stored = open_memmap(temporary, mode="w+", dtype=dtype.base, shape=shape)

        def put(job: tuple[Path, str, int]) -> None:
            path, sha256, place = job
            data = read_bytes(path)
            if hashlib.sha256(data).hexdigest() != sha256:
                raise DatasetError(f"{path}: the file has changed since it was checked")
            stored[place] = make(Photo(data, name=str(path)))

        for _ in track(ordered_map(put, jobs), what, len(jobs)):
            pass
        stored.flush()
