"""Predicting leaves no data on the machine and sends none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PREDICT = """
import os
import numpy
from happysad import Classifier
from happysad.face_detection import find
before = os.environ.get("ORT_DISABLE_TELEMETRY")
find(numpy.zeros((64, 64, 3), "uint8"))
Classifier().predict(numpy.zeros((48, 48), "uint8"), faces="given")
assert os.environ.get("ORT_DISABLE_TELEMETRY") == before
"""


@pytest.mark.parametrize("chosen", [{}, {"ORT_DISABLE_TELEMETRY": "0"}])
def test_predicting_writes_nothing_and_keeps_the_environment(
    chosen: dict[str, str], tmp_path: Path
) -> None:
    # onnxruntime would write an identifier of the device into one of these folders.
    homes = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "TMPDIR"), str(tmp_path))
    # onnxruntime sends no telemetry if one of these variables is set.
    ours = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS")}
    environment = {**ours, **homes, **chosen, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", PREDICT], env=environment, cwd=tmp_path, check=True)
    assert list(tmp_path.rglob("*")) == []
