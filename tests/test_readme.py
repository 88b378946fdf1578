"""The figures in README are those that the benchmarks wrote."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "readme.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="an sdist holds no benchmarks")


def test_readme_holds_the_results_as_they_are() -> None:
    spec = importlib.util.spec_from_file_location("readme", SCRIPT)
    assert spec and spec.loader
    readme = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(readme)
    text = readme.README.read_text(encoding="utf-8")
    assert text.count("<!-- results/") == text.count("<!-- end -->") > 0
    # Where this fails: python benchmarks/readme.py
    assert text == readme.with_results(text)
    stale = text.replace("| 1.000", "| 0.999")
    assert stale != text
    assert readme.with_results(stale) == text
