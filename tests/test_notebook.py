"""The course: it runs as a whole, and its stored outputs are those of its cells."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from happysad.dataset.drawn_faces import face
from tests.pictures import photo, save

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOK = FOLDER / "getting_started.ipynb"
# The first cell mounts Google Drive here.
MOUNTED = '"/content/drive'
# Lines of standard error that are no warnings.
PROGRESS = (
    "epoch ",
    "it will answer",
    "tqdm",
    "building ",
    "checking ",
    " files; ",
    "left out: ",
    "train: ",
    "training ",
    "val: ",
    "test: ",
    "testing ",
    "calibrating on ",
    "computing the figures",
    "exporting ",
    "drawing ",
)

pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="an sdist holds no notebooks")


@pytest.fixture
def notebook() -> NotebookNode:
    read: NotebookNode = nbformat.read(NOTEBOOK, 4)
    return read


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute() -> ModuleType:
    """Return the script that stores the outputs."""
    spec = importlib.util.spec_from_file_location("execute", FOLDER / "execute.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_stored_outputs_are_those_of_its_cells(notebook: NotebookNode) -> None:
    # If this fails: make notebook
    assert notebook.metadata["sources"] == execute().sources_hash(notebook)
    cells = code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 8
    assert not any(output.output_type == "error" for output in outputs)
    assert not any(output.get("name") == "stderr" for output in outputs)


def test_it_is_small_and_names_no_place_of_the_machine_that_ran_it(notebook: NotebookNode) -> None:
    assert NOTEBOOK.stat().st_size < 1_500_000
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    for output in outputs:
        output.get("data", {}).pop("image/png", None)
    text = json.dumps(outputs)
    for place in ("/tmp", "/root", "/home", "/work", "/Users", "site-packages", str(Path.home())):
        assert place not in text


def test_every_question_has_an_answer_to_unfold(notebook: NotebookNode) -> None:
    asking = [cell.source for cell in notebook.cells if "**Question" in cell.source]
    assert len(asking) >= 6
    for source in asking:
        _, _, rest = source.partition("**Question")
        assert "?" in rest.partition("<details>")[0]
        assert rest.count("<details><summary>Answer</summary>\n\n") == 1
        assert rest.rstrip().endswith("</details>")


class Pip:
    """Stands in for the process that runs pip, and keeps what it would install."""

    def __init__(self, status: int = 0) -> None:
        self.installed: list[str] = []
        self._status = status

    def __call__(self, command: list[str], **_: Any) -> SimpleNamespace:
        assert command[:4] == [sys.executable, "-m", "pip", "install"]
        self.installed.append(command[-1])
        return SimpleNamespace(returncode=self._status)


def run_first_cell(notebook: NotebookNode) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code(notebook)[0].source, "the first cell", "exec"), names)
    return names


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Pip:
    """An empty folder on a machine without happysad."""
    pip = Pip()
    monkeypatch.setattr(subprocess, "run", pip)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    return pip


def test_happysad_comes_from_the_index_if_nothing_is_beside_the_notebook(
    notebook: NotebookNode, pip: Pip, capsys: pytest.CaptureFixture[str]
) -> None:
    run_first_cell(notebook)
    assert pip.installed == ["happysad[train]"]
    assert capsys.readouterr().out == "installing happysad[train]\n"


def test_a_wheel_beside_the_notebook_comes_before_the_index(
    notebook: NotebookNode, pip: Pip, capsys: pytest.CaptureFixture[str]
) -> None:
    wheel = Path.cwd() / "happysad-0.2.0-py3-none-any.whl"
    wheel.touch()
    run_first_cell(notebook)
    assert pip.installed == [f"{wheel}[train]"]
    assert capsys.readouterr().out == f"installing {wheel}[train]\n"


def test_the_checkout_of_the_notebook_comes_first(
    notebook: NotebookNode, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, here = Path.cwd(), Path.cwd() / "notebooks"
    (checkout / "src" / "happysad").mkdir(parents=True)
    here.mkdir()
    (here / "happysad-0.2.0-py3-none-any.whl").touch()
    monkeypatch.chdir(here)
    run_first_cell(notebook)
    assert pip.installed == [f"{checkout}[train]"]


def test_an_installed_happysad_stays(
    notebook: NotebookNode,
    pip: Pip,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name == "happysad")
    run_first_cell(notebook)
    assert pip.installed == []
    assert capsys.readouterr().out == "happysad is installed already\n"


def test_a_failure_of_pip_ends_the_cell(
    notebook: NotebookNode, pip: Pip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", Pip(status=1))
    with pytest.raises(RuntimeError, match="happysad is not installed"):
        run_first_cell(notebook)


#: A stand-in for the module of Colab; the second pass of the test runs with it, and without graphs.
COLAB = """
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType

