"""Left-out files move on request, and come back; nothing is ever overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from happysad.dataset.check import CheckSettings, check
from happysad.dataset.manifest import Manifest
from happysad.dataset.quarantine import LIST, Moved, quarantine, restore
from happysad.errors import DatasetError, UsageError
from tests.pictures import folders, photo, save

BAD = ("happy/deep/text.jpg", "happy/twice.png", "sad/broken.png", "sad/text.jpg")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    data = folders(tmp_path / "data", each=5)
    (data / "happy" / "deep").mkdir()
    (data / "happy" / "deep" / "text.jpg").write_text("not an image")
    (data / "sad" / "text.jpg").write_text("not an image either")
    (data / "sad" / "broken.png").symlink_to("nowhere")
    shutil.copy(data / "happy" / "000.png", data / "happy" / "twice.png")
    return check(data, tmp_path / "out", CheckSettings(quality=False)).manifest


def tree(folder: Path) -> dict[str, bytes | str]:
    return {
        path.relative_to(folder).as_posix(): (
            str(path.readlink()) if path.is_symlink() else path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_there_and_back(manifest: Manifest, tmp_path: Path) -> None:
    before = tree(manifest.root)
    away = tmp_path / "away"
    assert quarantine(manifest, away) == Moved(len(BAD), ())
    assert set(tree(away)) == {*BAD, LIST}
    assert set(tree(manifest.root)) == set(before) - set(BAD)
    assert "not an image" in (away / LIST).read_text()
    assert restore(away) == Moved(len(BAD), ())
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
    moved = restore(away)
    assert moved.done == len(BAD) - 1
    assert [path for path, _ in moved.failed] == ["sad/text (2).jpg"]
    assert (manifest.root / "sad" / "text.jpg").read_text() == "a new one"
    (manifest.root / "sad" / "text.jpg").unlink()
    assert restore(away) == Moved(1, ())
    assert (manifest.root / "sad" / "text.jpg").read_text() == "not an image either"
    assert set(tree(away)) == {"sad/text.jpg"}


@pytest.mark.parametrize("moves", range(5))
def test_a_kill_in_between_loses_nothing(
    manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    before = tree(manifest.root)
    done = 0
    move = shutil.move

    def stop(source: Path, target: Path) -> None:
        nonlocal done
        if done == moves:
            raise KeyboardInterrupt
        done += 1
        move(source, target)

    away = tmp_path / "away"
    monkeypatch.setattr("shutil.move", stop)
    if moves < len(BAD):
        with pytest.raises(KeyboardInterrupt):
            quarantine(manifest, away)
    else:
        quarantine(manifest, away)
    monkeypatch.undo()
    assert restore(away) == Moved(moves, ())
    assert tree(manifest.root) == before


def test_a_second_quarantine_adds_to_the_list(manifest: Manifest, tmp_path: Path) -> None:
    before = tree(manifest.root)
    away = tmp_path / "away"
    quarantine(manifest, away)
    (manifest.root / "sad" / "text.jpg").write_text("another")
    again = check(manifest.root, tmp_path / "out2", CheckSettings(quality=False)).manifest
    assert quarantine(again, away) == Moved(1, ())
    moved = restore(away)
    assert moved.done == len(BAD)
    assert [path for path, _ in moved.failed] == ["sad/text (2).jpg"]
    assert tree(manifest.root) == before


def test_files_that_changed_or_went_stay(manifest: Manifest, tmp_path: Path) -> None:
    save(manifest.root / "sad" / "text.jpg", photo(50))
    (manifest.root / "happy" / "twice.png").unlink()
    moved = quarantine(manifest, tmp_path / "away")
    assert moved == Moved(
        2,
        (
            ("happy/twice.png", "no such file"),
            ("sad/text.jpg", "the file has changed since it was checked"),
        ),
    )
    assert (manifest.root / "sad" / "text.jpg").exists()


@pytest.mark.parametrize("folder", [".", "away", "sad/away", "..", "../data"])
def test_a_quarantine_in_the_data_is_refused(manifest: Manifest, folder: str) -> None:
    with pytest.raises(UsageError, match="must lie apart"):
        quarantine(manifest, manifest.root / folder)


@pytest.mark.parametrize("text", [None, "", "a,b\n", "from,to,reason\nx\n"])
def test_what_is_no_quarantine_is_refused(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / LIST).write_text(text)
    with pytest.raises(DatasetError, match=LIST):
        restore(tmp_path)
