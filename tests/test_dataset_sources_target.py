"""Pictures in class folders: nothing is overwritten, copied twice or written half."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from happysad.dataset.sources.target import Target
from happysad.errors import ImportDataError


def test_one_name_with_two_contents_gets_two_names(tmp_path: Path) -> None:
    placed = Target(tmp_path)
    for _ in range(2):
        for data in (b"one", b"two", b"three"):
            placed.write("happy", "x.png", data, theirs="joy")
    assert (tmp_path / "happy/x.png").read_bytes() == b"one"
    others = {file.name: file.read_bytes() for file in tmp_path.glob("happy/x-*")}
    assert sorted(others.values()) == [b"three", b"two"]
    assert all(len(name) == len("x-0123456789abcdef.png") for name in others)
    assert placed.counts == {"happy": 3}
    assert placed.sources == {"happy": {"joy": 3}}
    assert placed.notes == ()
    assert placed.so_far == "; 3 files copied before are complete and stay"


@pytest.mark.parametrize("dangling", [True, False])
def test_nothing_is_written_through_a_link_of_mine(tmp_path: Path, dangling: bool) -> None:
    outside = tmp_path / "outside.png"
    if not dangling:
        outside.write_bytes(b"mine")
    (tmp_path / "out/happy").mkdir(parents=True)
    (tmp_path / "out/happy/x.png").symlink_to(outside)
    Target(tmp_path / "out").write("happy", "x.png", b"new", theirs="joy")
    assert (tmp_path / "out/happy/x.png").is_symlink()
    assert outside.exists() is not dangling
    assert [file.read_bytes() for file in tmp_path.glob("out/happy/x-*")] == [b"new"]
    if not dangling:
        assert outside.read_bytes() == b"mine"


def test_a_folder_has_the_name(tmp_path: Path) -> None:
    (tmp_path / "happy/x.png").mkdir(parents=True)
    Target(tmp_path).write("happy", "x.png", b"new", theirs="joy")
    assert [file.read_bytes() for file in tmp_path.glob("happy/x-*")] == [b"new"]


def test_both_names_are_taken(tmp_path: Path) -> None:
    placed = Target(tmp_path)
    placed.write("happy", "x.png", b"one", theirs="joy")
    placed.write("happy", "x.png", b"two", theirs="joy")
    (second,) = tmp_path.glob("happy/x-*")
    second.write_bytes(b"mine")
    with pytest.raises(ImportDataError, match=f"x.png: this name and {second.name} are both taken"):
        placed.write("happy", "x.png", b"two", theirs="joy")
    assert second.read_bytes() == b"mine"


@pytest.mark.parametrize(
    "name", ["x" * 300, "é" * 200 + ".png", "x" * 176 + ".png", "." + "y" * 300]
)
def test_the_longest_names_fit_twice(tmp_path: Path, name: str) -> None:
    placed = Target(tmp_path)
    placed.write("happy", name, b"one", theirs="joy")
    placed.write("happy", name, b"two", theirs="joy")
    placed.write("happy", "b" + name, b"one", theirs="joy")
    assert placed.counts == {"happy": 3}


def test_a_stop_while_writing_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: Path, data: bytes) -> int:
        with file.open("wb") as opened:
            opened.write(data[:2])
        raise OSError(28, os.strerror(28), str(file))

    placed = Target(tmp_path)
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        placed.write("happy", "x.png", b"whole", theirs="joy")
    assert list((tmp_path / "happy").iterdir()) == []
    assert placed.counts == {}


def test_many_other_classes_are_cut_short(tmp_path: Path) -> None:
    placed = Target(tmp_path)
    for number in range(1300):
        placed.leave_out_class(f"c{number % 13:02}")
    (note,) = placed.notes
    assert note.startswith("left out: 1,300 files of other classes: c00 100, c01 100, ")
    assert "c11 100, … (choose" in note


def test_nothing_is_made_before_something_is_placed(tmp_path: Path) -> None:
    placed = Target(tmp_path / "out")
    placed.leave_out("that is hidden", "that are hidden")
    placed.note("more")
    assert placed.notes == ("left out: 1 file that is hidden", "more")
    assert placed.so_far == ""
    assert not (tmp_path / "out").exists()
