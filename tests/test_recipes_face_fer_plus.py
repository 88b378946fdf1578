"""The recipe reads FER2013 and FER+ from folders and from the CSV files that anyone can have."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from happysad.errors import DatasetError
from happysad.images import read
from recipes.face.fer_plus import faces_folder, read_votes
from recipes.face.votes import COLUMNS
from tests.made_up_faces import kaggle


def test_folders_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "data" / "faces").mkdir(parents=True)
    assert faces_folder(tmp_path / "data", tmp_path / "work") == tmp_path / "data" / "faces"
    assert not (tmp_path / "work").exists()


def test_csv_files_become_folders_with_votes(tmp_path: Path) -> None:
    kaggle(tmp_path / "data", 40)
    faces = faces_folder(tmp_path / "data", tmp_path / "work")
    votes = read_votes(faces)
    assert {
        part.name: len(list(part.glob("*/*.png"))) for part in (faces / "train", faces / "test")
    } == {
        "train": 24,
        "test": 12,
    }
    assert sorted(votes.index) == sorted(
        path.relative_to(faces).as_posix()
        for part in ("train", "test")
        for path in faces.glob(f"{part}/*/*.png")
    )
    # Row 4 of the data is the fourth emotion: sadness, whose levels begin at 75.
    row = votes.loc["train/sad/fer2013-training-00004.png"]
    assert row["sadness"] == 9 and row["anger"] == 1 and row.sum() == 10
    assert read(faces / "train/sad/fer2013-training-00004.png").min() >= 75
    assert list(votes.columns) == list(COLUMNS)
    before = (faces / "votes.csv").stat().st_mtime_ns
    assert faces_folder(tmp_path / "data", tmp_path / "work") == faces
    assert (faces / "votes.csv").stat().st_mtime_ns == before


def test_csv_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    kaggle(tmp_path, 40)
    lines = (tmp_path / "fer2013new.csv").read_text().splitlines()
    (tmp_path / "fer2013new.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(
        DatasetError, match=r"a row for each of the 40 rows of fer2013\.csv, not 39"
    ):
        faces_folder(tmp_path, tmp_path / "work")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    kaggle(tmp_path, 10)
    (tmp_path / "fer2013new.csv").unlink()
    with pytest.raises(DatasetError, match=r"no fer2013new\.csv"):
        faces_folder(tmp_path, tmp_path / "work")


def test_votes_need_every_column(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"votes\.csv: missing"):
        read_votes(tmp_path)
    pd.DataFrame({"path": ["a.png"], "neutral": [1]}).to_csv(tmp_path / "votes.csv", index=False)
    with pytest.raises(DatasetError, match="needs a column happiness"):
        read_votes(tmp_path)
