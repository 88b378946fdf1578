"""After a kill at any step, the same call or its undo leaves each file in exactly one place."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from happysad.errors import MoveError
from happysad.moves import Done, Journal, Step
from tests.file_tree import tree


@pytest.mark.parametrize(
    ("user", "how", "disks", "first", "then"),
    [
        *[
            ("journal", how, disks, first, then)
            for how, disks in [
                ("link", "one"),
                ("copy", "one"),
                ("move", "one"),
                ("move", "simulated"),
            ]
            for first, then in [("do", "do"), ("do", "undo"), ("undo", "undo")]
        ],
        ("journal", "move", "two", "do", "undo"),
        ("quarantine", "move", "simulated", "do", "do"),
        ("quarantine", "move", "simulated", "do", "undo"),
        ("old", "move", "simulated", "undo", "undo"),  # with the list of 0.1.0
    ],
)
def test_a_kill_at_any_step_leaves_every_file_in_one_place(
    tmp_path: Path, memory: Path, user: str, how: str, disks: str, first: str, then: str
) -> None:
    if disks == "two" and tmp_path.stat().st_dev == memory.stat().st_dev:
        pytest.skip("needs /dev/shm on another disk than the temporary files")
    known = "simulated" if disks == "simulated" else "as they are"
    folders = [str((tmp_path if disks == "two" else memory) / "home"), str(memory / "away")]
    done = subprocess.run(
        [sys.executable, "-m", "tests.move_kills", user, how, first, then, known, *folders],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[1],
    )
    assert done.stderr == ""
    assert int(done.stdout) > 8  # the number of calls at which it was killed


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo in a data folder."""
    file = tmp_path / "photos" / "a.jpg"
    file.parent.mkdir()
    file.write_text("photo")
    return file


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, which is fast and another disk, if the system has such a folder."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    photo, taken = tmp_path / "a.jpg", tmp_path / "to" / "happy" / "a.jpg"
    taken.parent.mkdir(parents=True)
    photo.write_text("photo")
    taken.write_text("mine")
    said: list[str] = []
    journal = Journal(tmp_path / "to", "sorted", roots=[tmp_path], report=said.append)
    assert journal.carry_out([Step("move", photo, "happy/a.jpg")]) == Done(0, 1)
    assert said == [f"{photo}: {taken} already exists"]
    assert (photo.read_text(), taken.read_text()) == ("photo", "mine")


@pytest.mark.parametrize("far", [False, True])
def test_links_move_as_links_where_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, far: bool
) -> None:
    if far:

        def refuse(*_: object) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr("os.rename", refuse)
    link = tmp_path / "a.jpg"
    link.symlink_to("nowhere")
    journal = Journal(tmp_path / "to", "quarantine", roots=[tmp_path])
    step = Step("move", link, "a.jpg")
    assert journal.carry_out([step]) == Done(0, 1)
    assert journal.carry_out([step], links=True) == Done(1, 0)
    assert (tmp_path / "to" / "a.jpg").readlink() == Path("nowhere")
    assert journal.undo() == Done(1, 0)
    assert link.readlink() == Path("nowhere")


