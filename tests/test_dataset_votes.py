"""Votes are read by the photos' pixels; a file that does not fit is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from happysad.dataset.votes import read_votes
from happysad.errors import DatasetError

CLASSES = ("happy", "neither", "sad")
TABLE = pd.DataFrame(
    {
        "path": ["happy/a.png", "happy/copy.png", "sad/b.png", "sad/broken.png", "sad/c.png"],
        "pixels": ["a1", "a1", "b2", "", "c3"],
    }
)


def written(folder: Path, text: str) -> Path:
    file = folder / "votes.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_votes_are_counted_by_photo_in_the_order_of_the_classes(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "path,sad,happy,neither\n"
        "happy/a.png,1,8,1\n"
        "happy/copy.png,0,2,0\n"  # a copy's votes are votes on the same picture
        "sad\\b.png,6,0,4\n"
        "sad/broken.png,1,0,0\n"
        "sad/c.png,0,0,0\n"
        "elsewhere.png,9,9,9\n",
    )
    votes = read_votes(file, TABLE, CLASSES)
    assert votes.left_out == (
        f"{file}: left out: 1 row whose path is no file of these class folders, such as "
        "elsewhere.png"
    )
    counts = [[10, 1, 1], [10, 1, 1], [0, 4, 6], [0, 0, 0], [0, 0, 0]]
    assert votes.counts(TABLE).tolist() == counts
    again = tmp_path / "again.csv"
    votes.write(again, TABLE.drop_duplicates("pixels"))
    assert again.read_text() == "path,happy,neither,sad\nhappy/a.png,10,1,1\nsad/b.png,0,4,6\n"
    same = read_votes(again, TABLE, CLASSES)
    assert (same.counts(TABLE).tolist(), same.left_out) == (counts, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("path,happy,sad\na,1,2\n", "needs the columns path, happy, neither and sad; found path,"),
        ("", "needs the columns path, happy, neither and sad; found none"),
        (
            "path,happy,neither,sad,unknown\nsad/b.png,1,2,3,4\n",
            "its columns must be path, happy, neither and sad, one for each class; found path",
        ),
        ("path,happy,neither,sad\nb.png,1,2,3\n", "none of its paths is a file of the data folder"),
        ("path,happy,neither,sad\nsad/b.png,1,x,3\n", "line 2: neither must be a number of votes"),
        ("path,happy,neither,sad\nsad/b.png,1,-1,3\n", "must be a number of votes, not '-1'"),
        ("path,happy,neither,sad\nsad/b.png,1,nan,3\n", "must be a number of votes, not 'nan'"),
        ("path,happy,neither,sad\nsad/b.png,1,2\n", "sad must be a number of votes, not ''"),
    ],
)
def test_a_file_that_does_not_fit(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DatasetError, match=says) as caught:
        read_votes(written(tmp_path, text), TABLE, CLASSES)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"votes\.csv: no such file"):
        read_votes(tmp_path / "votes.csv", TABLE, CLASSES)