import tensorflow as tf

# Graphs take longer to build than 60 photos to learn.
warnings.filterwarnings("ignore", "Even though the `tf.config")
tf.config.run_functions_eagerly(True)
google, colab, drive = (ModuleType(name) for name in ("google", "google.colab", "drive"))
drive.mount = lambda place: None
google.colab, colab.drive = colab, drive
sys.modules |= {"google": google, "google.colab": colab}
Path("elsewhere").mkdir()
os.chdir("elsewhere")
"""

#: Parts of cells that the second pass leaves out: they see arrays alone, or export the network.
ONCE = (
    "def tutorial_splits",
    "passes = [",
    "coins = ",
    "few_images, few",
    "# 100 networks",
    "import export",
)

PROBE = "print(evaluation.architecture, evaluation.score.n, drawn, run, Path.cwd())"


@pytest.mark.slow
def test_it_runs_on_drawn_faces_and_in_colab_on_photos(
    notebook: NotebookNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One kernel runs it twice: beside nothing, then with photos on a stand-in for Google Drive."""
    for name in ("IPYTHONDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("HAPPYSAD_QUICK", "1")
    here, drive = tmp_path / "here", tmp_path / "drive"
    here.mkdir()
    _write_photos(drive / "MyDrive" / "happysad" / "photos")

    first = notebook.cells
    sources = [cell.source for cell in code(notebook)]
    left_out = [one for one in sources if any(part in one for part in ONCE)]
    assert len(left_out) == len(ONCE)
    second = [nbformat.v4.new_code_cell(one) for one in sources if one not in left_out]
    assert MOUNTED in second[0].source
    second[0].source = second[0].source.replace(MOUNTED, f'"{drive}')
    probe, colab, again = map(nbformat.v4.new_code_cell, (PROBE, COLAB, PROBE))
    both = nbformat.v4.new_notebook(cells=[*first, probe, colab, *second, again])
    resources = {"metadata": {"path": str(here)}}
    NotebookClient(both, timeout=600, kernel_name="python3", resources=resources).execute()

    results = drive / "MyDrive" / "happysad" / "course"
    for cell, kind, n, is_drawn, run, cwd in (
        (both.cells[len(first)], "classic", 6, True, Path("course", "run-1"), here),
        (both.cells[-1], "face", 6, False, results / "run-1", here / "elsewhere"),
    ):
        said = cell.outputs[0].text.split()
        assert said == [kind, str(n), str(is_drawn), str(run), str(cwd)]
        names = {path.name for path in (here / run).iterdir()}
        assert {"model.onnx", "model.keras", "report.html"} <= names
        assert ("happy-or-sad.tflite" in names) == is_drawn
    assert list((here / "elsewhere").iterdir()) == []  # all results are on Drive

    cells = code(both)
    lines = [
        line
        for cell in cells
        for output in cell.outputs
        if output.get("name") == "stderr"
        for line in output.text.splitlines()
    ]
    assert [line for line in lines if not any(one in line for one in PROGRESS)] == []


def _write_photos(folder: Path) -> None:
    """Write 60 pictures in colour, each with a drawn face somewhere in it."""
    rng = np.random.default_rng(0)
    for number in range(60):
        label = ("happy", "sad")[number % 2]
        picture = photo(number, 240, 320).copy()
        top, left = rng.integers(0, 240 - 128), rng.integers(0, 320 - 128)
        picture[top : top + 128, left : left + 128] = face(label, rng, 128)
        save(folder / label / f"{number:02}.jpg", picture)
