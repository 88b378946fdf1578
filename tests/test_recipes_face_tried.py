"""Networks that do not ship are trained by name, and judged on validation faces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.classifier import Classifier
from recipes.face import judging, networks, shipping, tried
from recipes.face.packed_faces import Faces
from tests.classifiers import three_class_classifier
from tests.made_up_faces import judgement, random_faces


def test_networks_of_the_shipped_size_are_judged_on_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random_faces(16).write(tmp_path / "val.npz")
    file = three_class_classifier(tmp_path / "three.onnx", size=48, looks_at="face", slope=0.05)
    found = judgement(Classifier(file))
    trained: list[str] = []

    def ship(_: Any, validation: Faces, trained_on: int, to: Path) -> None:
        to.parent.mkdir()
        to.write_bytes(file.read_bytes())

    def judge(_: Classifier, faces: Faces, data: Path) -> judging.Judgement:
        np.testing.assert_array_equal(faces.images, random_faces(16).images)
        return found

    monkeypatch.setattr(networks, "train", lambda name, *_: trained.append(name))
    monkeypatch.setattr(shipping, "ship", ship)
    monkeypatch.setattr(judging, "judge", judge)
    monkeypatch.setattr("sys.argv", ["tried", "data", "--work", str(tmp_path), "wide", "trial"])
    tried.main()
    assert trained == ["wide", "trial"]
    assert not (tmp_path / "wide").exists()
    figures = json.loads((tmp_path / "trial" / "face.json").read_text())
    assert figures["n"] == 60
    name, *lines = capsys.readouterr().out.splitlines()
    assert name == "trial" and lines == tried.lines(found)
    recall = found.three.score.balanced_accuracy.value
    assert lines[0].startswith(f"mean recall, three folders: {recall:.3f} (")
    assert any(line.startswith("neutral called sad: ") for line in lines)
