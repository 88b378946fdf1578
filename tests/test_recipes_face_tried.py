"""Networks are trained by name, and compared on validation faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from happysad.classifier import Classifier
from recipes.face import judging, networks, shipping, tried
from recipes.face.packed_faces import Faces
from tests.classifiers import three_class_classifier
from tests.made_up_faces import judgement, random_faces


def test_networks_are_compared_on_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random_faces(16).write(tmp_path / "val.npz")
    file = three_class_classifier(tmp_path / "three.onnx", size=48, looks_at="face", slope=0.05)
    known = judgement(Classifier(file))
    found = replace(known, generated=known.three)
    trained: list[str] = []

    def ship(_: Any, validation: Faces, trained_on: int, to: Path) -> None:
        to.write_bytes(file.read_bytes())

    def judge(_: Classifier, faces: Faces, data: Path) -> judging.Judgement:
        np.testing.assert_array_equal(faces.images, random_faces(16).images)
        return found if trained[-1] == "wide" else known

    monkeypatch.setattr(networks, "train", lambda name, *_: trained.append(name))
    monkeypatch.setattr(shipping, "ship", ship)
    monkeypatch.setattr(judging, "judge", judge)
    to = tmp_path / "tried.md"
    call = ["tried", "data", "--work", str(tmp_path), "--write", str(to), "wide", "trial"]
    monkeypatch.setattr("sys.argv", call)
    tried.main()
    assert trained == ["wide", "trial"]
    table = to.read_text(encoding="utf-8")
    assert capsys.readouterr().out == f"wide: judged\ntrial: judged\n{table}\n"
    head, _, *lines = table.splitlines()
    assert head == "| validation | wide | trial |"
    rows = {cells[1].strip(): cells[2:4] for cells in (line.split("|") for line in lines)}
    recall = found.three.score.balanced_accuracy
    low, high = recall.interval or (0.0, 0.0)
    both = f" {recall.value:.3f} ({low:.3f} to {high:.3f}) "
    assert rows[f"three folders, n = {found.three.score.n}: mean recall"] == [both, both]
    first, second = rows[f"generated, n = {found.three.score.n}: answered"]
    assert first.strip() and not second.strip()
    assert any(name.startswith("neutral of three folders called sad") for name in rows)
    worse = [row.recall.value or 0.0 for row in found.robustness if row.change]
    name = f"three folders, mean over {len(worse)} worse pictures: mean recall"
    assert rows[name][0].strip() == f"{np.mean(worse):.3f}"
