"""happysad evaluate: every figure with its n and its interval."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from happysad.cli.evaluation_commands import print_comparison, print_evaluation
from happysad.evaluation.abstention import Abstention
from happysad.evaluation.comparison import compare
from happysad.evaluation.evaluator import Evaluation
from happysad.evaluation.metrics import Figure, score
from tests.classifiers import brightness_classifier, three_class_classifier
from tests.command_line import run_command
from tests.pictures import photo, save


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """All four faces of each class are classified correctly; one of each class is unsure."""
    for label, levels in {"happy": (10, 30, 50, 120), "sad": (140, 210, 230, 250)}.items():
        for level in levels:
            pixels = level - 2 + photo(level, 40, 40) * 0.02  # no near-duplicates
            save(tmp_path / "data" / label / f"{level}.png", pixels.astype(np.uint8))
    file = brightness_classifier(
        tmp_path / "face.onnx", slope=0.05, middle=130, looks_at="face", unsure=(0.3, 0.7)
    )
    return ["evaluate", str(tmp_path / "data"), "--model", str(file)]


def test_each_figure_has_its_n_and_interval(command: list[str]) -> None:
    done = run_command(*command, "--faces", "given")
    assert (done.status, done.stderr) == (0, b"8 photos: happy 4, sad 4\ncomputing the figures\n")
    rows = {line[:20].strip(): line[20:].split() for line in done.lines}
    assert rows["n = 8"][:2] == ["the", "model"]
    assert rows["accuracy"][0] == "1.000"
    assert rows["AUC of sad"][0] == "1.000"
    assert any("95 % intervals" in line for line in done.lines)
    assert any(line.startswith("8 photos prove little") for line in done.lines)
    assert rows["precision of happy"][0] == "1.000"
    assert rows["recall of sad"] == ["1.000", "no", "spread", "seen", "(n", "=", "4)"]
    assert rows["answered"][0] == "0.750"
    low, high = map(float, rows["answered"][1].split("-"))
    assert low < 0.75 < high
    assert " ".join(rows["answered"][2:]) == "(n = 8, not unsure)"
    assert " ".join(rows["right of these"]) == "1.000 no spread seen (n = 6)"
    assert " ".join(rows["no face found"]) == "0.000 no spread seen (n = 8)"


def test_slices_are_printed_and_small_ones_are_too_few_to_tell(
    command: list[str], tmp_path: Path
) -> None:
    table = tmp_path / "slices.csv"
    table.write_text("path,light\nhappy/10.png,in\nhappy/30.png,in\nsad/140.png,out\n")
    done = run_command(*command, "--faces", "given", "--slices", str(table))
    assert done.status == 0
    words = "too few photos to tell; a slice and the rest need 30 each"
    assert done.lines[-2:] == [
        f"Accuracy by slice: {words}",
        f"Accuracy by kind of photo: {words}",
    ]
    done = run_command(*command, "--slices", str(tmp_path / "none.csv"))
    assert (done.status, b"none.csv: no such file" in done.stderr.lower()) == (1, True)


def test_photos_without_a_face_are_not_answered(capsys: pytest.CaptureFixture[str]) -> None:
    evaluation = Evaluation(
        model="face.onnx",
        classifier="0123456789ab",
        architecture="face",
        trained_on=10,
        temperature=1.0,
        threshold=0.5,
        data="data",
        score=score([0, 1], [[0.9, 0.1], [0.2, 0.8]], ["a", "b"], classes=("happy", "sad")),
        abstention=Abstention(
            n=13,
            coverage=Figure(8 / 13, (0.4, 0.8)),
            selective_accuracy=Figure(1.0, None),
            called={
                "happy": Figure(5 / 13, (0.2, 0.6)),
                "sad": Figure(3 / 13, (0.1, 0.4)),
                "unsure": Figure(2 / 13, (0.0, 0.4)),
            },
            no_face=Figure(3 / 13, (0.1, 0.4)),
            labels={"happy": {"happy": 5, "sad": 3, "unsure": 2, "no_face": 3}},
        ),
        baselines={},
        seen_in_training=None,
    )
    print_evaluation(evaluation)
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()[-3:]]
    assert rows == [
        "answered 0.615 0.400-0.800 (n = 13, neither unsure nor without a face)",
        "right of these 1.000 (n = 8)",
        "no face found 0.231 0.100-0.400 (n = 13)",
    ]


def test_a_comparison_ends_with_the_classifier_to_use(capsys: pytest.CaptureFixture[str]) -> None:
    hits = np.array([1.0] * 15 + [0.0] * 5)
    found = compare(
        hits,
        [str(number) for number in range(20)],
        built_in=hits[::-1],
        no_face=3,
        largest_class=np.zeros(20),
        largest="sad",
        seed=0,
    )
    print_comparison(found)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == "accuracy 95 % interval new one minus it"
    assert lines[2].startswith("new classifier 0.750 0.")
    assert lines[3].startswith("built-in classifier 0.750 0.")
    assert " +0.000 -0." in lines[3]
    assert lines[4].startswith("always sad 0.000 no spread seen +0.750 +0.")
    assert lines[5:] == [
        "on the same 20 test photos",
        "the built-in classifier finds no face in 3 of them, which count as wrong",
        "It is not proven better than the built-in classifier: keep the built-in one, or add "
        "photos.",
    ]


def test_as_many_folders_as_classes_are_chosen(command: list[str]) -> None:
    done = run_command(*command, "--classes", "happy,sad,neither")
    assert (done.status, done.stdout) == (2, b"")
    assert done.stderr == b"happysad: classes must be 2 folders, for happy, sad, not 3\n"


def test_as_json_it_is_one_object(command: list[str]) -> None:
    done = run_command(*command, "--faces", "given", "--json")
    found = json.loads(done.stdout)
    assert Evaluation.from_json(found).score.n == 8
    assert (found["score"]["n"], found["abstention"]["n"]) == (8, 8)
    assert found["abstention"]["coverage"]["value"] == 0.75
    assert found["abstention"]["selective_accuracy"] == {"value": 1.0, "interval": [1.0, 1.0]}


@pytest.mark.parametrize("folders", [2, 3])
def test_the_shares_of_three_answers_stand_beside_the_figures(tmp_path: Path, folders: int) -> None:
    levels = {"happy": (10, 30, 124), "sad": (132, 230, 250), "neither": (126, 130)}
    for label in list(levels)[:folders]:
        for level in levels[label]:
            pixels = level - 2 + photo(level, 40, 40) * 0.02
            save(tmp_path / "data" / label / f"{level}.png", pixels.astype(np.uint8))
    file = three_class_classifier(tmp_path / "face.onnx", looks_at="face")
    call = ["evaluate", str(tmp_path / "data"), "--model", str(file), "--faces", "given"]
    done = run_command(*call)
    assert done.status == 0
    assert done.stderr.startswith(b"6 photos: happy 3, sad 3" if folders == 2 else b"8 photos: ")
    lines = [" ".join(line.split()) for line in done.lines]
    assert "label happy neither sad unsure no_face" in lines
    assert "happy 2 1 0 0 0" in lines
    assert "sad 0 1 2 0 0" in lines
    if folders == 3:
        assert "neither 0 2 0 0 0" in lines
        assert "most probable class happy neither sad" in lines
        assert "recall of neither 1.000 no spread seen (n = 2)" in lines
        return
    assert any(line.startswith("accuracy 1.000 no spread seen") for line in lines)
    assert any(line.startswith("called neither 0.333") for line in lines)
    assert any("neither is left out" in line for line in lines)


def test_figures_against_votes(command: list[str], tmp_path: Path) -> None:
    lines = ["path,happy,sad"]
    for file in sorted((tmp_path / "data").glob("*/*.png"))[1:]:
        counts = "5,5" if file.stem == "30" else "9,1" if file.parent.name == "happy" else "6,4"
        lines.append(f"{file.parent.name}/{file.name},{counts}")
    votes = tmp_path / "votes.csv"
    votes.write_text("\n".join(lines) + "\n")
    done = run_command(*command, "--faces", "given", "--votes", str(votes))
    assert done.status == 0
    shown = [" ".join(line.split()) for line in done.lines]
    at = shown.index(
        "Against the votes on 7 photos (1 more have none; on 1 two classes lead together):"
    )
    assert shown[at + 1].startswith("accuracy 0.333")  # most call the four sad ones happy
    assert shown[at + 1].endswith("(n = 6)")
    assert shown[-2].startswith("distance of shares 0.")
    found = json.loads(
        run_command(*command, "--faces", "given", "--votes", str(votes), "--json").stdout
    )
    assert Evaluation.from_json(found).votes is not None
    assert found["votes"]["score"]["n"] == 6
    wrong = run_command("evaluate", "--model", command[-1], "--votes", str(votes))
    assert (wrong.status, wrong.stdout) == (2, b"")
    assert b"votes are on photos of data" in wrong.stderr
