"""A run's folder: its settings, its stage, and its creation and removal as a whole."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from happysad.errors import RunError, UsageError
from happysad.run import (
    CurvePoint,
    Epoch,
    Fusion,
    LearningCurve,
    Run,
    Stage,
    Summary,
    Trial,
    Verdict,
)

SETTINGS = {"model": "classic", "faces": "given", "epochs": 2, "fine_tune_epochs": 1}

FUSION = Fusion(
    photos={"train": 20, "val": 8},
    with_faces={"train": 10, "val": 4},
    tried={"both": Trial(n=28, accuracy=0.75, log_loss=0.5, strength=0.1)},
    chosen="both",
)


def test_the_run_before_is_the_last_finished_one_of_the_same_name(tmp_path: Path) -> None:
    for name in ("faces-1", "faces-2", "faces-9", "faces-11", "mine-8", "faces-1-first"):
        Run(tmp_path / name).finish("")
    (tmp_path / "faces-10").mkdir()  # not finished
    for name, before in {
        "faces-11": "faces-9",
        "faces-2": "faces-1",
        "faces-1": None,
        "mine-9": "mine-8",
        "3": None,
        "faces": None,
    }.items():
        run = Run(tmp_path / name).before
        assert (run and run.folder.name) == before


def epoch(number: int) -> Epoch:
    return Epoch(
        epoch=number,
        seconds=1.5,
        images_per_second=20.0,
        learning_rate=0.001,
        loss=0.5,
        accuracy=0.75,
        val_loss=0.25,
        val_accuracy=1.0,
    )


def point(photos: int, loss: float) -> CurvePoint:
    return CurvePoint(
        photos=photos,
        train_accuracy=0.9,
        train_accuracy_low=0.8,
        train_accuracy_high=1.0,
        train_log_loss=0.2,
        train_log_loss_low=0.1,
        train_log_loss_high=0.3,
        held_out_accuracy=0.7,
        held_out_accuracy_low=0.6,
        held_out_accuracy_high=0.8,
        held_out_log_loss=loss,
        held_out_log_loss_low=loss - 0.1,
        held_out_log_loss_high=loss + 0.1,
    )


CURVE = LearningCurve(
    held_out=1250,
    points=(point(10, 0.6), point(500, 0.5), point(1000, 0.45)),
    gain=0.05,
    gain_low=0.02,
    gain_high=0.08,
)


def stage_of(run: Run) -> Stage:
    return run.stage


def test_settings_and_data_come_back(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.write_settings(SETTINGS, Path("photos"))
    assert run.settings() == SETTINGS
    assert run.data() == Path("photos").absolute()


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (None, "not a run's folder: no config.toml"),
        ("epochs = 1\n", "not a run's settings: no data folder"),
        ("data = ", "not TOML"),
        ("data = " + "[" * 5000, "not TOML"),
        ("data = " + "9" * 5000, "not TOML"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, text: str | None, error: str) -> None:
    if text is not None:
        (tmp_path / "config.toml").write_text(text)
    with pytest.raises(RunError, match=error):
        Run(tmp_path).settings()
    with pytest.raises(RunError, match=error):
        Run(tmp_path).data()
    assert Run(tmp_path).epochs == 0


def test_history_comes_back(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert run.epochs_done() == ()
    run.write_history([epoch(1), epoch(2)])
    assert run.epochs_done() == (epoch(1), epoch(2))
    run.history.write_text("half a l")
    assert run.epochs_done() == ()


def test_the_stages_of_a_training(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    assert stage_of(run) is Stage.ABSENT
    with run.create() as draft:
        assert stage_of(run) is Stage.PREPARING
        draft.write_settings(SETTINGS, tmp_path)
    assert stage_of(run) is Stage.LEARNING
    run.write_history([epoch(1), epoch(2)])
    assert run.epochs == 3  # those of fine-tuning too
    assert stage_of(run) is Stage.LEARNING
    run.network.touch()  # it stopped early
    assert stage_of(run) is Stage.EVALUATING
    run.network.unlink()
    run.write_history([epoch(1), epoch(2), epoch(3)])
    assert stage_of(run) is Stage.EVALUATING
    run.finish("0" * 64)
    assert run.is_finished
    assert stage_of(run) is Stage.FINISHED


def test_a_run_may_have_no_epochs(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write_settings({**SETTINGS, "faces": "find"}, tmp_path)
    assert run.epochs == 0
    run.write_history([])
    assert stage_of(run) is Stage.LEARNING
    assert run.fusion() is None
    run.write_fusion(FUSION)
    assert run.fusion() == FUSION
    assert stage_of(run) is Stage.EVALUATING


def test_a_run_may_have_a_learning_curve(tmp_path: Path) -> None:
    run, fusion = Run(tmp_path), replace(FUSION, learning_curve=CURVE)
    run.write_settings({**SETTINGS, "faces": "find"}, tmp_path)
    run.write_history(CURVE.points)
    assert run.epochs_done() == ()
    assert stage_of(run) is Stage.LEARNING
    with run.history.open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["photos"] for row in rows] == ["10", "500", "1000"]
    assert rows[2]["held_out_log_loss"] == "0.45"
    run.write_fusion(fusion)
    assert run.fusion() == fusion


def test_the_fusion_of_an_older_run_has_no_learning_curve() -> None:
    written = asdict(FUSION)
    del written["learning_curve"]
    assert Fusion.from_json(written) == FUSION


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.001, 0.02, "more photos would still help"),
        (0.001, 0.0099, "more photos alone will not help"),
        (-0.02, 0.0099, "more photos alone will not help"),
        (-0.001, 0.01, "too few photos to tell whether more would help"),
    ],
)
def test_what_a_learning_curve_says(low: float, high: float, verdict: str) -> None:
    curve = replace(CURVE, gain_low=low, gain_high=high)
    assert curve.verdict is Verdict(verdict)


def test_a_learning_curve_gives_its_reason() -> None:
    assert CURVE.reason == (
        "from 500 to 1,000 photos, the log loss on held-out photos falls from 0.500 to 0.450, by "
        "0.050 (95 %: 0.020 to 0.080; n = 1,250)"
    )


def test_only_a_whole_run_appears(tmp_path: Path) -> None:
    run = Run(tmp_path / "runs" / "1")
    with pytest.raises(ValueError, match="no"), run.create() as draft:
        (draft.folder / "half").touch()
        raise ValueError("no")
    assert list(run.folder.parent.iterdir()) == []
    run.folder.mkdir()  # an empty folder may be used
    with run.create() as draft:
        (draft.folder / "whole").touch()
    assert [one.name for one in run.folder.iterdir()] == ["whole"]
    with pytest.raises(UsageError, match="must be new or empty"):
        run.refuse_used()


@pytest.mark.parametrize(
    ("test", "interval"),
    [
        ({"score": {"n": 8, "balanced_accuracy": {"value": 0.75, "interval": [0.5, 1]}}}, (0.5, 1)),
        ({"score": {"n": 8, "balanced_accuracy": {"value": 0.75, "interval": None}}}, None),
        ({"n": 8, "balanced_accuracy": 0.75}, None),  # happysad 0.1.0
    ],
)
def test_the_main_figures_need_no_more_than_the_file(
    tmp_path: Path, test: dict[str, Any], interval: tuple[float, float] | None
) -> None:
    run = Run(tmp_path)
    with pytest.raises(RunError, match=r"metrics\.json: "):
        run.summary()
    run.metrics.write_text(json.dumps({"test": test}))
    assert run.summary() == Summary(n=8, balanced_accuracy=0.75, interval=interval)
    for damaged in ("{}", "[]", "{", "[" * 5000):
        run.metrics.write_text(damaged)
        with pytest.raises(RunError, match=r"metrics\.json: not the evaluation of a run"):
            run.summary()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"tried": {"faces": 1}}', "[" * 5000])
def test_damaged_figures_of_a_training_are_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "fused.json").write_text(content)
    with pytest.raises(RunError, match=r"fused\.json: damaged"):
        Run(tmp_path).fusion()


@pytest.mark.parametrize("rows", ["1,", "x" * 200_000, "\0"])
def test_a_damaged_history_has_no_epochs(tmp_path: Path, rows: str) -> None:
    run = Run(tmp_path)
    run.write_history(())
    run.history.write_text(f"{run.history.read_text()}{rows}\n")
    assert run.epochs_done() == ()


def test_discard_removes_what_is_unfinished(tmp_path: Path) -> None:
    run, other = Run(tmp_path / "1"), Run(tmp_path / "11")
    for folder in (".1-0123abcd", "1", ".11-0123abcd", "11"):
        (tmp_path / folder).mkdir()
    run.discard()
    assert sorted(one.name for one in tmp_path.iterdir()) == [".11-0123abcd", "11"]
    other.finish("")
    other.discard()
    assert [one.name for one in tmp_path.iterdir()] == ["11"]


def test_importing_it_is_light() -> None:
    heavy = {"numpy", "pandas", "keras", "tomli_w"}
    code = f"import sys, happysad.run; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
