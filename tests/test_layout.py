"""The rooms of happysad (see tests/imports.py), and which room may import which.

Imports inside functions count too.
"""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.imports import SOURCE, circles, module_graph, outside, room_graph

MODULES = module_graph()
ROOMS = room_graph(MODULES)

#: The rooms that predicting needs. They import no training, and no library only for training.
PREDICT_SIDE = {
    "camera_raw",
    "classifier",
    "colours",
    "decoding_cost",
    "drawing",
    "errors",
    "explain",
    "extras",
    "face_crop",
    "face_detection",
    "fetch",
    "files",
    "folder_walk",
    "images",
    "inputs",
    "jpeg2000_header",
    "jpeg_markers",
    "memory_budget",
    "model_file",
    "names",
    "parallel",
    "paths",
    "photo",
    "picture_type",
    "predictions",
    "probability",
    "repair",
    "runtime",
}
HEAVY = {"keras", "tensorflow", "pandas", "matplotlib", "sklearn", "scipy", "jax", "onnx"}

#: The helpers that only convert, which may import what they convert to.
CONVERTERS = {("predictions", "pandas")}

#: The rooms that each room may import besides the predict side.
SHARED = {"label_review", "progress", "locks", "moves", "reports", "run"}
ALLOWED = {
    "progress": set(),
    "label_review": set(),
    "locks": set(),
    "moves": SHARED,
    "run": set(),
    "keras_backend": set(),
    "reports": set(),
    "dataset": SHARED,
    "models": SHARED,
    "evaluation": SHARED | {"dataset"},
    "export": SHARED | {"keras_backend", "dataset", "models"},
    "export_usage": {"export"},
    "keras_file": {"export", "keras_backend"},
    "training": SHARED | {"keras_backend", "dataset", "models", "evaluation", "export"},
    "video": SHARED,
    "batch": SHARED,
    "web": SHARED | {"dataset", "video", "models"},  # the drawn faces; what a face shows
    "site": SHARED | {"web"},
}


def test_no_circles() -> None:
    assert circles(ROOMS) == []
    assert circles({name: imported for name, imported in MODULES.items() if name}) == []


@pytest.mark.parametrize("room", sorted(PREDICT_SIDE))
def test_the_predict_side_knows_itself_alone(room: str) -> None:
    assert ROOMS[room] <= PREDICT_SIDE
    assert {(room, name) for name in outside(room) & HEAVY} <= CONVERTERS


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_each_room_imports_what_it_may(room: str) -> None:
    assert ROOMS[room] - PREDICT_SIDE <= ALLOWED[room]


def test_no_room_is_forgotten() -> None:
    entries = {"", "__main__", "cli", "demo"}  # the entry points, which call the rooms
    assert set(ROOMS) == PREDICT_SIDE | set(ALLOWED) | entries
    assert all(entry not in ROOMS[room] for room in set(ROOMS) - entries for entry in entries)


def test_a_wrong_import_is_found(tmp_path: Path) -> None:
    """The checks above can fail: an import of training inside a function of the predict side."""
    for name, code in {
        "photo.py": "def look():\n    from happysad.training import trainer\n",
        "training/__init__.py": "",
        "training/trainer.py": "from happysad.photo import look\nimport keras\n",
        "typed.py": "import typing\nif typing.TYPE_CHECKING:\n    import happysad.photo\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(code)
    modules = module_graph(tmp_path)
    assert modules["photo"] == {"training.trainer"}
    assert modules["typed"] == set()
    assert circles(modules) == [["photo", "training.trainer"]]
    assert circles(room_graph(modules)) == [["photo", "training"]]
    assert outside("training.trainer", tmp_path) == {"keras"}


def test_a_module_name_occurs_once() -> None:
    stems = Counter(name.rpartition(".")[2] for name in MODULES if name)
    del stems["__main__"]
    assert [name for name, count in stems.items() if count > 1] == []


def test_tests_patch_no_private_name_of_another_module() -> None:
    """`monkeypatch.setattr(module, "_name", …)` only in the tests of that module."""
    found = []
    for file in sorted(Path(__file__).parent.rglob("test_*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        ours = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("happysad")
            for alias in node.names
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith("setattr"):
                continue
            names = [one.value for one in node.args[:2] if isinstance(one, ast.Constant)]
            name = str(names[-1]) if names else ""
            owner = name.rpartition(".")[0] or ast.unparse(node.args[0])
            ours_too = owner in ours or owner.startswith("happysad.")
            private = name.rpartition(".")[2].startswith("_")
            if private and ours_too and owner.rpartition(".")[2] not in file.stem:
                found.append(f"{file.name}: {owner} {name}")
    assert found == []


def test_the_source_is_where_it_is_looked_for() -> None:
    assert (SOURCE / "errors.py").is_file()
    assert len(MODULES) > 80
