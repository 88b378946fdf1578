"""FER2013 with FER+'s votes: folders, or Kaggle's CSV beside FER+'s."""

from __future__ import annotations

import csv
from pathlib import Path

import pandas as pd

from happysad.dataset.sources import import_data
from happysad.errors import DatasetError
from happysad.files import replacing
from recipes.face.photos import CLASSES
from recipes.face.votes import COLUMNS

__all__ = ["VOTES", "faces_folder", "read_votes"]

#: The file of the votes in the folder of the faces.
VOTES = "votes.csv"

# The folder of each part of FER2013. The recipe does not use its third part, PrivateTest.
_PARTS = {"Training": "train", "PublicTest": "test"}
# FER+'s name of a column.
_THEIRS = {"not_a_face": "NF"}


def faces_folder(data: Path, work: Path) -> Path:
    """Return a folder with train/, test/ (each with FER2013's seven folders) and votes.csv.

    Args:
        data: a folder with faces/, which is returned, or with Kaggle's fer2013.csv and FER+'s
            fer2013new.csv, whose rows have the same order.
        work: the folder in which faces/ is created from the CSV files.

    Raises:
        DatasetError: `data` has neither, or the CSV files do not belong together.
        ImportDataError: a row of fer2013.csv is invalid.
    """
    if (data / "faces").is_dir():
        return data / "faces"
    pictures, votes = data / "fer2013.csv", data / "fer2013new.csv"
    for file in (pictures, votes):
        if not file.is_file():
            raise DatasetError(
                f"{data}: needs the folder faces, or fer2013.csv and fer2013new.csv; no {file.name}"
            )
    faces = work / "faces"
    if not (faces / VOTES).is_file():
        _unpack(pictures, votes, faces)
    return faces


def read_votes(folder: Path) -> pd.DataFrame:
    """Return the votes of a folder of faces: a row for each path, with `COLUMNS` as columns.

    Raises:
        DatasetError: votes.csv is missing or lacks a column.
    """
    file = folder / VOTES
    if not file.is_file():
        raise DatasetError(f"{file}: missing; it has the votes on each face")
    table = pd.read_csv(file)
    if missing := [name for name in ("path", *COLUMNS) if name not in table.columns]:
        raise DatasetError(f"{file}: needs a column {missing[0]}")
    return table.set_index("path")[list(COLUMNS)]


def _unpack(pictures: Path, votes: Path, faces: Path) -> None:
    """Write each row of the two CSV files as a picture and a row of votes.csv."""
    with votes.open(newline="", encoding="utf-8-sig") as opened:
        rows = list(csv.DictReader(opened))
    import_data(str(pictures), faces / "all", mapping={name: name for name in CLASSES})
    # A picture's name ends with the number of its row.
    files = {int(file.stem.rsplit("-", 1)[1]): file for file in (faces / "all").glob("*/*.png")}
    if sorted(files) != list(range(1, len(rows) + 1)):
        raise DatasetError(
            f"{votes}: must have a row for each of the {len(files):,} rows of {pictures.name}, "
            f"not {len(rows):,}"
        )
    for part in _PARTS.values():
        for name in CLASSES:
            (faces / part / name).mkdir(parents=True, exist_ok=True)
    with (
        replacing(faces / VOTES) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as opened,
    ):
        table = csv.writer(opened)
        table.writerow(("path", *COLUMNS))
        for number, row in enumerate(rows, 1):
            split = _PARTS.get(row["Usage"])
            if split is None:
                continue
            to = Path(split, files[number].parent.name, files[number].name)
            files[number].replace(faces / to)
            table.writerow((to.as_posix(), *(row[_THEIRS.get(name, name)] for name in COLUMNS)))
