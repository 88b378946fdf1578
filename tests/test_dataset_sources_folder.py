"""Folders on disk are copied, never moved; the same command again changes nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from happysad.dataset.sources import Imported, import_data
from happysad.errors import ImportDataError, UsageError
from tests.pictures import encoded, folders, photo, save

Snapshot = dict[str, tuple[int, int, bytes]]


def snapshot(folder: Path) -> Snapshot:
    """Return every file's inode, modification time and bytes."""
    return {
        file.relative_to(folder).as_posix(): (
            file.stat().st_ino,
            file.stat().st_mtime_ns,
            file.read_bytes(),
        )
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_a_folder_is_copied_and_left_as_it_was(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs/train", each=3, labels=("happy", "Sadness", "fear")).parent
    folders(source / "test", each=2, labels=("happy",))
    (source / "README.txt").write_text("of a dataset")
    before = snapshot(source)
    imported = import_data(str(source), tmp_path / "new/ours")
    assert imported.counts == {"happy": 5, "sad": 3}
    assert imported.notes == (
        "left out: 4 files of other classes: (no folder) 1, fear 3 (choose classes with --map "
        "THEIRS=OURS)",
    )
    assert snapshot(source) == before
    placed = snapshot(tmp_path / "new/ours")
    assert placed["happy/train-000.png"][2] == before["train/happy/000.png"][2]
    assert placed["sad/train-002.png"][2] == before["train/Sadness/002.png"][2]
    assert {name.partition("/")[0] for name in placed} == {"happy", "sad"}


def test_the_film_of_a_live_photo_is_left_out_with_what_systems_keep(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1)
    save(source / "happy/a.jpg", photo(50))
    for name in ("happy/a.MOV", "sad/film.mov", ".hidden"):
        (source / name).write_bytes(b"a film")
    assert import_data(str(source), tmp_path / "ours").notes == (
        "left out: 1 file that is no picture",
        "left out: 2 files and folders that systems keep beside photos: film of a live photo 1, "
        "hidden 1",
    )


def test_again_changes_nothing_and_brings_what_is_new(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=3)
    save(source / "joy/001.png", photo(50))  # two of that name
    save(source / "joy/002.png", photo(2))  # the same picture as happy's
    first = import_data(str(source), tmp_path / "ours")
    sources = {"happy": {"happy": 3, "joy": 1}, "sad": {"sad": 3}}
    assert first == Imported({"happy": 4, "sad": 3}, sources, ())
    before = snapshot(tmp_path / "ours")
    again = import_data(str(source), tmp_path / "ours")
    assert again == Imported({"happy": 4, "sad": 3}, sources, ("there already: 7 files",))
    assert snapshot(tmp_path / "ours") == before
    save(source / "sad/more.png", photo(60))
    more = import_data(str(source), tmp_path / "ours")
    sources["sad"] = {"sad": 4}
    assert more == Imported({"happy": 4, "sad": 4}, sources, ("there already: 7 files",))
    after = snapshot(tmp_path / "ours")
    assert after.pop("sad/more.png")[2] == encoded(photo(60))
    assert after == before


def test_what_lies_in_dir_is_kept_beside(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1)
    mine = save(tmp_path / "ours/happy/000.png", photo(70))
    save(tmp_path / "ours/other/x.png", photo(71))
    before = snapshot(tmp_path / "ours")
    assert import_data(str(source), tmp_path / "ours").counts == {"happy": 1, "sad": 1}
    after = snapshot(tmp_path / "ours")
    assert {name: after[name] for name in before} == before
    (new,) = set(mine.parent.iterdir()) - {mine}
    assert new.name.startswith("000-")
    assert new.suffix == ".png"
    assert new.read_bytes() == encoded(photo(0))


def test_links_are_followed_once_and_what_is_no_file_is_left_out(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1)
    outside = save(tmp_path / "outside/happy/x.png", photo(80))
    (source / "happy/link.png").symlink_to(outside)
    (source / "happy/dangling.png").symlink_to(tmp_path / "nowhere")
    (source / "happy/folder").symlink_to(outside.parent)
    (source / "happy/round").symlink_to(source)
    os.mkfifo(source / "happy/pipe.png")
    save(source / "happy/.hidden.png", photo(81))
    save(source / ".cache/happy/x.png", photo(82))
    (source / "sad/page.jpg").write_text("<html>")
    imported = import_data(str(source), tmp_path / "ours")
    there = ["happy/000.png", "happy/folder-x.png", "happy/link.png", "sad/000.png"]
    assert sorted(snapshot(tmp_path / "ours")) == there
    assert imported.notes == (
        "left out: 2 files that are links, devices or sparse",
        "left out: 1 file that is no picture",
        "left out: 2 files and folders that systems keep beside photos: hidden 2",
    )


@pytest.mark.parametrize(
    "dir_", ["theirs", "theirs/new", "theirs/happy", "x/../theirs", ".", "way"]
)
def test_source_and_dir_lie_apart(tmp_path: Path, dir_: str) -> None:
    source = folders(tmp_path / "theirs", each=1)
    (tmp_path / "x").mkdir()
    (tmp_path / "way").symlink_to(source / "happy")
    before = snapshot(tmp_path)
    with pytest.raises(UsageError, match="SOURCE and DIR must not contain each other: "):
        import_data(str(source), tmp_path / dir_)
    assert snapshot(tmp_path) == before


def test_the_first_by_name_keeps_a_name_that_many_have(tmp_path: Path) -> None:
    labels = [f"c{number}" for number in range(10)]
    for number in (7, 3, 9, 1, 8, 0, 2, 6, 5, 4):
        save(tmp_path / f"theirs/c{number}/x.png", photo(number))
    mapping = dict.fromkeys(labels, "happy")
    assert (
        import_data(str(tmp_path / "theirs"), tmp_path / "o", mapping=mapping).counts["happy"] == 10
    )
    assert (tmp_path / "o/happy/x.png").read_bytes() == encoded(photo(0))


def test_folders_with_one_beginning_are_apart(tmp_path: Path) -> None:
    source = folders(tmp_path / "data", each=1)
    assert import_data(str(source), tmp_path / "data-2").counts == {"happy": 1, "sad": 1}


def test_sources_that_are_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folders(tmp_path / "here", each=1))
    for source in ("nowhere", "", "x" * 200, "set.zip"):
        with pytest.raises(UsageError, match=f"SOURCE must be .*; {source[:80]}: no such file"):
            import_data(source, tmp_path / "out")
    with pytest.raises(ImportDataError, match=r"x: file name too long; the same command continues"):
        import_data("x" * 5000, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImportDataError, match=r"no class is named happy, .*its classes: none"):
        import_data(str(tmp_path / "empty"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("data", "came"),
    [
        (b"", "an empty file"),
        (b"<!DOCTYPE html><p>", "an HTML page"),
        (encoded(photo(1)), "one png picture"),
        (b"label;pixels\n", "a text that begins with 'label;pixels'"),
        (b"\x7fELF\2\1\1\0\0", r"a file that begins with the bytes 7f 45 4c 46 02 01 01 00"),
        (b"\0" * 1024, "a file that begins with the bytes 00 00 00 00 00 00 00 00"),
    ],
)
def test_a_file_that_is_no_dataset(tmp_path: Path, data: bytes, came: str) -> None:
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(UsageError, match=rf"SOURCE must be .*; .*a\.zip is {came}$"):
        import_data(str(tmp_path / "a.zip"), tmp_path / "out")


def test_dir_that_is_a_file_and_a_label_that_is_one(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=1)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UsageError, match=r"DIR must be a folder: .*file: a file"):
        import_data(str(source), tmp_path / "file")
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/sad").write_text("mine")
    with pytest.raises(
        ImportDataError, match=r"ours/sad.*; 1 file copied before is complete and stays; the same"
    ):
        import_data(str(source), tmp_path / "ours")
    assert (tmp_path / "ours/sad").read_text() == "mine"
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_changes_during_an_import_mixes_no_classes(tmp_path: Path) -> None:
    source = folders(tmp_path / "theirs", each=2)

    def change(_: str) -> None:
        (source / "happy/000.png").unlink()

    with pytest.raises(ImportDataError, match=r"001\.png: the source has changed since it was"):
        import_data(str(source), tmp_path / "ours", say=change)
    assert not (tmp_path / "ours").exists()
