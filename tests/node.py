"""Run tests in JavaScript with node."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

__all__ = ["run_tests"]


def run_tests(folder: Path, modules: Path, tests: Iterable[Path]) -> None:
    """Copy modules and their tests into a folder, which may have other files; run the tests."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node (Debian: apt-get install nodejs)")
    shutil.copytree(modules, folder, dirs_exist_ok=True)
    for test in tests:
        shutil.copy(test, folder)
    (folder / "package.json").write_text('{"type": "module"}')
    ran = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# pass 0" not in ran.stdout
