"""Which class folder a source's class gets, and which mappings are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from happysad.dataset.sources import import_data
from happysad.dataset.sources.class_map import DEFAULT, OTHERS, ClassMap
from happysad.errors import ImportDataError, UsageError
from happysad.predictions import RESERVED
from tests.pictures import folders


@pytest.mark.parametrize(
    ("name", "label"),
    [
        *DEFAULT.items(),
        ("HAPPY", "happy"),
        (" Sad ", "sad"),
        ("unhappy", None),
        ("happy faces", None),
        ("", None),
        ("3", None),
    ],
)
def test_the_classes_that_are_placed_where_nothing_is_said(name: str, label: str | None) -> None:
    assert ClassMap().folder_of(name) == ClassMap({}).folder_of(name) == label


def test_a_mapping_replaces_the_default_whatever_the_case_or_the_accents_form() -> None:
    classes = ClassMap({"Fröhlich": "happy", "3": "happy"})
    assert classes.folder_of("FRO\u0308HLICH") == "happy"
    assert classes.folder_of("joy") is None
    assert classes.folder_of("joy", "3") == "happy"


LABELS = [
    ("happy", True),
    ("very happy", True),
    ("glücklich", True),
    ("a.b-c_d", True),
    ("7", True),
    ("x" * 64, True),
    # a class is the name of one folder, not a path
    ("../happy", False),
    ("..", False),
    (".", False),
    ("", False),
    ("/happy", False),
    ("happy/anna", False),
    ("happy\\anna", False),
    ("C:", False),
    ("C:happy", False),
    (".happy", False),
    ("happy.", False),
    ("happy ", False),
    (" happy", False),
    ("-happy", False),
    ("happy\n", False),
    ("hap\0py", False),
    ("hap\npy", False),
    ("happy*", False),
    ("x" * 65, False),
]


@pytest.mark.parametrize("label", RESERVED)
def test_a_label_is_none_of_what_answers_say_beside_the_classes(label: str) -> None:
    with pytest.raises(UsageError, match=f"^--map joy: no class may be named {label}, a reserved"):
        ClassMap({"joy": label})


@pytest.mark.parametrize(("label", "allowed"), LABELS)
def test_a_label_is_one_folders_name(tmp_path: Path, label: str, allowed: bool) -> None:
    source = folders(tmp_path / "theirs", each=1)
    if allowed:
        imported = import_data(str(source), tmp_path / "ours", mapping={"happy": label})
        assert imported.counts == {label: 1}
        assert (tmp_path / "ours" / label / "000.png").is_file()
        return
    with pytest.raises(UsageError, match="--map happy: a class folder's name must be") as caught:
        import_data(str(source), tmp_path / "ours", mapping={"happy": label})
    assert len(str(caught.value).splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"joy": "happy"}, "--map joy=happy: .*theirs has no class of that name; its classes: hap"),
        ({"happy": "happy", "joy": "happy"}, "--map joy=happy: .* no class"),
        ({"happy": "a", "HAPPY": "b"}, "--map gives HAPPY two class folders: a, b"),
        ({"": "happy"}, "--map must be THEIRS=OURS, such as joy=happy, not '=happy'"),
        ({" ": "happy"}, "--map must be THEIRS=OURS"),
    ],
)
def test_mappings_that_are_refused(tmp_path: Path, mapping: dict[str, str], message: str) -> None:
    source = folders(tmp_path / "theirs", each=1)
    with pytest.raises(UsageError, match=message):
        import_data(str(source), tmp_path / "ours", mapping=mapping)
    assert not (tmp_path / "ours").exists()


def test_one_class_twice_with_one_label_is_fine(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1)
    both = {"happy": "good", "Happy": "good"}
    assert import_data(str(source), tmp_path / "ours", mapping=both).counts == {"good": 1}


def test_a_source_without_the_default_classes_is_named_with_its_own(tmp_path: Path) -> None:
    labels = tuple(f"class {number:02}" for number in range(25))
    source = folders(tmp_path / "theirs", each=1, labels=labels)
    with pytest.raises(
        ImportDataError, match=r"its classes: class 00, .*class 19, …; choose with --map THEIRS"
    ):
        import_data(str(source), tmp_path / "ours")


def test_chosen_class_folders_are_filled_by_name_or_by_the_mapping(tmp_path: Path) -> None:
    labels = ("Happiness", "sad", "neutral", "anger")
    source = str(folders(tmp_path / "theirs", each=1, labels=labels))
    chosen = ("happy", "sad", "neutral")
    imported = import_data(source, tmp_path / "ours", classes=chosen)
    assert imported.counts == {"happy": 1, "neutral": 1, "sad": 1}
    chosen = ("happy", "sad", "neither")
    mapping = {"neutral": "neither", "anger": "neither"}
    imported = import_data(source, tmp_path / "mapped", classes=chosen, mapping=mapping)
    assert imported.counts == {"happy": 1, "neither": 2, "sad": 1}


@pytest.mark.parametrize("name", OTHERS)
def test_other_emotions_are_neither_only_where_asked_for(name: str) -> None:
    assert ClassMap(neither=True).folder_of(name.upper()) == "neither"
    assert ClassMap(neither=True).folder_of("Joy") == "happy"
    assert ClassMap().folder_of(name) is None


def test_neither_takes_only_what_no_other_folder_takes(tmp_path: Path) -> None:
    labels = ("happiness", "sad", "Neutral", "anger", "fear", "confused")
    source = str(folders(tmp_path / "theirs", each=2, labels=labels))
    imported = import_data(
        source,
        tmp_path / "ours",
        classes=("happy", "sad", "fear"),
        mapping={"anger": "sad", "confused": "neither"},
        neither=True,
    )
    assert imported.sources == {
        "fear": {"fear": 2},
        "happy": {"happiness": 2},
        "neither": {"Neutral": 2, "confused": 2},
        "sad": {"anger": 2},
    }


@pytest.mark.parametrize(
    ("chosen", "mapping", "error", "words"),
    [
        (("happy", "neither"), {}, ImportDataError, "no class is named neither; .*THEIRS=neither"),
        (("happy", "sad"), {"joy": "glad"}, UsageError, "one of --classes happy,sad, not 'glad'"),
        (("happy", "../sad"), {}, UsageError, "--classes: a class folder's name must be"),
        (("happy", "unsure"), {}, UsageError, "--classes: no class may be named unsure"),
    ],
)
def test_class_folders_that_cannot_be_filled(
    tmp_path: Path,
    chosen: tuple[str, ...],
    mapping: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    source = str(folders(tmp_path / "theirs", each=1, labels=("joy", "sad")))
    with pytest.raises(error, match=words):
        import_data(source, tmp_path / "ours", classes=chosen, mapping=mapping)
    assert not (tmp_path / "ours").exists()


def test_neither_cannot_be_filled(tmp_path: Path) -> None:
    source = str(folders(tmp_path / "theirs", each=1))
    with pytest.raises(
        ImportDataError, match=r"no class is named neither, neutral, .*THEIRS=neither"
    ):
        import_data(source, tmp_path / "ours", neither=True)
    assert not (tmp_path / "ours").exists()


def test_one_default_class_is_enough(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1, labels=("joy", "anger"))
    assert import_data(str(source), tmp_path / "ours").counts == {"happy": 1}


def test_a_sources_names_keep_to_one_line_and_move_no_cursor(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1, labels=("a\nb\x1b[2J\x9b", "y" * 200))
    with pytest.raises(
        ImportDataError, match=r"its classes: a\\nb\\x1b\[2J\\x9b, y{39}…y{40}; "
    ) as caught:
        import_data(str(source), tmp_path / "ours")
    assert str(caught.value).isprintable()
    folders(source, each=1)
    (note,) = import_data(str(source), tmp_path / "ours").notes
    assert note.isprintable()
    assert r"a\nb\x1b[2J\x9b 1, y" in note
