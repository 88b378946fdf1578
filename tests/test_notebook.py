"""The notebook runs from top to bottom, and lies in the project without its outputs."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from happysad import demo

NOTEBOOK = Path(__file__).parent.parent / "notebooks" / "getting_started.ipynb"
SETTINGS = "SETTINGS = {"

pytestmark = pytest.mark.skipif(not NOTEBOOK.exists(), reason="an sdist holds no notebooks")


def test_no_outputs_are_committed() -> None:
    cells = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
    assert cells
    assert not any(cell.outputs or cell.execution_count for cell in cells)


def test_its_settings_are_the_demos() -> None:
    cells = nbformat.read(NOTEBOOK, 4).cells
    [source] = [cell.source for cell in cells if SETTINGS in cell.source]
    written = source.partition(SETTINGS)[2].partition("}")[0]
    settings = ast.literal_eval("{" + written + "}")
    epochs = settings.pop("epochs")
    least = demo._SETTINGS["epochs"]
    assert settings | {"epochs": least} == demo._SETTINGS
    assert epochs >= least


@pytest.mark.slow
def test_runs_and_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(NOTEBOOK, 4)
    check = nbformat.v4.new_code_cell("print(evaluation.score.n, evaluation.score.accuracy.value)")
    notebook.cells.append(check)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=where).execute()

    n, accuracy = notebook.cells[-1].outputs[0].text.split()
    assert int(n) == 60
    assert float(accuracy) > 0.8  # drawn faces, plainly different
    outputs = [output for cell in notebook.cells if "outputs" in cell for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4
    errors = [output.text for output in outputs if output.get("name") == "stderr"]
    lines = [line for text in errors for line in text.splitlines()]
    # tqdm, which cleanvision brings, asks for ipywidgets where they are missing.
    noise = [line for line in lines if not line.startswith("epoch ") and "tqdm" not in line]
    assert noise == []
    run = tmp_path / "runs" / "notebook-1"
    assert {"model.onnx", "model.tflite", "model.h5", "report.html"} <= {
        path.name for path in run.iterdir()
    }
