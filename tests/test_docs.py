"""Every command is documented, by its own --help."""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from pathlib import Path
from types import ModuleType

import pytest

from happysad.cli import COMMANDS

DOCS = Path(__file__).parent.parent / "docs"

pytestmark = pytest.mark.skipif(not DOCS.exists(), reason="an sdist holds no docs")


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_commands_md_is_what_the_command_line_says() -> None:
    commands = script("commands")
    # If this fails: make docs
    assert commands.FILE.read_text(encoding="utf-8") == commands.text()


def test_the_commands_of_the_tutorials_exist() -> None:
    tutorials, page = script("tutorials"), (DOCS / "tutorials.md").read_text(encoding="utf-8")
    helps = dict(re.findall(r"(?s)## happysad (\w+)\n(.*?)(?=\n## |\Z)", script("commands").text()))
    assert set(helps) == set(COMMANDS)
    given = [text for one in tutorials.STEPS for text in (one.default, one.classic) if text]
    for text in (*given, *(command for _, command, _ in tutorials.ELSEWHERE)):
        assert text in page  # if this fails: python docs/tutorials.py PHOTOS
        program, *words = shlex.split(text)
        if program == "happysad":
            for option in (word for word in words if word.startswith("--")):
                assert re.search(rf"{option}(?![\w-])", helps[words[0]]), text
