"""The answers of happysad are those on record; benchmarks/answers.py records new ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "answers.py"
REAL = ROOT.parent / "shared" / "data"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="an sdist holds no benchmarks")

#: Every tenth picture of a folder is compared here; the script compares all.
EVERY = 10


@pytest.fixture(scope="module")
def script() -> Any:
    return SimpleNamespace(**run_path(str(SCRIPT)))


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real pictures are not here")
def test_answers_are_as_recorded(script: Any) -> None:
    answers = script.shipped(EVERY)
    if script.recorded_here():
        different, most = script.differences(answers, script.read()), 0
    else:  # labels change where a probability is near a threshold
        different = script.differences(answers, script.read(), script.ELSEWHERE)
        most = len(answers) // 200
    assert len(different) <= most, "\n".join(
        [f"{len(different)} of {len(answers)} answers differ", *different[:10]]
    )
    assert len(answers) > 750
    assert {key.faces for key in answers} == {"find", "given"}
    labels = {answer.label for answer in answers.values()}
    assert labels == {"happy", "neither", "sad", "unsure", "no_face", ""}


def test_the_record_is_small_and_holds_all_kinds_of_answers(script: Any) -> None:
    record = script.read()
    assert script.RECORD.stat().st_size < 600_000
    assert len(record) > 7000
    assert all(len(key.sha256) == 16 for key in record)
    errors = {answer.error for answer in record.values()}
    assert errors == {"", "not_an_image", "unsupported", "damaged"}


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "nothing": ({}, False),
    "within the tolerance": ({"p_sad": 0.2500009}, False),
    "the probability": ({"p_sad": 0.2500011}, True),
    "the other probability": ({"p_neither": 0.5000011}, True),
    "no probability": ({"p_sad": None}, True),
    "the label": ({"label": "unsure"}, True),
    "the error": ({"error": "damaged"}, True),
}


@pytest.mark.parametrize(("change", "differs"), CHANGES.values(), ids=CHANGES)
def test_one_changed_answer_is_named(
    script: Any, tmp_path: Path, change: dict[str, Any], differs: bool
) -> None:
    answers = script.read()
    key = list(answers)[len(answers) // 2]
    answers[key] = script.Answer(label="happy", p_sad=0.25, p_neither=0.5, error="")
    file = tmp_path / "answers.csv"
    script.write({**answers, key: replace(answers[key], **change)}, file)
    different = script.differences(answers, script.read(file))
    assert [line.split(":")[0] for line in different] == [" ".join(key)] * differs


def test_an_answer_that_is_not_recorded_is_named(script: Any) -> None:
    record = script.read()
    key = next(iter(record))
    answers = {key: record.pop(key)}
    (line,) = script.differences(answers, record)
    assert line.startswith(" ".join(key))
    assert line.endswith("not recorded")
