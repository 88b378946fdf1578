"""Face crops are cut once, and read again as they were."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from happysad.dataset.drawn_faces import face
from recipes.face.packed_faces import Faces, packed, person
from tests.made_up_faces import kaggle, random_faces
from tests.pictures import save


@pytest.mark.parametrize("seen", [None, np.arange(5) > 2])
def test_faces_are_written_and_read(tmp_path: Path, seen: np.ndarray | None) -> None:
    faces = replace(random_faces(5), seen=seen)
    faces.write(tmp_path / "faces.npz")
    found = Faces.read(tmp_path / "faces.npz")
    for one in fields(Faces):
        np.testing.assert_array_equal(getattr(found, one.name), getattr(faces, one.name))
    some = faces.rows(np.arange(5) > 3)
    assert len(some) == 1 and (some.images[0] == faces.images[4]).all()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ann_Lee_0003.jpg", "Ann_Lee"),
        ("london_017_08.jpg", "london_017"),
        ("canada_003f.jpg", "canada_003f"),
    ],
)
def test_a_person_is_the_name_without_its_number(name: str, expected: str) -> None:
    assert person(Path(name)) == expected


def test_faces_of_fer2013_have_their_votes(tmp_path: Path) -> None:
    kaggle(tmp_path, 200)
    train, val, test = (packed(name, tmp_path, tmp_path) for name in ("train", "val", "test"))
    assert train is not None and val is not None and test is not None
    assert len(train) + len(val) == 120 and len(val) > 5 and len(test) == 60
    assert not set(train.groups) & set(val.groups)
    assert (test.votes.sum(axis=1) == 10).all() and test.voted.all()
    assert test.seen is not None and len(test.seen) == 60
    sad = test.folders == "sad"
    assert (test.votes[sad, 3] == 9).all() and sad.any()


def test_photos_are_searched_for_faces(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    for label in ("happy", "sad"):
        for number in range(2):
            file = tmp_path / "colour" / "studio" / label / f"london_00{number}_08.png"
            save(file, face(label, rng, 200))
    save(tmp_path / "colour" / "studio" / "sad" / "empty_01.png", np.zeros((64, 64, 3), np.uint8))
    found = packed("studio", tmp_path, tmp_path)
    assert found is not None
    assert found.images.shape[1:] == (48, 48, 1)
    assert set(found.groups) <= {"london_000", "london_001"}
    assert len(found) + len(found.missing) == 5 and "sad" in found.missing
    assert not found.voted.any()
    again = packed("studio-anew", tmp_path, tmp_path)
    assert again is not None and len(again) == len(found)
    assert packed("portraits", tmp_path, tmp_path) is None
    assert capsys.readouterr().out.splitlines() == [
        f"{tmp_path / 'portraits'}: missing; the recipe continues without it"
    ]
