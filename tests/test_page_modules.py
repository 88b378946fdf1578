"""The modules of the page that need no browser."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from tests.node import run_tests

TESTS = Path(__file__).with_name("page").glob("*.test.js")


def test_in_node(tmp_path: Path) -> None:
    run_tests(tmp_path, Path(str(files("happysad.web") / "static")), TESTS)
