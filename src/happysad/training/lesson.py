"""Teach's training on the faces in photos, cut out as in every prediction.

1. The largest face is cut out of each photo; photos without a face are left out. If most photos are
   so small that `happysad train` takes them for face crops, all photos are used as they are.
2. Near-duplicate photos and near-duplicate faces stay in one split. If this leaves too few pictures
   of a class in a split, as with a webcam's pictures of one person, each class is split by the
   order in which its pictures arrived, and a note explains what that means.
3. The first result is a classifier whose last layer alone has learned, after seconds; see
   `happysad.training.first_result`.
4. The network of the classifier that comes with happysad is trained further, epoch by epoch.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from happysad.dataset.check import check
from happysad.dataset.check_result import CheckSettings
from happysad.dataset.duplicates import near_groups
from happysad.dataset.manifest import SPLITS, Manifest
from happysad.dataset.scan import scan
from happysad.dataset.split import MORE_GROUPS
from happysad.errors import DatasetError
from happysad.evaluation.metrics import caution
from happysad.files import write_text
from happysad.inputs import crops
from happysad.parallel import ordered_map
from happysad.photo import Photo
from happysad.progress import track
from happysad.run import Run
from happysad.training.config import RECIPES, load
from happysad.training.first_result import learn_first
from happysad.training.lesson_progress import TRAINING, progress

__all__ = ["learn"]

# The total number of faces shown to the network in all epochs, and the range of the number of
# epochs.
_SHOWN, _EPOCHS = 12_000, (15, 30)
_BATCH = 16
# The number of consecutive parts of each class if pictures are split by their order.
_STRETCHES = 10
# A split needs at least this part of its fraction of each class.
_LEAST = 0.5


def learn(
    photos: Path,
    work: Path,
    run: Path,
    *,
    classes: tuple[str, str],
    fewest: int,
) -> None:
    """Train on the faces of photos.

    The notes about the photos are written into `work` when training begins, and into the folders of
    the first result and the run, with sentences that compare it with the built-in classifier; see
    `Run.first` and `Run.notes`.

    Args:
        photos: a folder with one folder of photos for each class; nothing in it is changed.
        work: the folder for the faces and their check; the caller removes it.
        run: the run's folder.
        classes: the folders of the two classes.
        fewest: minimum number of faces of each class.

    Raises:
        DatasetError: too few faces are found, or all pictures of a class look the same.
    """
    with progress(work, photos, classes, TRAINING):
        _learn(photos, work, Run(run), classes, fewest)


def _learn(photos: Path, work: Path, run: Run, classes: tuple[str, str], fewest: int) -> None:
    from happysad.training.trainer import train

    table = scan(photos, classes, quality=False).table
    table = table[table["reason"] == ""]
    notes: list[str] = []
    data = photos
    if len(table) and load(None, {"classes": classes}).resolved(table).faces == "find":
        data = work / "faces"
        table = _cut(photos, table, data, notes)
    _refuse_few(table, classes, fewest)
    split = _split(data, table, work, notes, run.before)
    write_text(work / run.notes.name, json.dumps(notes) + "\n")
    learn_first(split.manifest, run.first, notes)
    epochs = round(_SHOWN / len(split.manifest.of("train")))
    given: dict[str, Any] = {
        "classes": classes,
        "faces": "given",
        "radius": split.settings.radius,
        "epochs": min(max(epochs, _EPOCHS[0]), _EPOCHS[1]),
        "batch_size": _BATCH,
    }
    trained = train(
        split.manifest.root,
        run.folder,
        check_folder=split.out,
        groups=split.settings.groups,
        **given,
    )
    if trained.evaluation is not None and trained.evaluation.comparison is not None:
        comparison = trained.evaluation.comparison
        said = (comparison.summary, comparison.gain, caution(comparison.n))
        notes += filter(None, said)
    write_text(run.notes, json.dumps(notes) + "\n")


def _cut(photos: Path, table: pd.DataFrame, out: Path, notes: list[str]) -> pd.DataFrame:
    """Cut the largest face out of each photo; return the rows with a face, with the face's path."""
    from PIL import Image

    def cut(path: str) -> str:
        photo = Photo(photos / path)
        found = photo.faces(threads=1)
        if not found:
            return ""
        size, channels = RECIPES["face"]["size"], RECIPES["face"]["channels"]
        view, there = photo.close(found, size)  # all faces, as in a prediction
        [face] = crops(view.pixels, there[:1], size, channels)
        file = out / f"{path}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face[..., 0]).save(file)  # without loss
        return f"{path}.png"

    for label in table["label"].unique():
        (out / label).mkdir(parents=True, exist_ok=True)
    paths = table["path"].tolist()
    table = table.assign(path=list(track(ordered_map(cut, paths), "cutting faces out", len(paths))))
    there = table[table["path"] != ""]
    if missed := len(table) - len(there):
        notes.append(
            f"No face was found in {missed:,} of {len(table):,} photos: they are left out. (Faces "
            "that are turned away, covered, tiny or drawn often are not found.)"
        )
    return there


