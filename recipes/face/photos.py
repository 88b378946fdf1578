"""FER2013's seven folders as arrays: checked, without copies, split by group."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset import arrays, duplicates, split
from happysad.dataset.manifest import Manifest, Split
from happysad.dataset.scan import scan
from happysad.errors import DatasetError
from happysad.images import Pixels
from happysad.inputs import network_input

__all__ = ["CLASSES", "HAPPY", "SAD", "SIZE", "Photos", "load", "manifest"]

#: The folders, in the order of the networks' outputs.
CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
HAPPY, SAD = CLASSES.index("happy"), CLASSES.index("sad")
#: The side of FER2013's pictures in pixels.
SIZE = 48

_RADIUS = 6
_FRACTIONS = (0.85, 0.1, 0.05)


@dataclass(frozen=True)
class Photos:
    """Photos of all seven classes."""

    images: Pixels
    """uint8, shape (n, 48, 48, 1)."""
    classes: NDArray[np.intp]
    """Indices into `CLASSES`, shape (n,)."""
    groups: list[str]
    """The group of near-duplicates of each photo, n of them."""

    def only(self, *classes: int) -> Photos:
        """Return the photos of these classes."""
        return self.rows(np.flatnonzero(np.isin(self.classes, classes)))

    def rows(self, rows: NDArray[np.intp]) -> Photos:
        """Return the photos at these indices."""
        return Photos(self.images[rows], self.classes[rows], [self.groups[row] for row in rows])


def manifest(folder: Path) -> Manifest:
    """Read every file under `folder`, leave out copies and split by group, as a check does.

    Raises:
        DatasetError: one of the seven folders is missing.
    """
    missing = [name for name in CLASSES if not (folder / name).is_dir()]
    if missing:
        raise DatasetError(f"{folder}: needs FER2013's seven folders; there is no {missing[0]}")
    table = duplicates.leave_out_copies(scan(folder, CLASSES, quality=False).table)
    return Manifest(folder, split.assign(table, radius=_RADIUS, fractions=_FRACTIONS))


def load(photos: Manifest, *splits: Split) -> Photos:
    """Return the photos of these splits, in the manifest's order."""
    rows = pd.concat([photos.of(one) for one in splits]).sort_index()
    loaded = arrays.load(photos, rows, network_input("face", SIZE, 1))
    return Photos(loaded.images, loaded.classes.astype(np.intp), loaded.groups)
