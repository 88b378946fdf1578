"""The recipe's face crops, cut once and kept as .npz files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from happysad.dataset.duplicates import RADIUS, hashes, near_groups
from happysad.dataset.scan import scan
from happysad.errors import ImageError
from happysad.face_crop import crop
from happysad.face_detection import find
from happysad.files import replacing
from happysad.images import Pixels
from happysad.inputs import crops, face_weights
from happysad.photo import Photo
from recipes.face import photos
from recipes.face.fer_plus import faces_folder, read_votes
from recipes.face.photos import CLASSES, SIZE
from recipes.face.votes import COLUMNS

__all__ = ["Faces", "cut_anew", "packed", "person", "photo"]


@dataclass(frozen=True)
class Faces:
    """The face crops of one set."""

    images: Pixels
    """Grey, uint8, shape (n, 48, 48, 1)."""
    votes: NDArray[np.int8]
    """Counts in the order of `votes.COLUMNS`, shape (n, 10); -1 for a face without votes."""
    folders: NDArray[np.str_]
    """The class folder of each face's photo, shape (n,)."""
    groups: NDArray[np.str_]
    """The group of each face, shape (n,)."""
    weights: NDArray[np.float32]
    """The weight of each face in its photo's answer, as `inputs.face_weights`, shape (n,)."""
    missing: tuple[str, ...] = ()
    """The class folder of each photo in which no face was found."""
    seen: NDArray[np.bool_] | None = None
    """Whether each face is a near-duplicate of a training face, shape (n,); only for test faces."""

    def __len__(self) -> int:
        """Return the number of faces."""
        return len(self.images)

    def rows(self, chosen: NDArray[np.bool_]) -> Faces:
        """Return the faces that `chosen` marks."""
        return Faces(
            self.images[chosen],
            self.votes[chosen],
            self.folders[chosen],
            self.groups[chosen],
            self.weights[chosen],
            self.missing,
            None if self.seen is None else self.seen[chosen],
        )

    @property
    def voted(self) -> NDArray[np.bool_]:
        """Whether each face has votes, shape (n,)."""
        return np.asarray(self.votes.sum(axis=1) > 0)

    def write(self, file: Path) -> None:
        """Write the faces as an .npz."""
        arrays = {one.name: getattr(self, one.name) for one in fields(self)}
        arrays["missing"] = np.array(self.missing, dtype=np.str_)
        with replacing(file) as temporary, temporary.open("wb") as opened:
            np.savez_compressed(
                opened, **{name: values for name, values in arrays.items() if values is not None}
            )

    @classmethod
    def read(cls, file: Path) -> Faces:
        """Return the faces of a file that `write` wrote."""
        with np.load(file) as stored:
            parts = {name: stored[name] for name in stored.files}
        return cls(**{**parts, "missing": tuple(parts["missing"].tolist())})


def person(path: Path) -> str:
    """Return the name of a photo without its last number, which photos of one person share."""
    return re.sub(r"_\d+$", "", path.stem)


def photo(path: Path) -> str:
    """Return the name of a photo and its folder, for sets without groups."""
    return f"{path.parent.name}/{path.name}"


@dataclass(frozen=True)
class _Photos:
    """A folder of class folders with photos."""

    folder: str
    group: Callable[[Path], str]
    every_face: bool = False
    """False: only the largest face of each photo."""


_PHOTOS = {
    "generated": _Photos("colour/generated", photo),
    "studio": _Photos("colour/studio", person),
    "scenes": _Photos("scenes", photo, every_face=True),
    "portraits": _Photos("portraits", person),
}
_ANEW = "-anew"


