"""What systems keep beside photos is left out, and links to folders are followed once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from happysad.dataset.scan import scan
from happysad.dataset.sources import import_data
from happysad.folder_walk import LIVE_FILM, LeftOut, Walk, first_left_out, walk
from happysad.paths import expand
from tests.command_line import run_command
from tests.pictures import encoded, photo, save

BESIDE = (
    "@eaDir/a.jpg/SYNOPHOTO_THUMB_M.jpg",
    "#recycle/a.jpg",
    "@Recycle/a.jpg",
    ".stversions/a.jpg",
    "__MACOSX/._a.jpg",
    "$RECYCLE.BIN/a.jpg",
    "._a.jpg",
    "Thumbs.db",
    "Desktop.ini",
    "a.AAE",
    "a.jpg.supplemental-metadata.json",
    "a.jpg.xmp",
)


def library(folder: Path) -> Path:
    """Write one photo into a folder, and beside it what systems keep there."""
    for name in BESIDE:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encoded(photo(1)))
    save(folder / "a.jpg", photo(2))
    return folder


@pytest.mark.parametrize("name", BESIDE)
def test_what_systems_keep_beside_photos(name: str) -> None:
    assert first_left_out(("happy", *name.split("/"))) is not None


@pytest.mark.parametrize("name", ["a.jpg", "json", "recycle/a.jpg", "thumbs/a.jpg", "x.json/a.jpg"])
def test_other_names_are_kept(name: str) -> None:
    assert first_left_out(name.split("/")) is None


def test_every_command_leaves_out_the_same(tmp_path: Path) -> None:
    happy = library(tmp_path / "data" / "happy")
    sad = library(tmp_path / "data" / "sad")
    left_out = LeftOut()
    assert list(walk(str(happy), left_out=left_out)) == [str(happy / "a.jpg")]
    assert left_out.total() == len(BESIDE)
    scanned = scan(tmp_path / "data", quality=False)
    assert scanned.table["path"].tolist() == ["happy/a.jpg", "sad/a.jpg"]
    assert scanned.beside.total() == 2 * len(BESIDE)
    imported = import_data(str(tmp_path / "data"), tmp_path / "ours")
    assert imported.counts == {"happy": 1, "sad": 1}
    assert imported.notes == (scanned.beside.line,)
    for out in ([], ["--out", str(tmp_path / "results"), "--csv"]):
        done = run_command("predict", str(sad), *out)
        lines = done.stderr.decode().splitlines()
        assert (done.status, lines[:2]) == (0, ["1 photo", left_out.line])


def test_a_glob_leaves_out_what_its_wildcards_match(tmp_path: Path) -> None:
    nas = library(tmp_path)
    for pattern in ("*", "**", "*.*"):
        done = run_command("predict", "--csv", str(nas / pattern))
        [line] = done.lines[1:]
        assert str(nas / "a.jpg") in line
    assert len(run_command("predict", nas / "Thumbs.db", "--csv").lines) == 2  # it is named itself


@pytest.mark.parametrize("ordered", [True, False])
def test_a_linked_folder_is_read_once(tmp_path: Path, ordered: bool) -> None:
    root, away = tmp_path / "photos", tmp_path / "away"
    for name in ("2021/a.jpg", ".trash/x.jpg"):
        save(root / name, photo(1))
    save(away / "b.jpg", photo(2))
    save(away / "deep" / "c.jpg", photo(3))
    for name, target in {
        "2020": away,
        "2022": away,  # the first link is followed
        "again": root / "2021",  # read under its own path
        "2021/loop": root,
        "2021/up": tmp_path,  # contains the link
        "deep": away / "deep",  # read below 2020
        "trash": root / ".trash",  # left out itself, but its link is not
    }.items():
        (root / name).symlink_to(target)
    (away / "back").symlink_to(root)
    found = ["2021/a.jpg", "2020/b.jpg", "2020/deep/c.jpg", "trash/x.jpg"]
    files = Walk(ordered=ordered).files(str(root))
    assert [os.path.relpath(path, root) for path in files] == found


def test_linked_class_folders(tmp_path: Path) -> None:
    for name in ("happy", "sad"):
        save(tmp_path / "away" / name / "a.png", photo(1 + len(name)))
        (tmp_path / "classes").mkdir(exist_ok=True)
        (tmp_path / "classes" / name).symlink_to(tmp_path / "away" / name)
    assert scan(tmp_path / "classes").table["path"].tolist() == ["happy/a.png", "sad/a.png"]
    imported = import_data(str(tmp_path / "classes"), tmp_path / "ours")
    assert imported.counts == {"happy": 1, "sad": 1}


def test_the_film_of_a_live_photo_is_no_photo_of_its_own(tmp_path: Path) -> None:
    films = {"a.MOV", "b.mp4", "d.MP"}
    kept = ["a.HEIC", "alone.MOV", "b.jpg", "c.mov", "c.png", "d.MP.jpg"]
    for name in (*kept, *films):
        (tmp_path / name).write_bytes(b"")
    left_out = LeftOut()
    assert [Path(path).name for path in walk(str(tmp_path), left_out=left_out)] == kept
    assert left_out == {LIVE_FILM: len(films)}
    assert sorted(Path(path).name for path in expand(str(tmp_path / "*"))) == kept
    assert list(expand(str(tmp_path / "a.MOV"))) == [str(tmp_path / "a.MOV")]


@pytest.mark.parametrize("out", [[], ["--out", "results", "--csv"]])
def test_a_shell_may_name_the_film_of_a_live_photo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    save(Path("a.jpg"), photo(2))
    Path("a.MOV").write_bytes(b"a film")
    done = run_command("predict", "a.MOV", "a.jpg", *out)
    assert done.status == 0
    line = "left out: 1 file or folder that systems keep beside photos: film of a live photo 1"
    assert done.stderr.decode().splitlines()[-1] == line