def _refuse_few(table: pd.DataFrame, classes: tuple[str, str], fewest: int) -> None:
    counts = table["label"].value_counts()
    if any(counts.get(label, 0) < fewest for label in classes):
        there = " and ".join(f"{counts.get(label, 0):,} {label}" for label in classes)
        raise DatasetError(
            f"{fewest} photos or more of each class are needed in which a face is found; there are "
            f"{there} ones"
        )


@dataclass(frozen=True)
class _Split:
    """Pictures that are checked and split."""

    manifest: Manifest
    settings: CheckSettings
    out: Path
    """The folder of the check."""


def _split(
    data: Path, table: pd.DataFrame, work: Path, notes: list[str], before: Run | None
) -> _Split:
    """Split the pictures by groups of near-duplicates or, if that fails, by their order.

    Pictures of the run before keep their split, so that both can be compared on the test pictures.
    """
    with contextlib.suppress(DatasetError):  # fewer groups than splits
        table = table.assign(group=near_groups(table))
        if before is not None:
            with contextlib.suppress(DatasetError, OSError):
                kept = work / "kept"
                kept.mkdir()
                shutil.copyfile(before.manifest, kept / before.manifest.name)
                split = _check(data, table, kept, CheckSettings.radius)
                if _is_usable(split):
                    return split
        split = _check(data, table, work / "apart", CheckSettings.radius)
        if _is_usable(split):
            return split
    try:
        split = _check(data, _by_order(table), work / "by_order", -1)
    except DatasetError as error:
        words = str(error).replace(f"{data}{os.sep}", "")
        helps = "" if MORE_GROUPS in words else f"; {MORE_GROUPS}"
        raise DatasetError(words + helps) from None
    notes.append(
        "Many pictures look nearly the same, as those of one webcam do: they were split by the "
        "order they came in. So the test tells how well it knows these people in these places."
    )
    return split


def _check(data: Path, table: pd.DataFrame, out: Path, radius: int) -> _Split:
    groups = out.with_suffix(".csv")
    table[["path", "group"]].to_csv(groups, index=False)
    first, second = sorted(table["label"].unique())
    result = check(data, out, classes=(first, second), groups=groups, radius=radius, quality=False)
    return _Split(result.manifest, result.settings, out)


def _by_order(table: pd.DataFrame) -> pd.DataFrame:
    """Group consecutive pictures of each class, in the order in which they arrived."""
    table = table.sort_values(["label", "modified", "path"])
    place = table.groupby("label").cumcount()
    count = table.groupby("label")["path"].transform("size")
    return table.assign(group=table["label"] + (place * _STRETCHES // count).astype(str))


def _is_usable(split: _Split) -> bool:
    """Return whether each of train, val and test has enough pictures of each class."""
    used = split.manifest.used
    shares = pd.crosstab(used["label"], used["split"], normalize="index")
    least = [_LEAST * fraction for fraction in split.settings.fractions]
    return bool((shares.reindex(columns=list(SPLITS), fill_value=0) >= least).all(axis=None))
