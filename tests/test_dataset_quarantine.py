"""Left-out files are moved on request, and can be moved back; nothing is ever overwritten."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from happysad.dataset.check import check
from happysad.dataset.manifest import Manifest
from happysad.dataset.quarantine import quarantine, restore
from happysad.errors import MoveError, UsageError
from happysad.moves import Done
from tests.file_tree import tree
from tests.pictures import folders, photo, save

LIST = "quarantine-1.csv"
BAD = ("happy/deep/text.jpg", "happy/twice.png", "sad/broken.png", "sad/text.jpg")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    data = folders(tmp_path / "data", each=5)
    (data / "happy" / "deep").mkdir()
    (data / "happy" / "deep" / "text.jpg").write_text("not an image")
    (data / "sad" / "text.jpg").write_text("not an image either")
    (data / "sad" / "broken.png").symlink_to("nowhere")
    shutil.copy(data / "happy" / "000.png", data / "happy" / "twice.png")
    return check(data, tmp_path / "out", quality=False).manifest


def test_there_and_back(manifest: Manifest, tmp_path: Path) -> None:
    before = tree(manifest.root)
    away = tmp_path / "away"
    assert quarantine(manifest, away) == Done(len(BAD), 0)
    assert set(tree(away)) == {*BAD, LIST}
    assert set(tree(manifest.root)) == set(before) - set(BAD)
    assert "not an image" in (away / LIST).read_text()
    assert restore(away) == Done(len(BAD), 0)
    assert tree(manifest.root) == before
    assert not away.exists()


def test_across_file_systems(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.rename", refuse)
    test_there_and_back(manifest, tmp_path)


def test_what_is_there_is_not_overwritten(manifest: Manifest, tmp_path: Path) -> None:
    away = tmp_path / "away"
    (away / "sad").mkdir(parents=True)
    (away / "sad" / "text.jpg").write_text("mine")
    quarantine(manifest, away)
    assert (away / "sad" / "text.jpg").read_text() == "mine"
    assert (away / "sad" / "text (2).jpg").read_text() == "not an image either"
    (manifest.root / "sad" / "text.jpg").write_text("a new one")
    said: list[str] = []
    assert restore(away, report=said.append) == Done(len(BAD) - 1, 1)
    assert "sad/text (2).jpg: stays, since" in said[0]
    assert (manifest.root / "sad" / "text.jpg").read_text() == "a new one"
    (manifest.root / "sad" / "text.jpg").unlink()
    assert restore(away) == Done(1, 0)
    assert (manifest.root / "sad" / "text.jpg").read_text() == "not an image either"
    assert set(tree(away)) == {"sad/text.jpg"}


def test_a_second_quarantine_adds_to_the_list(manifest: Manifest, tmp_path: Path) -> None:
    before = tree(manifest.root)
    away = tmp_path / "away"
    quarantine(manifest, away)
    (manifest.root / "sad" / "text.jpg").write_text("another")
    again = check(manifest.root, tmp_path / "out2", quality=False).manifest
    assert quarantine(again, away) == Done(1, 0)
    assert restore(away) == Done(len(BAD), 1)  # the first text.jpg, whose old place is taken again
    (manifest.root / "sad" / "text.jpg").unlink()
    assert restore(away) == Done(1, 0)
    assert set(tree(manifest.root)) == set(before)


def test_files_that_changed_or_went_stay(manifest: Manifest, tmp_path: Path) -> None:
    save(manifest.root / "sad" / "text.jpg", photo(50))
    (manifest.root / "happy" / "twice.png").unlink()
    said: list[str] = []
    assert quarantine(manifest, tmp_path / "away", report=said.append) == Done(2, 2)
    assert said == [
        "happy/twice.png: no such file",
        "sad/text.jpg: the file has changed since it was checked",
    ]
    assert (manifest.root / "sad" / "text.jpg").exists()


@pytest.mark.parametrize("folder", [".", "away", "sad/away", "..", "../data"])
def test_a_quarantine_in_the_data_is_refused(manifest: Manifest, folder: str) -> None:
    with pytest.raises(UsageError, match="must neither contain"):
        quarantine(manifest, manifest.root / folder)


@pytest.mark.parametrize("text", ["", "a,b\n", "from,to,reason\nx\n"])
def test_a_damaged_list_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "quarantine.csv").write_text(text)
    with pytest.raises(MoveError, match=r"quarantine\.csv"):
        restore(tmp_path)


def test_a_folder_without_a_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to restore"):
        restore(tmp_path)


def test_a_quarantine_of_0_1_0_is_restored(tmp_path: Path) -> None:
    """Kills of 0.1.0 have left one file half copied to another disk, and one half copied back."""
    home, away = tmp_path / "data", tmp_path / "away"
    (away / "sad").mkdir(parents=True)
    (home / "sad").mkdir(parents=True)
    names = ["moved.jpg", "half.jpg", "back.jpg", "never.jpg"]
    rows = [f"{home / 'sad' / name},sad/{name},not an image" for name in names]
    (away / "quarantine.csv").write_text("\n".join(["from,to,reason", *rows]) + "\n")
    (away / "sad" / "moved.jpg").write_bytes(b"moved")
    (home / "sad" / "half.jpg").write_bytes(b"whole")
    (away / "sad" / "half.jpg").write_bytes(b"wh")
    (home / "sad" / "back.jpg").write_bytes(b"ba")
    (away / "sad" / "back.jpg").write_bytes(b"back")
    (home / "sad" / "never.jpg").write_bytes(b"never")
    assert restore(away, home) == Done(3, 0)
    assert tree(home) == {
        "sad/moved.jpg": b"moved",
        "sad/half.jpg": b"whole",
        "sad/back.jpg": b"back",
        "sad/never.jpg": b"never",
    }
    assert not away.exists()


def test_a_list_of_0_1_0_with_odd_names_is_restored(tmp_path: Path) -> None:
    """0.1.0 wrote this list, except for the folder's name, with the CR of Icon\\r unquoted."""
    names = [b"Icon\r", b"\xff.jpg", b"a, b.jpg", b'q"q.jpg', b"line\nbreak.jpg", b"\xc3\xa9.jpg"]
    text = (
        b"from,to,reason\n"
        b'DATA/sad/Icon\r,sad/Icon\r,"not an image, but text"\n'
        b'DATA/sad/\xff.jpg,sad/\xff.jpg,"not an image, but text"\n'
        b'"DATA/sad/a, b.jpg","sad/a, b.jpg","not an image, but text"\n'
        b'"DATA/sad/q""q.jpg","sad/q""q.jpg","not an image, but text"\n'
        b'"DATA/sad/line\nbreak.jpg","sad/line\nbreak.jpg","not an image, but text"\n'
        b"DATA/sad/\xc3\xa9.jpg,sad/\xc3\xa9.jpg,truncated\n"
    )
    home, away = tmp_path / "data", tmp_path / "away"
    (away / "sad").mkdir(parents=True)
    for name in names:
        (away / "sad" / os.fsdecode(name)).write_bytes(name)
    (away / "quarantine.csv").write_bytes(text.replace(b"DATA", os.fsencode(home)))
    assert restore(away, home) == Done(len(names), 0)
    assert {os.fsencode(file.name) for file in (home / "sad").iterdir()} == set(names)
    assert not away.exists()


def test_a_file_that_may_not_be_looked_at_costs_no_other(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def refuse(file: Path, **options: Any) -> os.stat_result:
        if str(file) == str(manifest.root / "happy" / "twice.png"):
            raise PermissionError(errno.EACCES, "Permission denied", str(file))
        return real(file, **options)

    said: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", refuse)  # which Path.lstat calls
        assert quarantine(manifest, tmp_path / "away", report=said.append) == Done(3, 1)
    assert said == ["happy/twice.png: permission denied"]
