from __future__ import annotations

import importlib.util
import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from happysad.cli import app
from happysad.errors import UsageError
from happysad.library.results import Results
from tests.classifiers import brightness_classifier
from tests.pictures import photo, save


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ten photos in a working folder of their own, and a classifier."""
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        save(Path("photos", f"{number}.png"), photo(number, 8, 8))
    return ["--model", str(brightness_classifier(tmp_path / "model.onnx"))]


def predict(*arguments: str, stdin: str = "") -> tuple[int, str]:
    done = CliRunner().invoke(app, ["predict", *arguments], input=stdin)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


def test_it_says_what_there_is_and_the_same_again_does_nothing(given: list[str]) -> None:
    status, said = predict("photos", "--out", "out", *given)
    assert status == 0
    assert said.splitlines()[-2:] == ["          10  photos, 10 of them now", "results: out"]
    status, said = predict("photos", "--out", "out", *given)
    assert status == 0
    assert "10  photos, 0 of them now" in said
    assert json.loads(Path("out", "library.json").read_text())["sources"] == ["photos"]


def test_a_photo_that_cannot_be_read_makes_the_status_1(given: list[str]) -> None:
    Path("photos", "bad.png").write_text("no picture")
    for _ in range(2):  # it is said of the results, not of this call
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
        (["photos", "--out", "out", "--faces", "each"], "neither --draw nor --faces each"),
        (["photos", "--out", "out", "--draw", "a.png"], "neither --draw nor --faces each"),
        (["photos", "--out", "out", "--faces", "off"], "faces off is for a classifier that looks"),
        (["photos", "--out", "photos"], "holds 0.png and no results"),
        (["photos", "--shard", "5"], "--shard goes with --out"),
        (["-", "--out", "out"], "nothing came"),
    ],
)
def test_what_does_not_go_together_is_refused(
    given: list[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        predict(*arguments, *given)
    assert len(list(Path("photos").iterdir())) == 10


def test_without_the_extra_one_line_says_what_to_install(
    given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "pyarrow" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    with pytest.raises(UsageError, match=r"pip install \"happysad\[scale\]\"$"):
        predict("photos", "--out", "out", *given)
    assert not Path("out").exists()
    assert predict("photos", "--out", "out", "--csv", *given)[0] == 0  # these need no extra
