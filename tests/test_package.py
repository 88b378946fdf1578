"""What importing costs, and what the rooms may know of each other."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import happysad

ROOT = Path(__file__).parents[1]
HEAVY = (
    "numpy",
    "cv2",
    "PIL",
    "onnxruntime",
    "keras",
    "tensorflow",
    "pandas",
    "matplotlib",
    "rich",
    "pyarrow",
)


def loaded_after(code: str) -> set[str]:
    names = f"import sys; {code}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["happysad", "happysad.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    assert not loaded_after(f"import {module}") & set(HEAVY)


def test_predicting_needs_no_keras_pandas_or_matplotlib() -> None:
    loaded = loaded_after("import happysad.classifier, happysad.images, happysad.predictions")
    assert not loaded & {"keras", "tensorflow", "pandas", "matplotlib", "sklearn"}


def test_importing_changes_no_environment_and_prints_nothing() -> None:
    code = (
        "import os; before = dict(os.environ); import happysad; assert before == dict(os.environ)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_the_public_names_are_sorted_and_there() -> None:
    assert sorted(happysad.__all__) == sorted(dir(happysad))
    for name in happysad.__all__:
        assert getattr(happysad, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = happysad.nothing


def test_the_version_stands_in_one_piece() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == happysad.__version__
    assert f"## {happysad.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
