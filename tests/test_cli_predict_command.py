"""happysad predict: its arguments, and the output of its predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from happysad.predictions import flat_columns
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.command_line import Done, run_command
from tests.pictures import save
from tests.static_server import served


@pytest.fixture(autouse=True)
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos in a working folder of their own."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"dark": 100, "grey": 128, "white": 200}.items():
        save(Path("photos", f"{name}.png"), np.full((8, 8, 3), value, np.uint8))
    return tmp_path / "photos"


@pytest.fixture
def web(photos: Path) -> Iterator[str]:
    with served(photos) as address:
        yield address


@pytest.fixture
def model() -> list[str]:
    return ["--model", str(brightness_classifier(Path("model.onnx"), unsure=(0.3, 0.7)))]


def predict(*arguments: str) -> Done:
    return run_command("predict", *arguments)


def rows(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in predict(*arguments, "--json").lines]


def refused(*arguments: str) -> str:
    """Return the one line that a wrong call prints."""
    done = predict(*arguments)
    assert (done.status, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    return line


def test_an_unsure_answer_says_what_it_leans_to(model: list[str]) -> None:
    done = predict("photos", *model)
    assert done.status == 0
    header, *lines, counts = done.lines
    assert header.split() == ["answer", "photo"]
    assert [line.split("  ")[0] for line in lines] == [
        "happy 94 %",
        "unsure, leans happy 50 %",
        "sad 99.9 %",
    ]
    assert counts == "1 happy, 1 sad, 1 unsure"


def test_a_classifier_of_three_classes(tmp_path: Path) -> None:
    model = ["--model", str(three_class_classifier(tmp_path / "three.onnx"))]
    classes = ["happy", "neither", "sad"]
    found = rows("photos", *model)
    assert [row["label"] for row in found] == classes
    assert [list(row["probabilities"]) for row in found] == [classes] * 3
    flat = list(csv.DictReader(predict("photos", "--csv", *model).lines))
    assert list(flat[0]) == flat_columns(classes)
    for row, cells in zip(found, flat, strict=True):
        told = [cells["path"], cells["label"], float(cells["p_neither"])]
        assert told == [row["path"], row["label"], row["probabilities"]["neither"]]


def test_answers_leave_a_class_out(tmp_path: Path) -> None:
    model = ["--model", str(three_class_classifier(tmp_path / "three.onnx"))]
    found = rows("photos", *model, "--answers", "sad,happy")
    assert [row["label"] for row in found] == ["happy", "sad", "sad"]  # the grey one is a tie
    assert [list(row["probabilities"]) for row in found] == [["happy", "sad"]] * 3
    flat = predict("photos", "--csv", *model, "--answers", "happy,neither").lines
    assert flat[0].split(",") == flat_columns(["happy", "neither"])
    line = refused("photos", *model, "--answers", "happy,glad")
    said = "answers must be two or more of happy, neither, sad, not ['happy', 'glad']"
    assert line.endswith(said)
    assert "--answers must be two or three" in refused("photos", *model, "--answers", "happy")


def test_csv_without_any_photo_has_its_columns(model: list[str]) -> None:
    Path("none").mkdir()
    done = predict("none", "--csv", "--rows", "face", *model)
    assert done.lines == [",".join(flat_columns(["happy", "sad"], "face"))]
    assert (done.status, done.stderr) == (0, b"none: no file in it\n")


def test_an_address_is_fetched_and_a_failure_is_a_row(model: list[str], web: str) -> None:
    found = rows(f"{web}/none.png", f"{web}/dark.png", "photos/dark.png", *model)
    assert [row["label"] for row in found] == [None, "happy", "happy"]
    assert [row["path"] for row in found[:2]] == [f"{web}/none.png", f"{web}/dark.png"]
    assert found[0]["error"]["code"] == "cannot_fetch"
    assert found[1]["probabilities"] == found[2]["probabilities"]


def test_a_folder_of_a_web_server_and_other_addresses(model: list[str], web: str) -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/here/a.png", Path("photos", "dark.png").read_bytes())
    found = rows(f"{web}/", "memory:///here", "memory:///here/none.png", *model)
    names = [f"{web}/{name}.png" for name in ("dark", "grey", "white")]
    names += ["memory:///here/a.png", "memory:///here/none.png"]
    assert [row["path"] for row in found] == names
    assert [row["label"] for row in found] == ["happy", "unsure", "sad", "happy", None]
    assert found[-1]["error"] == {
        "code": "cannot_fetch",
        "text": "memory:///here/none.png: no such file",
    }


def test_an_address_that_cannot_be_listed_costs_no_other(model: list[str], web: str) -> None:
    gone = f"{web}/gone/"
    found = rows("photos/dark.png", gone, *model)
    assert [row["label"] for row in found] == ["happy", None]
    assert (found[1]["path"], found[1]["error"]["code"]) == (gone, "cannot_fetch")
    assert f"{gone}: cannot be listed" in found[1]["error"]["text"]


@pytest.mark.parametrize("which", ["photos/white.png", "{web}/white.png"])
def test_one_photo_or_address_is_drawn(model: list[str], web: str, which: str) -> None:
    assert predict(which.format(web=web), "--draw", "drawn.png", *model).status == 0
    with Image.open("drawn.png") as drawn:
        assert drawn.size == (480, 480)


@pytest.mark.parametrize("paths", [["photos"], ["photos/dark.png", "photos/grey.png"], ["-"]])
def test_a_drawing_is_of_one_photo(model: list[str], paths: list[str]) -> None:
    line = refused(*paths, "--draw", "drawn.png", *model)
    assert "--draw needs the file or address of one photo" in line


def test_faces_that_are_given_are_for_a_classifier_of_faces(model: list[str]) -> None:
    assert "whole photos" in refused("photos", "--faces", "given", *model)


ADVICE = " photos show no face. To classify whole photos, train on your own: happysad train DIR"


@pytest.mark.parametrize(
    ("faceless", "unreadable", "said"),
    [
        (10, 0, "10 of 10"),
        (10, 30, "10 of 40"),
        (9, 0, None),  # few photos
        (10, 31, None),  # less than a quarter
    ],
)
@pytest.mark.parametrize("output", [[], ["--json"], ["--out", "out", "--csv"]])
def test_many_photos_without_a_face_bring_advice_once(
    output: list[str], faceless: int, unreadable: int, said: str | None
) -> None:
    model = brightness_classifier(Path("faces.onnx"), looks_at="face")
    for number in range(faceless + unreadable):
        save(Path("many", f"{number}.png"), np.full((16, 16, 3), 200, np.uint8))
        if number >= faceless:
            Path("many", f"{number}.png").write_text("no picture")
    done = predict("many", "--model", str(model), *output)
    assert done.status == int(unreadable > 0)
    last = done.stderr.decode().splitlines()[-1:]
    assert done.stderr.count(ADVICE.encode()) == int(said is not None)
    assert (last == [f"{said}{ADVICE}"]) is (said is not None)
