"""happysad report: what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from happysad.batch.shards import predict
from happysad.paths import expand
from tests.classifiers import brightness_classifier
from tests.command_line import run_command
from tests.pictures import photo, save


@pytest.fixture(autouse=True)
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results of three photos."""
    monkeypatch.chdir(tmp_path)
    for number in range(3):
        save(Path("photos", f"{number}.png"), photo(number, 8, 8))
    model = brightness_classifier(Path("model.onnx"))
    predict(expand("photos"), Path("out"), sources=["photos"], model=model, format="csv")


def report(*arguments: str) -> tuple[int, list[str]]:
    """The exit status, and the lines of standard output followed by those of standard error."""
    done = run_command("report", *arguments)
    return done.status, (done.stdout + done.stderr).decode().splitlines()


def test_it_sorts_by_links_and_says_how_to_undo_what_was_done() -> None:
    undoes = "happysad report --undo sorted undoes it"
    put = ["3 photos were put into sorted (link)", undoes]
    assert report("out", "--sort-into", "sorted") == (0, ["report: out/report.html", *put])
    assert len([file for file in Path("sorted").rglob("*.png") if file.is_symlink()]) == 3
    status, said = report("out", "--sort-into", "sorted")
    assert (status, said[1:]) == (0, ["0 photos were put into sorted (link)"])
    assert report("--undo", "sorted") == (0, ["3 photos of sorted are as they were"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["out", "--by", "move"], "--by move goes with --sort-into FOLDER"),
        (["--undo", "sorted", "--by", "link"], "--by link goes with --sort-into FOLDER"),
        (["out", "--undo", "sorted"], "--undo FOLDER takes no other folder"),
        ([], "report needs RESULTS"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str], said: str) -> None:
    status, [line] = report(*arguments)
    assert status == 2
    assert said in line
    assert not Path("out", "report.html").exists()


def test_a_damaged_part_ends_it_before_anything_is_sorted() -> None:
    (part,) = Path("out", "photos").iterdir()
    part.write_bytes(part.read_bytes()[:-9])
    status, [line] = report("out", "--sort-into", "sorted")
    assert status == 1
    assert "damaged" in line
    assert not Path("sorted").exists()
