"""The network's inputs for many photos: decoded once, and cached in a memory-mapped file."""

from __future__ import annotations

import hashlib
import os
import shutil
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
from happysad.inputs import NetworkInput
from happysad.parallel import ordered_map
from happysad.photo import Photo
from happysad.progress import track

__all__ = ["Arrays", "load"]

# Increase when `Photo` or a `NetworkInput` computes different values, to invalidate older caches.
_VERSION = 4


@dataclass(frozen=True)
class Arrays:
    """The network's inputs and the classes of many photos."""

    inputs: dict[str, NDArray[Any]]
    """The network's inputs by name, each with n rows; memory-mapped, read-only."""
    classes: NDArray[np.float32]
    """The class of each photo: float32, shape (n,), the index into `Manifest.classes`."""
    groups: list[str]
    """The group of each photo."""
    shares: NDArray[np.float32] | None = None
    """The share of the votes for each class, float32, shape (n, classes); None without votes."""

    @property
    def images(self) -> Pixels:
        """The input that is a whole picture: uint8, shape (n, side, side, channels)."""
        return self.inputs["image" if "image" in self.inputs else "photo"]


def load(
    manifest: Manifest,
    rows: pd.DataFrame,
    network_input: NetworkInput,
    cache: Path | None = None,
) -> Arrays:
    """Return the network's inputs for the photos of some rows.

    The first call decodes the photos on all cores and writes a file into the cache, completely or
    not at all; later calls map this file. Its name is a hash of the photos' bytes, in their order,
    and of the shapes and dtypes of the inputs.

    Args:
        manifest: the manifest of the rows.
        rows: rows of its table whose status is used.
        network_input: prepares the photos.
        cache: the cache's folder; None for happysad/arrays in XDG_CACHE_HOME or ~/.cache.

    Raises:
        DatasetError: there are no rows; a file has changed since the manifest was made; or the
            cache's disk is full.
        ImageError: a file can no longer be read.
    """
    if rows.empty:
        raise DatasetError(f"{manifest.root}: no photos to load")
    shapes = network_input.shapes
    record = np.dtype([(name, dtype, shape) for name, (shape, dtype) in shapes.items()])
    key = "\n".join([f"{_VERSION} {record.descr}", *rows["sha256"]])
    file = (cache or _default_cache()) / f"{hashlib.sha256(key.encode()).hexdigest()}.npy"
    if _mapped(file, len(rows), record) is None:
        _write(manifest, rows, file, record, network_input)
    stored = _mapped(file, len(rows), record)
    if stored is None:
        raise DatasetError(f"{file}: the cache cannot be read back")
    number = {name: place for place, name in enumerate(manifest.classes)}
    return Arrays(
        {name: stored[name] for name in shapes},
        np.array([number[name] for name in rows["label"]], dtype=np.float32),
        rows["group"].tolist(),
    )


def _default_cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "happysad" / "arrays"


def _mapped(file: Path, count: int, record: np.dtype[Any]) -> NDArray[Any] | None:
    """Map a cached file; return None if it is missing or has another shape or dtype."""
    try:
        stored = open_memmap(file, mode="r")
    except (OSError, ValueError):
        return None
    return stored if stored.shape == (count,) and stored.dtype == record else None


def _write(
    manifest: Manifest,
    rows: pd.DataFrame,
    file: Path,
    record: np.dtype[Any],
    network_input: NetworkInput,
) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(file.parent).free
    except OSError as error:
        raise DatasetError(f"{file.parent}: {os_reason(error)}") from error
    needed = len(rows) * record.itemsize
    if needed > free:  # writing to a map on a full disk would end the process
        raise DatasetError(
            f"{file.parent}: the decoded photos need {needed / 1e9:.1f} GB, but only "
            f"{free / 1e9:.1f} GB are free; set XDG_CACHE_HOME to a folder with more space"
        )
    jobs = list(zip(manifest.files(rows), rows["sha256"], range(len(rows)), strict=True))
    with replacing(file) as temporary:
        _decode(jobs, temporary, record, network_input)


def _decode(
    jobs: list[tuple[Path, str, int]],
    file: Path,
    record: np.dtype[Any],
    network_input: NetworkInput,
) -> None:
    """Write decoded photos; at the end the file is no longer mapped, so that Windows renames it."""
    stored = open_memmap(file, mode="w+", dtype=record, shape=(len(jobs),))

    def put(job: tuple[Path, str, int]) -> None:
        path, sha256, place = job
        data = read_bytes(path)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DatasetError(f"{path}: the file has changed since it was checked")
        row = network_input.row(Photo(data, name=str(path)))
        stored[place] = tuple(row[name] for name in network_input.shapes)

    for _ in track(ordered_map(put, jobs), "decoding", len(jobs)):
        pass
    stored.flush()
