"""The class folders, and the folders of splits that hold them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from happysad.dataset.class_folders import ClassFolder, class_folders
from happysad.dataset.split_folders import split_of
from happysad.errors import UsageError


def made(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).mkdir(parents=True)
    return root


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("train/happy", "train/sad", "test/happy", "test/sad"), "test and train are splits"),
        (("Training/happy", "Validation/happy", "x/happy"), "Training and Validation are splits"),
        (("train/a", "train/b", "val/a", "val/b", "test/a"), "test, train and val are splits"),
        (("happy", "sad", "test/happy", "test/sad"), "test is a split, not a class"),
        (("train/happy", "train/sad"), r"train is a split.*; name .*/train$"),
        (("train/x/happy", "train/x/sad", "test/x/happy"), "brings the photos together$"),
        (("training_set/happy", "test_set"), "training_set is a split, not a class"),
    ],
)
@pytest.mark.parametrize("classes", [None, ("happy", "sad")])
def test_splits_are_no_classes(
    tmp_path: Path, names: tuple[str, ...], words: str, classes: tuple[str, ...] | None
) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        class_folders(made(tmp_path, *names), classes)
    assert "happysad import" in str(caught.value)


@pytest.mark.parametrize(
    "names", [("train", "car"), ("train/steam", "car/small"), ("test", "train"), ("happy", "test")]
)
def test_a_class_may_have_the_name_of_a_split(tmp_path: Path, names: tuple[str, ...]) -> None:
    tops = sorted({name.split("/")[0] for name in names})
    assert [one.label for one in class_folders(made(tmp_path, *names))] == tops


def test_class_folders_in_folders_of_splits(tmp_path: Path) -> None:
    made(tmp_path, "Train/happy", "Train/sad", "valid/happy", "valid/sad", "valid/anger", "docs")
    found = class_folders(tmp_path, ("happy", "sad"), use_splits=True)
    assert found == [
        ClassFolder("happy", "Train/happy", "train"),
        ClassFolder("happy", "valid/happy", "val"),
        ClassFolder("sad", "Train/sad", "train"),
        ClassFolder("sad", "valid/sad", "val"),
    ]
    with pytest.raises(UsageError, match="needs class folders in train and in val or test; found"):
        class_folders(made(tmp_path / "docs", "happy", "sad"), use_splits=True)


def test_the_only_folder_is_named(tmp_path: Path) -> None:
    made(tmp_path, "archive/happy", "archive/sad")
    with pytest.raises(UsageError, match=r"found archive; name .*archive$"):
        class_folders(tmp_path)
    with pytest.raises(UsageError, match=r"; name .*archive without --use-splits$"):
        class_folders(tmp_path, use_splits=True)


def test_the_only_folder_is_named_with_the_option_that_it_needs(tmp_path: Path) -> None:
    made(tmp_path, "test/train/a", "test/train/b", "test/val/a")
    with pytest.raises(UsageError, match=r"; name .*test with --use-splits$"):
        class_folders(tmp_path)
    with pytest.raises(UsageError, match=r"; name .*test$"):
        class_folders(tmp_path, use_splits=True)


def test_names_are_compared_in_one_form(tmp_path: Path) -> None:
    fröhlich = unicodedata.normalize("NFC", "fröhlich")
    split = unicodedata.normalize("NFD", fröhlich)
    made(tmp_path, split, "traurig")
    for given in (fröhlich, split):
        first, _ = class_folders(tmp_path, (given, "traurig"))
        assert (first.label, (tmp_path / first.path).is_dir()) == (fröhlich, True)


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("Training_set", "train"),
        ("valid", "val"),
        ("PublicTest", "val"),
        ("PrivateTest", "test"),
        ("test-images", "test"),
        ("happy", None),
        ("dataset", None),
    ],
)
def test_a_split_by_its_name(folder: str, split: str | None) -> None:
    assert split_of(folder) == split
