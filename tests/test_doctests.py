"""The examples in public docstrings and in docs/python.md run as they are written."""

from __future__ import annotations

import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.classifiers import brightness_classifier
from tests.imports import SOURCE
from tests.pictures import portrait
from tests.static_server import served

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.IGNORE_EXCEPTION_DETAIL

MODULES = [
    ".".join(("happysad", *file.relative_to(SOURCE).with_suffix("").parts))
    for file in sorted(SOURCE.rglob("*.py"))
    if re.search(r">>> (?!.*\+SKIP)", file.read_text(encoding="utf-8"))
    and file.name != "__init__.py"
]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a server of the current folder, which is the one in docs/python.md."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "party.jpg").write_bytes(portrait())
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "good.jpg").write_bytes(portrait())
    (tmp_path / "photos" / "bad.jpg").write_text("no picture")
    brightness_classifier(tmp_path / "model.onnx")
    with served(tmp_path) as address:
        yield address


@pytest.mark.skipif(not PAGE.exists(), reason="an sdist holds no docs")
def test_the_page_of_the_python_interface(address: str) -> None:
    failed, tried = doctest.testfile(
        str(PAGE), module_relative=False, globs={"address": address}, optionflags=FLAGS
    )
    assert tried > 25
    assert failed == 0


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_docstrings(name: str) -> None:
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, optionflags=FLAGS, extraglobs={"np": np})
    assert tried
    assert failed == 0


def test_the_example_of_the_package() -> None:
    failed, tried = doctest.testmod(importlib.import_module("happysad"), optionflags=FLAGS)
    assert tried
    assert failed == 0
