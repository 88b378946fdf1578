"""happysad predict --out and happysad report: what they print, and what they refuse."""

from __future__ import annotations

import importlib.util
import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from happysad.batch.library import predict as write_results
from happysad.batch.results import Results
from happysad.paths import expand
from tests.classifiers import brightness_classifier
from tests.command_line import run_command
from tests.pictures import encoded, photo, save


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ten photos in a working folder of their own, and a classifier."""
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        save(Path("photos", f"{number}.png"), photo(number, 8, 8))
    return ["--model", str(brightness_classifier(tmp_path / "model.onnx"))]


def predict(*arguments: str, stdin: str | bytes = "") -> tuple[int, str]:
    """Return the exit status, and standard output followed by standard error."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    done = run_command("predict", *arguments, stdin=given)
    return done.status, (done.stdout + done.stderr).decode()


def refused(*arguments: str, stdin: bytes = b"") -> str:
    """Return the one line that a wrong call prints."""
    done = run_command(*arguments, stdin=stdin)
    assert (done.status, done.stdout) == (2, b"")
    [line] = done.stderr.decode().splitlines()
    return line


def test_it_says_what_there_is_and_the_same_again_does_nothing(given: list[str]) -> None:
    status, said = predict("photos", "--out", "out", *given)
    assert status == 0
    assert said.splitlines()[-3:] == [
        "          10  photos, 10 of them predicted now",
        "results: out",
        "10 photos",
    ]
    status, said = predict("photos", "--out", "out", *given)
    assert status == 0
    assert "10  photos, 0 of them predicted now" in said
    assert json.loads(Path("out", "library.json").read_text())["sources"] == ["photos"]


def test_a_photo_that_cannot_be_read_makes_the_status_1(given: list[str]) -> None:
    Path("photos", "bad.png").write_text("no picture")
    for _ in range(2):  # the status is about the results, not about this call
        status, said = predict("photos", "--out", "out", "--csv", *given)
        assert status == 1
        assert "           1  unreadable" in said
    assert len(list(Path("out", "photos").glob("part-*.csv"))) == 1


def test_a_list_on_standard_input(given: list[str]) -> None:
    listed = "photos/3.png\nphotos/[12].png\n\nphotos/3.png\n"
    assert predict("-", "--out", "out", "--jsonl", *given, stdin=listed)[0] == 0
    rows = Results.open(Path("out")).photos()
    assert [row["path"] for row in rows] == [f"photos/{number}.png" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["photos", "--out", "out", "--rows", "face"], "combined with --draw or --rows face"),
        (["photos", "--out", "out", "--draw", "a.png"], "combined with --draw or --rows face"),
        (["photos", "--out", "out", "--faces", "given"], "whole photos"),
        (["photos", "--out", "photos"], "contains 0.png and no results"),
        (["photos", "--shard", "5"], "--shard needs --out"),
        (["photos", "--retry-errors"], "--retry-errors needs --out"),
        (["-", "--out", "out"], "standard input is empty"),
        (
            ["photos", "--out", "s3://bucket/results"],
            "--out must be a folder on this machine, not s3://bucket/results",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: list[str], arguments: list[str], said: str
) -> None:
    assert said in refused("predict", *arguments, *given)
    assert len(list(Path("photos").iterdir())) == 10
    assert not Path("s3:").exists()


@pytest.mark.parametrize(
    "arguments", [["s3://b/r"], ["out", "--sort-into", "s3://b/r"], ["--undo", "s3://b/r"]]
)
def test_a_report_is_of_this_machine(arguments: list[str]) -> None:
    assert "must be a folder on this machine, not s3://b/r" in refused("report", *arguments)


@pytest.mark.parametrize("name", ["BMW/1.png", "GIF89a/1.png"])
def test_a_list_may_begin_as_a_photo_does(given: list[str], name: str) -> None:
    save(Path(name), photo(0, 8, 8))
    assert predict("-", "--out", "out", "--csv", *given, stdin=f"{name}\n")[0] == 0
    assert [row["path"] for row in Results.open(Path("out")).photos()] == [name]
    status, said = predict("-", "--json", *given, stdin=f"{name}\n")
    assert (status, json.loads(said)["path"]) == (0, name)


