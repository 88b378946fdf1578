"""Every command is documented, by its own --help."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="an sdist holds no docs")


def test_commands_md_is_what_the_command_line_says() -> None:
    spec = importlib.util.spec_from_file_location("commands", DOCS / "commands.py")
    assert spec and spec.loader
    commands = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(commands)
    # If this fails: make docs
    assert commands.FILE.read_text(encoding="utf-8") == commands.text()