def packed(name: str, data: Path, work: Path) -> Faces | None:
    """Return a set of faces; it is cut on the first call and read from `work` on later ones.

    Args:
        name: "train" or "val", the training faces of FER2013 with votes; "test", all its test
            faces; "generated", "studio", "scenes" or "portraits". With "-anew", as in "val-anew",
            every face is found and cut again in its crop.
        data: the recipe's data folder.
        work: the folder of the .npz files.

    Returns:
        The faces; None if the folder of the photos is missing, which one line on the standard
        output says.

    Raises:
        DatasetError: FER2013 or its votes are missing.
    """
    file = work / f"{name}.npz"
    if file.exists():
        return Faces.read(file)
    if name in ("train", "val"):
        _pack_training(data, work)
    elif name == "test":
        _pack_test(data, work)
    elif name.endswith(_ANEW):
        faces = packed(name.removesuffix(_ANEW), data, work)
        assert faces is not None
        cut_anew(faces).write(file)
    else:
        folder = data / _PHOTOS[name].folder
        if not folder.is_dir():
            print(f"{folder}: missing; the recipe continues without it")  # noqa: T201
            return None
        _pack_photos(folder, _PHOTOS[name]).write(file)
    return Faces.read(file)


def cut_anew(faces: Faces) -> Faces:
    """Return crops of the faces that happysad finds in crops.

    A crop in which no face is found stays as it is, and its folder is in `missing`.
    """
    images, missing = [], []
    for image, folder in zip(faces.images, faces.folders, strict=True):
        found = find(image, threads=1)
        images.append(crop(image, found[0], SIZE) if found else image)
        if not found:
            missing.append(str(folder))
    return replace(faces, images=np.stack(images), missing=tuple(missing))


def _pack_training(data: Path, work: Path) -> None:
    """Write train.npz and val.npz; the split is that of the networks that learn from labels."""
    folder = faces_folder(data, work)
    manifest = photos.manifest(folder / "train")
    for name, splits in (("train", ["train"]), ("val", ["val", "test"])):
        rows = manifest.used[manifest.used["split"].isin(splits)]
        faces = _of_rows(folder, "train", rows, rows["group"])
        faces.rows(faces.voted).write(work / f"{name}.npz")


def _pack_test(data: Path, work: Path) -> None:
    folder = faces_folder(data, work)
    table = scan(folder / "test", CLASSES, quality=False).table
    rows = table[table["pixels"] != ""]
    known = np.unique(hashes(photos.manifest(folder / "train").of("train")))
    seen = [np.bitwise_count(known ^ one).min() <= RADIUS for one in hashes(rows)]
    faces = _of_rows(folder, "test", rows, pd.Series(near_groups(rows), rows.index))
    replace(faces, seen=np.array(seen)).write(work / "test.npz")


def _of_rows(folder: Path, part: str, rows: pd.DataFrame, groups: pd.Series[str]) -> Faces:
    """Return the faces of rows of a manifest's table, with their votes."""
    paths = [f"{part}/{path}" for path in rows["path"]]
    votes = read_votes(folder).reindex(paths, fill_value=-1).to_numpy(np.int8)
    files = [str(folder / path) for path in paths]
    images = [np.asarray(cv2.imread(file, cv2.IMREAD_GRAYSCALE), np.uint8) for file in files]
    return Faces(
        np.stack(images)[..., None],
        votes,
        rows["label"].to_numpy(np.str_),
        groups.to_numpy(np.str_),
        np.ones(len(rows), np.float32),
    )


def _pack_photos(folder: Path, kind: _Photos) -> Faces:
    """Return the faces that happysad finds in the photos of some class folders."""
    images, folders, groups, weights, missing = [], [], [], [], []
    for path in sorted(folder.glob("*/*")):
        try:
            opened = Photo(path)
            found = opened.faces(threads=1)
        except ImageError:
            found = []
        if not found:
            missing.append(path.parent.name)
            continue
        view, faces = opened.close(found if kind.every_face else found[:1], SIZE)
        images.append(crops(view.pixels, faces, SIZE, 1))
        weights.append(face_weights(view, faces))
        folders += [path.parent.name] * len(faces)
        groups += [kind.group(path)] * len(faces)
    return Faces(
        np.concatenate(images),
        np.full((len(folders), len(COLUMNS)), -1, np.int8),
        np.array(folders, np.str_),
        np.array(groups, np.str_),
        np.concatenate(weights),
        tuple(missing),
    )
