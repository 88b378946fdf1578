"""After a kill at any step, the same call or its undo leaves every file in exactly one place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from happysad.errors import MoveError
from happysad.moves import Done, How, Journal, Step

# In a process of one thread, which may fork: a child is ended at each call in turn of a function
# that touches files; then another child makes the same call, or undoes it, to the end.
_PROGRAM = """
import errno, os, shutil, sys
from itertools import count
from pathlib import Path
from happysad.moves import Journal, Step

first, then, how, far = sys.argv[1:5]
root = Path(sys.argv[5])

def steps(home):
    return [Step(how, home / f"{n}.jpg", f"happy/{n}.jpg") for n in range(3)]

def call(what, home, away):
    journal = Journal(away, "sorted")
    journal.undo() if what == "undo" else journal.carry_out(steps(home))

def child(work):
    if not (process := os.fork()):
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

def patched(left):
    def counted(function):
        def called(*arguments, **options):
            nonlocal left
            if left == 0:
                os._exit(9)
            left -= 1
            return function(*arguments, **options)
        return called

    for name in ("rename", "replace", "unlink", "symlink", "rmdir", "mkdir", "fsync"):
        setattr(os, name, counted(getattr(os, name)))
    for name in ("copyfile", "copystat"):
        setattr(shutil, name, counted(getattr(shutil, name)))

def two_disks():
    rename = os.rename
    def refuse(source, target, **options):
        if ("home" in str(source)) != ("home" in str(target)):
            raise OSError(errno.EXDEV, "Invalid cross-device link", str(source))
        return rename(source, target, **options)
    os.rename = refuse

def check(home, away):
    for n in range(3):
        source, target = home / f"{n}.jpg", away / "happy" / f"{n}.jpg"
        content = f"photo {n}"
        if then == "undo":
            assert source.read_text() == content, source
            assert not os.path.lexists(target), target
        else:
            assert target.read_text() == content, target
            assert os.path.lexists(source) == (how != "move"), source
    hidden = [p for p in root.rglob(".*")]
    assert not hidden, hidden
    if then == "undo":
        assert not [p for p in away.rglob("*") if os.path.lexists(p) and not p.is_dir()]

if far == "far":
    two_disks()
for number in count():
    home, away = root / f"{number}" / "home", root / f"{number}" / "away"
    home.mkdir(parents=True)
    for n in range(3):
        (home / f"{n}.jpg").write_text(f"photo {n}")
    if first == "undo":
        call("carry out", home, away)
    killed = child(lambda: (patched(number), call(first, home, away)))
    assert killed in (0, 9), killed
    if then != "undo" or Journal(away, "sorted").exists or killed == 9 and away.exists():
        assert child(lambda: call(then, home, away)) == 0
    check(home, away)
    shutil.rmtree(home.parent)
    if killed == 0:
        break
print(number)
"""


@pytest.mark.parametrize("far", ["near", "far"])
@pytest.mark.parametrize("how", ["link", "copy", "move"])
@pytest.mark.parametrize(
    ("first", "then"), [("carry out", "carry out"), ("carry out", "undo"), ("undo", "undo")]
)
def test_a_kill_at_any_step_leaves_every_file_in_one_place(
    tmp_path: Path, first: str, then: str, how: How, far: str
) -> None:
    command = [sys.executable, "-c", _PROGRAM, first, then, how, far, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert int(done.stdout) > 5  # steps at which it was killed


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


@pytest.mark.parametrize("text", ["", "a,b\n", "how,from,to,bytes,modified\nmove,a\n"])
def test_a_damaged_journal_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sorted-1.csv").write_text(text)
    with pytest.raises(MoveError, match=r"sorted-1\.csv"):
        Journal(tmp_path, "sorted").undo()


def test_a_list_of_the_users_is_left(tmp_path: Path) -> None:
    (tmp_path / "sorted-by-me.csv").write_text("mine")
    journal = Journal(tmp_path, "sorted")
    assert not journal.exists
