"""`happysad import`: exit status 0, 1 or 2, and one line on standard error unless it is 0."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from tests.command_line import Done, run_command
from tests.pictures import encoded, folders, photo


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with sources in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folders(tmp_path / "set", each=2)
    with zipfile.ZipFile("set.zip", "w") as made:
        made.writestr("happy/x.png", encoded(photo(1)))
        made.writestr("sad/x.png", encoded(photo(2)))
    Path("cut.zip").write_bytes(Path("set.zip").read_bytes()[:-9])
    Path("text.zip").write_text("hello")
    Path("row.csv").write_text("emotion,pixels\n3,1 2 3\n")
    Path("none.csv").write_text("emotion,pixels\n")
    Path("full/sad").mkdir(parents=True)
    Path("full/happy").write_text("mine")
    return tmp_path


CALLS = [
    # a wrong call
    (["nowhere", "x"], 2, "; nowhere: no such file"),
    (["", "x"], 2, ": no such file"),
    (["text.zip", "x"], 2, "; text.zip is a text that begins with 'hello'"),
    (["set", "set"], 2, "SOURCE and DIR must not contain each other: set, set"),
    (["set", "set/new"], 2, "SOURCE and DIR must not contain each other: set, set/new"),
    (["set", "set.zip"], 2, "DIR must be a folder: set.zip: a file"),
    (["set", "x", "--map", "happy"], 2, "--map must be THEIRS=OURS"),
    (["set", "x", "--map", "happy=a", "--map", "happy=b"], 2, "not 'happy=b'"),
    (["set", "x", "--map", "happy=a", "--map", "HAPPY=b"], 2, "HAPPY two class folders: a, b"),
    (["set", "x", "--map", "happy=../y"], 2, "a class folder's name must be letters"),
    (["set", "x", "--map", "joy=happy"], 2, "--map joy=happy: set has no class of that name"),
    (["set.zip", "x", "--sha256", "00"], 2, "--sha256 is for http(s) and Google Drive links"),
    (["http://localhost/x", "x", "--sha256", "00"], 2, "--sha256 must be 64 hex digits, not '00'"),
    (["ftp://localhost/x", "x"], 2, "a link must begin with http:// or https://"),
    (["hf:a", "x"], 2, "a Hugging Face dataset must be hf:OWNER/NAME, not hf:a"),
    (["hf:a/b", "x"], 2, 'pip install "happysad[huggingface]"'),
    # failed work
    (["cut.zip", "x"], 1, "cut.zip: damaged, or not an archive: "),
    (["row.csv", "x"], 1, "row.csv, line 2: pixels must be 2,304 numbers, not 3"),
    (["none.csv", "x"], 1, "none.csv: no picture of a wanted class"),
    (["set", "full"], 1, "full/happy: file exists; the same command continues"),
]


@pytest.mark.parametrize(("arguments", "status", "message"), CALLS)
def test_a_call_that_fails_ends_in_one_line(
    here: Path, arguments: list[str], status: int, message: str
) -> None:
    before = sorted(here.rglob("*"))
    done = run_command("import", *arguments)
    found = done.stdout.startswith(b"Found ")  # the error came while the pictures were copied
    assert (done.status, done.stdout.count(b"\n")) == (status, int(found))
    assert found == (arguments in (["row.csv", "x"], ["set", "full"]))
    err = done.stderr.decode()
    assert err.startswith("happysad: ")
    assert message in err
    assert err.count("\n") == 1
    assert err.endswith("\n")
    assert sorted(here.rglob("*")) == before


def test_the_same_command_again(here: Path) -> None:
    call = ["import", "set.zip", "out", "--map", "happy=good", "--map", "sad=bad"]
    found = b"Found 2 photos: 1 bad, 1 good.\n"
    lines = b"       1  bad (from sad 1)\n       1  good (from happy 1)\n"
    assert run_command(*call) == Done(0, found + lines, b"")
    done = run_command(*call)
    assert (done.status, done.stderr) == (0, b"")
    assert done.lines[-1] == "there already: 2 files"
    assert (here / "out/good/x.png").read_bytes() == encoded(photo(1))


def test_what_became_what(here: Path) -> None:
    folders(here / "more", each=2, labels=("happy", "sadness", "anger", "neutral", "bored"))
    done = run_command("import", "more", "out", "--neither")
    assert (done.status, done.stderr) == (0, b"")
    assert done.lines == [
        "Found 8 photos: 2 happy, 4 neither, 2 sad; 2 other files.",
        "       2  happy",
        "       4  neither (from anger 2, neutral 2)",
        "       2  sad (from sadness 2)",
        "left out: 2 files of other classes: bored 2 (choose classes with --map THEIRS=OURS)",
    ]


@pytest.mark.parametrize("source", ["set", "set.zip", "faces.csv"])
def test_a_dry_run_writes_nothing(here: Path, source: str) -> None:
    row = " ".join(["7"] * 48 * 48)
    Path("faces.csv").write_text(f"emotion,pixels\n3,{row}\n4,{row}\n0,{row}\n")
    before = sorted(here.rglob("*"))
    done = run_command("import", source, "new", "--dry-run")
    assert (done.status, done.stderr) == (0, b"")
    found, happy, sad, *_, last = done.lines
    each = 2 if source == "set" else 1
    others = "; 1 other file" if source == "faces.csv" else ""
    assert found == f"Found {2 * each} photos: {each} happy, {each} sad{others}."
    assert (happy, sad) == (f"       {each}  happy", f"       {each}  sad")
    assert last == "nothing was written to new (--dry-run)"
    assert sorted(here.rglob("*")) == before
    written = run_command("import", source, "new").lines
    assert written == done.lines[:-1]


def test_class_folders_in_folders_of_splits(here: Path) -> None:
    for split, each in (("train", 3), ("Validation", 1), ("test", 2)):
        folders(here / "fer" / split, each=each)
    done = run_command("import", "fer", "out")
    assert done.lines == [
        "Found 12 photos: 6 happy, 6 sad.",
        "They lie in folders of splits, which are merged: Validation 2, test 4, train 6.",
        "       6  happy",
        "       6  sad",
    ]
    names = sorted(file.name for file in here.glob("out/happy/*"))
    assert names == [f"{name}.png" for name in NAMES]


NAMES = ("Validation-000", "test-000", "test-001", "train-000", "train-001", "train-002")
