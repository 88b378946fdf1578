"""Teach's first result: what is written, and that its figures are cross-validated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from happysad.classifier import Classifier
from happysad.dataset.check import check
from happysad.dataset.drawn_faces import face
from happysad.dataset.manifest import Manifest
from happysad.predictions import Faces
from happysad.run import STEP, Run, Step
from happysad.training.first_result import learn_first
from happysad.training.lesson_progress import CHECK, TRAINING, LessonProgress, progress
from tests.pictures import folders


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Twelve drawn face crops of each class, checked."""
    folder = tmp_path_factory.mktemp("faces")
    for label in ("happy", "sad"):
        (folder / "data" / label).mkdir(parents=True)
        for n in range(12):
            pixels = face(label, np.random.default_rng((n, len(label))), 48)
            Image.fromarray(pixels).save(folder / "data" / label / f"{n:02d}.png")
    return check(folder / "data", folder / "check", quality=False).manifest


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Run(tmp_path / "runs" / "1-first")


def test_a_classifier_with_figures_and_notes(faces: Manifest, cached: Run) -> None:
    learn_first(faces, cached, ["A note."])
    classifier = Classifier(cached.folder)
    assert classifier.classes == ("happy", "sad")
    assert (classifier.details.looks_at, classifier.details.trained_on) == ("face", 24)
    assert classifier.details.unsure is not None  # by cross-validation, so 9 of a class are enough
    rows = faces.used
    answers = classifier.predict(faces.files(rows), faces=Faces.GIVEN)
    p = np.array([(answer.probabilities or {})["sad"] for answer in answers])
    assert np.mean((p >= 0.5) == (rows["label"] == "sad")) > 0.9
    summary = cached.summary()
    assert summary.n == 24
    assert summary.balanced_accuracy is not None
    note, compared, few = json.loads(cached.notes.read_text(encoding="utf-8"))
    assert note == "A note."
    assert "the built-in classifier" in compared
    assert "on the same 24 photos" in compared
    assert few.startswith("24 photos prove little")


def test_labels_by_chance_are_not_learned(faces: Manifest, cached: Run) -> None:
    """The figures come from faces of other groups: on its own faces, it is nearly always right."""
    table = faces.table.copy()
    table["label"] = np.random.default_rng(1).permutation(["left", "right"] * (len(table) // 2))
    learn_first(replace(faces, table=table), cached, [])
    summary = cached.summary()
    assert summary.balanced_accuracy is not None
    assert summary.balanced_accuracy < 0.8
    compared, _ = json.loads(cached.notes.read_text(encoding="utf-8"))
    assert "always answering left" in compared  # the built-in classifier has other classes


def test_the_share_rises_to_the_end(tmp_path: Path) -> None:
    progress, shares = LessonProgress(tmp_path / "step.json", 60, TRAINING), []
    for what, done, total in (
        ("reading", 30, 60),
        ("cutting faces out", 30, 60),
        ("learning a first result from 60 faces", 0, 0),
        ("reading", 10, 60),  # again, for the training: no step back
        ("building the network", 0, 0),
        ("training", 15, 30),
        ("exporting model.keras", 0, 0),
        ("drawing plots and writing report.html", 0, 0),
    ):
        progress(what, done, total)
        step = json.loads((tmp_path / "step.json").read_text(encoding="utf-8"))
        assert (step["what"], step["done"], step["total"]) == (what, done, total)
        shares.append(step["share"])
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.1
    assert 0.8 < shares[-1] < 1


def test_a_check_has_its_time_left(tmp_path: Path) -> None:
    photos = folders(tmp_path / "photos", each=4)
    # The page of the check shows both.
    (photos / "happy" / "copy.png").write_bytes((photos / "happy" / "000.png").read_bytes())
    with progress(tmp_path, photos, ("happy", "sad"), CHECK):
        check(photos, tmp_path / "check", quality=False)
    step = Step.read(tmp_path / STEP)
    assert step is not None
    assert step.what == "thumbnails"
    assert step.share > 0.5
    assert step.seconds_left is not None


def test_the_imports_of_a_check_are_done_when_it_reads(tmp_path: Path) -> None:
    LessonProgress(tmp_path / "step.json", 120, CHECK)("reading", 0, 120)
    step = Step.read(tmp_path / "step.json")
    assert step is not None
    assert 0.4 < step.share < 0.8
