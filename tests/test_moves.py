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
    journal = Journal(tmp_path / "to", "sorted", report=said.append)
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
    journal = Journal(tmp_path / "to", "quarantine")
    step = Step("move", link, "a.jpg")
    assert journal.carry_out([step]) == Done(0, 1)
    assert journal.carry_out([step], links=True) == Done(1, 0)
    assert (tmp_path / "to" / "a.jpg").readlink() == Path("nowhere")
    assert journal.undo() == Done(1, 0)
    assert link.readlink() == Path("nowhere")


def test_the_reason_stands_in_the_journal(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_text("photo")
    Journal(tmp_path / "to", "quarantine").carry_out([Step("move", photo, "a.jpg", "blurry")])
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
    assert Journal(folder, "sorted").undo() == Done(2, 0)
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
