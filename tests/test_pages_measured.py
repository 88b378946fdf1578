"""The figures in README and docs are those that the benchmarks have written."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "pages.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="an sdist holds no benchmarks")


@pytest.mark.parametrize("table", ["cases.md", "attack_cases.md"])
def test_the_test_of_each_case_exists(table: str) -> None:
    cases = (SCRIPT.parent / "results" / table).read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", cases)
    assert len(named) == cases.count("\n") - 2
    for file, name in named:
        assert f"def {name}(" in Path(__file__).with_name(file).read_text(encoding="utf-8")


def test_pages_hold_the_results_as_they_are() -> None:
    spec = importlib.util.spec_from_file_location("measured_pages", SCRIPT)
    assert spec and spec.loader
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    shown: list[str] = []
    for page in pages.PAGES:
        text = page.read_text(encoding="utf-8")
        shown += re.findall(r"<!-- results/(\w+)\.md -->", text)
        # If this fails: python benchmarks/pages.py
        assert text == pages.with_results(text)
        stale = re.sub(r"(?m)^\|---", "|===", text, count=1)
        assert stale != text
        assert pages.with_results(stale) == text
    results = SCRIPT.parent / "results"
    assert sorted(shown) == sorted(file.stem for file in results.glob("*.md"))  # each once
