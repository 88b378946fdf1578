"""The list of commands, the extras that they need, and their shared options."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import subprocess
import sys
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from happysad.cli import COMMANDS, app, joined_names
from happysad.cli.options import EXTRAS, Classes, need
from happysad.errors import MissingExtraError, UsageError

PROJECT = Path(__file__).parent.parent / "pyproject.toml"

# The packages whose modules have other names, or that install another package which is needed.
MODULES = {
    "dask[distributed]": {"dask", "distributed"},
    "fsspec[http]": {"fsspec", "aiohttp"},
    "markdown-it-py": {"markdown_it"},
    "scikit-learn": {"sklearn"},
}


@pytest.mark.skipif(not PROJECT.exists(), reason="an sdist holds no pyproject.toml beside tests")
def test_every_extra_has_all_its_modules() -> None:
    extras = tomllib.loads(PROJECT.read_text())["project"]["optional-dependencies"]
    del extras["dev"]
    found = {
        extra: set().union(*(_modules(requirement) for requirement in requirements))
        for extra, requirements in extras.items()
    }
    assert {extra: set(modules) for extra, modules in EXTRAS.items()} == found


def _modules(requirement: str) -> set[str]:
    name = re.split("[<>=]", requirement)[0]
    return MODULES.get(name, {name.replace("-", "_")})


@pytest.mark.parametrize(
    ("given", "joined"),
    [
        ("predict --answers happy sad a.jpg", "predict --answers happy,sad a.jpg"),
        ("predict a.jpg --answers happy sad --json", "predict a.jpg --answers happy,sad --json"),
        ("train d --classes happy sad neither", "train d --classes happy,sad,neither"),
        ("train --classes happy sad neither d", "train --classes happy,sad,neither d"),
        ("train d --classes happy neither sad", "train d --classes happy,neither,sad"),
        ("train --classes neither sad happy d", "train --classes neither,sad,happy d"),
        ("predict --answers happy neither a.jpg", "predict --answers happy,neither a.jpg"),
        ("train --classes happy sad sad", "train --classes happy,sad sad"),
        # Names with commas stay as they are. A single name stays, too; the parser refuses it.
        ("predict --answers happy,sad a.jpg", "predict --answers happy,sad a.jpg"),
        ("predict a.jpg --answers happy", "predict a.jpg --answers happy"),
        ("predict --answers happy --json", "predict --answers happy --json"),
        ("predict a.jpg --answers", "predict a.jpg --answers"),
        ("check d --radius 6", "check d --radius 6"),
    ],
)
def test_names_are_separated_by_commas_or_spaces(given: str, joined: str) -> None:
    assert joined_names(given.split()) == joined.split()


@pytest.mark.parametrize("extra", EXTRAS)
def test_an_extra_that_is_installed_in_part_is_named(
    extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = EXTRAS[extra][-1]

    def find(name: str) -> ModuleSpec | None:
        return None if name == missing else ModuleSpec(name, None)

    monkeypatch.setattr(importlib.util, "find_spec", find)
    with pytest.raises(MissingExtraError, match=rf"happysad x .*happysad\[{extra}\]"):
        need(extra, "happysad x")
    missing = ""
    need(extra, "happysad x")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_commands_say(name: str) -> None:
    module, function, line = COMMANDS[name]
    command = getattr(importlib.import_module(f"happysad.cli.{module}"), function)
    assert line == (inspect.getdoc(command) or "").splitlines()[0]
    shown = CliRunner().invoke(app, ["--help"]).output
    assert " ".join(line.split()) in " ".join(shown.split())


def test_the_help_imports_no_command() -> None:
    code = (
        "import sys\n"
        "from happysad.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "own = sorted(name for name in sys.modules if name.startswith('happysad.'))\n"
        "print(own, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "['happysad.cli', 'happysad.cli.console', 'happysad.errors']\n"


def test_a_command_that_does_not_exist_is_named() -> None:
    done = CliRunner().invoke(app, ["prdict"])
    assert done.exit_code == 2
    assert "No such command 'prdict'" in done.output


@pytest.mark.parametrize(
    ("given", "classes"),
    [
        ([], None),
        (["--classes", "happy,sad"], ("happy", "sad")),
        (["--classes", "sad,a b,happy"], ("sad", "a b", "happy")),
    ],
)
def test_two_or_three_classes_are_chosen(given: list[str], classes: object) -> None:
    assert _chosen(given) == classes


@pytest.mark.parametrize("given", ["happy", "happy,", "a,b,c,d", "a,a", ""])
def test_other_classes_are_refused(given: str) -> None:
    with pytest.raises(UsageError, match=r"^--classes must be two or three different names .* not"):
        _chosen(["--classes", given])


def _chosen(arguments: list[str]) -> object:
    chosen: list[object] = []
    one = typer.Typer()

    @one.command()
    def command(classes: Classes = None) -> None:
        chosen.append(classes)

    CliRunner().invoke(one, arguments, catch_exceptions=False)
    return chosen[0]
