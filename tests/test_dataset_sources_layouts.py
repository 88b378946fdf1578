"""Folders of pictures whose names tell their classes, and the folders of splits."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from happysad.dataset.sources import import_data
from happysad.dataset.sources.class_map import ClassMap
from happysad.dataset.sources.layouts import ClassNames
from happysad.dataset.split_folders import split_folder
from happysad.errors import ImportDataError, UsageError
from tests.pictures import encoded, photo, save

NAMES = [
    ("happy_001.jpg", "happy"),
    ("001-sad.png", "sad"),
    ("happy001.jpg", "happy"),
    ("HAPPY (3).JPEG", "happy"),
    ("IMG_Sad.2.webp", "sad"),
    ("HappyFace2.jpg", "happy"),
    ("anna.sadness.left.tiff", "sad"),
    ("subject01.happy", "happy"),  # the Yale faces have no extension
    ("happy happy.gif", "happy"),
    # other words
    ("unhappy_001.jpg", None),
    ("happyface.jpg", None),
    ("saddle.jpg", None),
    ("001.jpg", None),
    ("angry_001.jpg", None),
    # unclear
    ("happy_sad_1.jpg", None),
    ("happy_angry.jpg", None),
    ("not_happy_3.jpg", None),
    ("non-sad.jpg", None),
]


@pytest.mark.parametrize(("name", "folder"), NAMES)
def test_the_class_in_a_name(name: str, folder: str | None) -> None:
    place = ClassNames(ClassMap()).find(("set", name))
    assert (place.class_folder if place else None) == folder
    assert place is None or place.name == f"set-{name}"


def test_names_of_other_classes() -> None:
    names = ClassNames(ClassMap({"very good": "happy", "traurig": "sad"}))
    found = {name: names.find((name,)) for name in ("VeryGood1.jpg", "traurig.jpg", "good.jpg")}
    assert [place and place.class_folder for place in found.values()] == ["happy", "sad", None]
    neutral = ClassNames(ClassMap(neither=True)).find(("neutral-3.png",))
    assert neutral is not None
    assert (neutral.class_folder, neutral.theirs) == ("neither", "neutral")


FILES = ("happy_001.png", "more/001-sad.png", "angry_1.png", "2.png", "not_sad.png", "LICENSE")


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_of_pictures_named_by_class(tmp_path: Path, packed: bool) -> None:
    source = tmp_path / "set"
    for number, name in enumerate(FILES[:-1]):
        save(source / name, photo(number))
    save(source / "sad_text.png", photo(9)).write_text("no picture")
    (source / "LICENSE").write_text("free")
    if packed:
        with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
            for file in sorted(source.rglob("*.*")):
                archive.write(file, file.relative_to(source))
            archive.write(source / "LICENSE", "LICENSE")
        source = tmp_path / "set.zip"
    said: list[str] = []
    imported = import_data(str(source), tmp_path / "out", say=said.append)
    assert said == [
        "Found 2 photos: 1 happy, 1 sad; 5 other files.",
        "The classes are guessed from the names of the files: happy_001.png is happy, 001-sad.png "
        "is sad.",
    ]
    assert imported.counts == {"happy": 1, "sad": 1}
    assert imported.notes == (
        "left out: 1 file that is no picture",
        "left out: 3 files whose names tell no class, or several",
        "left out: 1 file of other classes: angry 1 (choose classes with --map THEIRS=OURS)",
    )
    assert (tmp_path / "out/happy/happy_001.png").read_bytes() == encoded(photo(0))
    assert (tmp_path / "out/sad/more-001-sad.png").read_bytes() == encoded(photo(1))


def test_few_names_with_a_class_are_no_guess(tmp_path: Path) -> None:
    for number, name in enumerate(("happy_1", "2", "3")):
        save(tmp_path / f"set/{name}.png", photo(number))
    with pytest.raises(ImportDataError, match=r"no class is named happy, .*; its classes: none"):
        import_data(str(tmp_path / "set"), tmp_path / "out")
    with pytest.raises(UsageError, match=r"--map good=happy: .* has no class of that name"):
        import_data(str(tmp_path / "set"), tmp_path / "out", mapping={"good": "happy"})
    assert not (tmp_path / "out").exists()


def test_class_folders_go_before_names(tmp_path: Path) -> None:
    save(tmp_path / "set/happy/sad_1.png", photo(1))
    save(tmp_path / "set/sad_2.png", photo(2))
    assert import_data(str(tmp_path / "set"), tmp_path / "out").counts == {"happy": 1}


@pytest.mark.parametrize(
    ("folders", "split"),
    [
        ("fer/train/happy", "train"),
        ("fer/happy/Validation", "Validation"),
        ("valid/happy", "valid"),
        ("test/train/happy", "train"),
        ("fer/trained/happy", ""),
        ("happy", ""),
    ],
)
def test_the_folder_of_a_split(folders: str, split: str) -> None:
    assert split_folder(folders.split("/")) == split