def test_the_reason_stands_in_the_journal(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_text("photo")
    journal = Journal(tmp_path / "to", "quarantine", roots=[tmp_path])
    journal.carry_out([Step("move", photo, "a.jpg", "blurry")])
    assert '"blurry"' in (tmp_path / "to" / "quarantine-1.csv").read_text()


def test_a_list_of_0_1_0_is_undone(tmp_path: Path) -> None:
    """sorted-N.csv without the column `reason`."""
    folder = tmp_path / "sorted"
    (folder / "sad").mkdir(parents=True)
    (folder / "sad" / "a.jpg").write_text("photo")
    (folder / "sad" / "b.jpg").symlink_to(tmp_path / "b.jpg")
    rows = [
        '"how","from","to","bytes","modified"',
        f'"move","{tmp_path / "photos" / "a.jpg"}","sad/a.jpg","5","0"',
        f'"link","{tmp_path / "b.jpg"}","sad/b.jpg","5","0"',
    ]
    (folder / "sorted-1.csv").write_text("\n".join(rows) + "\n")
    assert Journal(folder, "sorted", roots=[tmp_path]).undo() == Done(2, 0)
    assert (tmp_path / "photos" / "a.jpg").read_text() == "photo"
    assert list(folder.iterdir()) == []


_HEADER_OF_0_1_0 = "how,from,to,bytes,modified\n"


@pytest.mark.parametrize(
    "text", ["", "a,b\n", f"{_HEADER_OF_0_1_0}move,a\n", f"{_HEADER_OF_0_1_0}delete,/a,b,1,2\n"]
)
def test_a_damaged_journal_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sorted-1.csv").write_text(text)
    with pytest.raises(MoveError, match=r"sorted-1\.csv"):
        Journal(tmp_path, "sorted").undo()


def test_a_list_of_the_users_is_left(tmp_path: Path) -> None:
    for name in ("sorted-by-me.csv", "sorted.csv"):
        (tmp_path / name).write_text("mine")
    assert not Journal(tmp_path, "sorted").exists


def test_a_copy_of_a_link_holds_what_the_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("photo")
    link = tmp_path / "link.jpg"
    link.symlink_to("a.jpg")
    journal = Journal(tmp_path / "to", "sorted")
    steps = [Step("copy", link, "happy/link.jpg")]
    assert journal.carry_out(steps) == Done(1, 0)
    copy = tmp_path / "to" / "happy" / "link.jpg"
    assert (copy.read_text(), copy.is_symlink()) == ("photo", False)
    assert journal.carry_out(steps) == Done(0, 0)
    assert journal.undo() == Done(1, 0)
    assert not copy.exists()


def test_half_a_move_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    """A link was moved halfway between two disks; meanwhile a photo has taken its place."""
    mine, photo, away = tmp_path / "mine.jpg", tmp_path / "a.jpg", tmp_path / "away"
    mine.write_text("mine")
    photo.write_text("photo")
    away.mkdir()
    (away / f".happysad-{sha256(b'a.jpg').hexdigest()[:16]}").symlink_to(mine)
    assert Journal(away, "sorted").carry_out([Step("copy", photo, "a.jpg")]) == Done(1, 0)
    assert mine.read_text() == "mine"
    assert (away / "a.jpg").read_text() == "photo"
    assert not [file for file in away.iterdir() if file.is_symlink()]


HOSTILE = [
    # how, from, to: all outside of the folder or of the named root
    ("move", "home/.ssh/authorized_keys", "payload"),
    ("move", "photos/../home/.ssh/authorized_keys", "payload"),
    ("move", "link/authorized_keys", "payload"),
    ("move", "photos/stolen", "../home/key"),
    ("move", "photos/stolen", "ABSOLUTE/home/key"),
    ("move", "photos/stolen", "linked/key"),
    ("copy", "photos/a.jpg", "../home/copy.jpg"),
    ("link", "photos/a.jpg", "../home/link.jpg"),
]


@pytest.mark.parametrize(
    ("version", "how", "source", "target"),
    [
        *(("now", *row) for row in HOSTILE),
        *(("0.1.0", *row) for row in HOSTILE if row[0] == "move"),
    ],
)
def test_a_list_of_somebody_else_reaches_nothing_outside(
    tmp_path: Path, version: str, how: str, source: str, target: str
) -> None:
    home, photos, away = (tmp_path / name for name in ("home", "photos", "away"))
    for folder in (home / ".ssh", photos, away):
        folder.mkdir(parents=True)
    for file in (home / "key", home / "copy.jpg", photos / "a.jpg", away / "payload"):
        file.write_text("mine")
    (home / "link.jpg").symlink_to(photos / "a.jpg")
    (tmp_path / "link").symlink_to(home / ".ssh")
    (away / "linked").symlink_to(home)
    os.utime(home / "copy.jpg", ns=(0, 0))
    name = "quarantine.csv" if version == "0.1.0" else "quarantine-1.csv"
    place = target.replace("ABSOLUTE", str(tmp_path))
    row = [str(tmp_path / source), place, "why"]
    header = "from,to,reason"
    if version == "now":
        row, header = [how, *row[:2], "4", "0", "why"], "how,from,to,bytes,modified,reason"
    (away / name).write_text(f"{header}\n{','.join(row)}\n")
    before = tree(tmp_path)
    said: list[str] = []
    for roots in ([photos], []):
        journal = Journal(
            away, "quarantine", roots=roots, former="quarantine.csv", report=said.append
        )
        undone = journal.undo()
        assert (undone, undone.outside) == (Done(0, 1), 1)
    after = {path: to for path, to in tree(tmp_path).items() if not path.endswith(".csv")}
    assert after == {path: to for path, to in before.items() if not path.endswith(".csv")}
    assert all("lies outside of" in line for line in said)
    assert journal.exists


def test_nothing_is_put_behind_a_link_in_the_folder(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "to").mkdir()
    (tmp_path / "else").mkdir()
    (tmp_path / "to" / "happy").symlink_to(tmp_path / "else")
    said: list[str] = []
    journal = Journal(tmp_path / "to", "sorted", roots=[photo.parent], report=said.append)
    steps = [Step("move", photo, "happy/a.jpg"), Step("move", photo, "../a.jpg")]
    assert journal.carry_out(steps) == Done(0, 2)
    assert all(f"lies outside of {tmp_path / 'to'}" in line for line in said)
    assert photo.exists()


def test_only_files_below_the_named_folders_are_moved(tmp_path: Path) -> None:
    photo = tmp_path / "other" / "a.jpg"
    photo.parent.mkdir()
    photo.write_text("photo")
    journal = Journal(tmp_path / "to", "sorted", roots=[tmp_path / "photos"])
    assert journal.carry_out([Step("move", photo, "happy/a.jpg")]) == Done(0, 1)
    assert photo.exists()


def test_without_the_note_the_folder_must_be_named(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a move to another machine."""
    journal = Journal(tmp_path / "to", "sorted", roots=[photo.parent])
    journal.carry_out([Step("move", photo, "happy/a.jpg")])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
    assert Journal(tmp_path / "to", "sorted").undo() == Done(0, 1)
    assert Journal(tmp_path / "to", "sorted", roots=[photo.parent]).undo() == Done(1, 0)
    assert photo.read_text() == "photo"


def test_a_state_folder_that_cannot_be_written_costs_nothing_else(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(photo))
    journal = Journal(tmp_path / "to", "sorted", roots=[photo.parent])
    assert journal.carry_out([Step("move", photo, "happy/a.jpg")]) == Done(1, 0)
    assert journal.undo() == Done(1, 0)


def test_an_edited_copy_with_the_same_time_stays(tmp_path: Path) -> None:
    photo, copy = tmp_path / "a.jpg", tmp_path / "to" / "happy" / "a.jpg"
    photo.write_text("photo")
    journal = Journal(tmp_path / "to", "sorted")
    journal.carry_out([Step("copy", photo, "happy/a.jpg")])
    copy.write_text("other")
    os.utime(copy, ns=(0, photo.stat().st_mtime_ns))
    assert journal.undo() == Done(0, 1)
    assert copy.read_text() == "other"


def test_a_copy_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    def spoiled(source: Path, target: Path, **_: bool) -> None:
        target.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr("os.rename", refuse)
    monkeypatch.setattr("shutil.copyfile", spoiled)
    photo = tmp_path / "a.jpg"
    photo.write_text("photo")
    said: list[str] = []
    journal = Journal(tmp_path / "to", "sorted", roots=[tmp_path], report=said.append)
    assert journal.carry_out([Step("move", photo, "happy/a.jpg")]) == Done(0, 1)
    assert said == [f"{photo}: the copy differs from the file"]
    assert photo.read_text() == "photo"
    assert list((tmp_path / "to" / "happy").iterdir()) == []


def test_links_are_known_again_on_windows(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readlink = Path.readlink
    monkeypatch.setattr(Path, "readlink", lambda link: Path(rf"\\?\{readlink(link)}"))
    journal = Journal(tmp_path / "to", "sorted")
    steps = [Step("link", photo, "happy/a.jpg")]
    assert journal.carry_out(steps) == Done(1, 0)
    assert journal.carry_out(steps) == Done(0, 0)
    assert journal.undo() == Done(1, 0)
