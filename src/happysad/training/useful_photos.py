"""Choose the photos without labels that would teach a classifier most."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset import arrays
from happysad.dataset.duplicates import near_any, near_groups
from happysad.dataset.k_center import k_center
from happysad.dataset.manifest import Manifest, are_crops
from happysad.dataset.scan import scan_files
from happysad.errors import DatasetError, counted
from happysad.label_review import Unlabelled
from happysad.progress import step
from happysad.training.photo_features import FeatureNetwork, feature_network

__all__ = ["find_useful"]

Floats = NDArray[np.float64]


def find_useful(
    manifest: Manifest, files: Sequence[Path], count: int, decided: Collection[str]
) -> list[Unlabelled]:
    """Return the photos that would teach most, the most useful first.

    They are spread over all by `k_center`, on the features of the default training:
    docs/decisions.md, "Photos that teach most".

    Args:
        manifest: the checked and split photos of the data folder.
        files: the photos without labels, outside of the data folder. Those without a face, and
            near-duplicates of each other or of the photos in `manifest`, are left out.
        count: the maximum number of chosen photos.
        decided: the `pixels` of photos on which people have decided.

    Raises:
        DatasetError: no photo is left; or one of both folders has face crops, and one has photos.
    """
    rows = _new(manifest, files, decided)
    if len(rows) and are_crops(rows) != are_crops(manifest.of("train")):
        raise DatasetError(
            f"{manifest.root}: its photos and those without labels must all be face crops, or all "
            "be whole photos"
        )
    if len(rows):
        rows, features = _with_faces(rows, feature_network(manifest.of("train")))
    if not len(rows):
        raise DatasetError(
            f"none of {counted(len(files), 'photo')} can be labelled: they have no face, cannot be "
            f"read, are nearly the same as photos in {manifest.root}, or are labelled already"
        )
    with step(f"choosing among {counted(len(rows), 'photo')}"):
        order = k_center(features, min(count, len(rows)))
    one = rows.iloc[order]
    return [Unlabelled(*both) for both in zip(one["path"], one["pixels"], strict=True)]


def _new(manifest: Manifest, files: Sequence[Path], decided: Collection[str]) -> pd.DataFrame:
    """Return the rows of the photos that are readable and new."""
    paths = [file.absolute().as_posix() for file in files]
    rows = scan_files(manifest.root, dict.fromkeys(paths, ""))
    rows = rows[(rows["reason"] == "") & ~rows["pixels"].isin(decided)].reset_index(drop=True)
    rows = rows[~near_any(rows, manifest.used)].reset_index(drop=True)
    group = pd.Series(near_groups(rows), index=rows.index, dtype="str")
    return rows.assign(status="used", group=group)[~group.duplicated()]


def _with_faces(rows: pd.DataFrame, network: FeatureNetwork) -> tuple[pd.DataFrame, Floats]:
    """Return the rows of photos with a face, and their features."""
    loaded = arrays.load(Manifest(Path("/"), rows), rows, network.input)
    there = np.ones(len(rows), bool)
    if "weights" in loaded.inputs:
        there = np.asarray((loaded.inputs["weights"] > 0).any(axis=1))
    return rows[there], network.of(loaded)[there]