@pytest.mark.parametrize(
    ("stdin", "said"),
    [
        (encoded(photo(0, 8, 8)), "not a photo or NULs"),
        (encoded(photo(0, 8, 8), "bmp"), "not a photo or NULs"),
        (b"photos/1.png\0photos/2.png\0", "not a photo or NULs"),
        (b"photos/1.png\n" * 1000 + b"photos/2.png\0", "one path per line, not NULs"),
    ],
)
def test_what_is_no_list_is_refused(given: list[str], stdin: bytes, said: str) -> None:
    assert said in refused("predict", "-", "--out", "out", "--csv", *given, stdin=stdin)
    assert not list(Path("out").glob("photos/*"))


def test_no_line_ends_a_list(given: list[str]) -> None:
    names = ["foo://bar/2.png", "memory://none/", "photos/1.png", *["photos/2.png"] * 1000]
    stdin = "".join(f"{name}\n" for name in names)
    assert predict("-", "--out", "out", "--csv", *given, stdin=stdin)[0] == 1
    rows = list(Results.open(Path("out")).photos())
    assert [row["path"] for row in rows] == [*names[:3], "photos/2.png"]
    assert [bool(row["error"]) for row in rows] == [True, True, False, False]


def test_a_source_is_the_same_however_it_is_written(given: list[str]) -> None:
    assert predict("photos", "--out", "out", "--csv", *given)[0] == 0
    for forms in (["photos/"], ["photos", "./photos", "photos//"]):
        assert (
            "10  photos, 0 of them predicted now"
            in predict(*forms, "--out", "out", "--csv", *given)[1]
        )
    line = refused("predict", "photos/*", "--out", "out", "--csv", *given)
    assert "photos of photos, not photos/*" in line


def test_a_glob_takes_no_results_in(given: list[str]) -> None:
    for there in (10, 0):
        said = predict("photos/**", "--out", "photos/out", "--csv", *given)[1]
        assert f"10  photos, {there} of them predicted now" in said


def test_without_the_extra_one_line_says_what_to_install(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "pyarrow" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    line = refused("predict", "photos", "--out", "out", *given)
    assert line.endswith('pip install "happysad[scale]"')
    assert not Path("out").exists()
    assert predict("photos", "--out", "out", "--csv", *given)[0] == 0  # these need no extra


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of three photos, in a working folder of their own."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        save(Path("photos", f"{number}.png"), photo(number, 8, 8))
    model = brightness_classifier(Path("model.onnx"))
    write_results(expand("photos"), Path("out"), sources=["photos"], model=model, format="csv")


def report(*arguments: str) -> tuple[int, list[str]]:
    """Return the exit status, and the lines of standard output and then of standard error."""
    done = run_command("report", *arguments)
    return done.status, (done.stdout + done.stderr).decode().splitlines()


@pytest.mark.usefixtures("results")
def test_it_sorts_by_links_and_says_how_to_undo_what_was_done() -> None:
    undoes = "happysad report --undo sorted undoes it"
    put = ["put into sorted: 3 photos (link)", undoes]
    assert report("out", "--sort-into", "sorted") == (0, ["report: out/report.html", *put])
    assert len([file for file in Path("sorted").rglob("*.png") if file.is_symlink()]) == 3
    status, said = report("out", "--sort-into", "sorted")
    assert (status, said[1:]) == (0, ["put into sorted: 0 photos (link)"])
    assert report("--undo", "sorted") == (0, ["undone: 3 photos of sorted"])


@pytest.mark.usefixtures("results")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out", "--by", "move"], "--by move needs --sort-into FOLDER"),
        (["--undo", "sorted", "--by", "link"], "--by link needs --sort-into FOLDER"),
        (["out", "--undo", "sorted"], "--undo FOLDER takes no other folder"),
        ([], "report needs RESULTS"),
    ],
)
def test_what_a_report_does_not_take_is_refused(arguments: list[str], said: str) -> None:
    status, [line] = report(*arguments)
    assert status == 2
    assert said in line
    assert not Path("out", "report.html").exists()


@pytest.mark.usefixtures("results")
def test_a_damaged_part_ends_it_before_anything_is_sorted() -> None:
    (part,) = Path("out", "photos").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    status, [line] = report("out", "--sort-into", "sorted")
    assert status == 1
    assert "damaged" in line
    assert not Path("sorted").exists()
