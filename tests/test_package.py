"""The cost of importing happysad, its public names and its errors."""

from __future__ import annotations

import ast
import pickle
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import happysad
import happysad.errors

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


def test_predicting_files_needs_no_modules_of_the_network() -> None:
    assert not loaded_after("import happysad.classifier") & {"http", "ssl"}


def test_importing_changes_no_environment_and_prints_nothing() -> None:
    code = (
        "import os; before = dict(os.environ); import happysad; assert before == dict(os.environ)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def trees() -> dict[str, ast.Module]:
    """The parsed modules of happysad by their names."""
    files = Path(happysad.__file__).parent.rglob("*.py")
    names = {file: file.relative_to(ROOT / "src").with_suffix("").parts for file in files}
    return {
        ".".join(parts).removesuffix(".__init__"): ast.parse(file.read_text(encoding="utf-8"))
        for file, parts in names.items()
    }


def error_classes() -> dict[str, set[str]]:
    """The public errors that derive from HappysadError, by the module that defines them."""
    classes = [
        (module, node.name, {ast.unparse(base).rpartition(".")[2] for base in node.bases})
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    errors = {"HappysadError"}
    while more := {name for _, name, bases in classes if bases & errors} - errors:
        errors |= more
    found: dict[str, set[str]] = {}
    for module, name, _ in classes:
        if name in errors:
            found.setdefault(module, set()).add(name)
    return found


def test_every_error_is_defined_in_errors_and_public() -> None:
    [(module, errors)] = error_classes().items()
    assert module == "happysad.errors"
    assert errors == {name for name in happysad.errors.__all__ if name.endswith("Error")}
    assert errors | {"ErrorCode"} <= set(happysad.__all__)


def test_the_tree_of_errors_is_the_one_that_its_page_shows() -> None:
    shown: dict[str, str] = {}
    above: list[str] = []
    for indent, name in re.findall(
        r"(?m)^    ([│├└─ ]*)(\w+Error) ", happysad.errors.__doc__ or ""
    ):
        del above[len(indent) // 4 :]
        shown[name] = above[-1] if above else "Exception"
        above.append(name)
    defined = {name: getattr(happysad.errors, name) for name in happysad.errors.__all__}
    errors = {name: one for name, one in defined.items() if name.endswith("Error")}
    assert shown == {name: one.__bases__[0].__name__ for name, one in errors.items()}


def test_every_public_name_is_its_modules_own() -> None:
    assert len(set(happysad.__all__)) == len(happysad.__all__)
    for name in set(happysad.__all__) - {"__version__"}:
        public = getattr(happysad, name)
        assert public.__name__ == name
        assert name in sys.modules[public.__module__].__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = happysad.nothing


def test_type_checkers_see_the_public_names() -> None:
    """Type checkers read the imports under TYPE_CHECKING, which are never executed."""
    [block] = [node for node in trees()["happysad"].body if isinstance(node, ast.If)]
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = set(happysad.__all__) - {"__version__"}
    assert seen == {name: getattr(happysad, name).__module__ for name in names}


def test_the_version_stands_in_one_piece() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == happysad.__version__
    assert f"## {happysad.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_errors_pass_between_processes() -> None:
    for error in (
        happysad.MissingExtraError("this", "train"),
        happysad.ImageError("bad", happysad.ErrorCode.EMPTY),
        happysad.UsageError("wrong"),
    ):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))


def test_a_message_is_one_line_whatever_it_quotes() -> None:
    assert str(happysad.UsageError("a\n\x1b[2J.csv: caf\udce9")) == "a\\n\\x1b[2J.csv: caf\udce9"
