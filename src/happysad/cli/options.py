"""The options that several commands share, and what is checked before a command begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from happysad.errors import MissingExtraError, UsageError

__all__ = [
    "CheckFolder",
    "Classes",
    "DataFolder",
    "Groups",
    "Model",
    "Unsure",
    "check_folder_of",
    "data_folder",
    "here",
    "need",
]

DataFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder with one folder of photos a class.")
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="An .onnx that happysad wrote, or a run's folder [default: what comes with happysad].",
    ),
]
Classes = Annotated[
    tuple[str, str] | None,
    typer.Option("--classes", help="The two class folders, where DIR has more than two."),
]
CheckFolder = Annotated[
    Path | None,
    typer.Option(
        "--check-folder",
        help="Where manifest.csv and the report of the check go [default: ./NAME-check].",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        help="A CSV with columns path,group: photos of one group (one person) stay together.",
    ),
]
Unsure = Annotated[
    bool, typer.Option("--unsure/--no-unsure", help="Whether it may say that it is unsure.")
]


def need(extra: str, what: str, *modules: str) -> None:
    """Refuse the command ``what`` where a module of its extra is not installed.

    Raises:
        MissingExtraError: one of ``modules`` is not there.
    """
    from importlib.util import find_spec

    if any(find_spec(module) is None for module in modules):
        raise MissingExtraError(what, extra)


def here(what: str) -> Callable[[str], Path]:
    """Give the parser of an argument that is a folder on this machine.

    A Path has lost the // by which an address is known: s3://bucket would be a folder called s3: .
    """

    def parse(given: str) -> Path:
        if "://" in given:
            raise UsageError(f"{what} is a folder on this machine, not {given}")
        return Path(given)

    return parse


def data_folder(data: Path) -> Path:
    """Give the DIR of a command back where it is a folder.

    Raises:
        UsageError: it is a file, or nothing.
    """
    if not data.is_dir():
        came = "a file" if data.exists() else "nothing there"
        raise UsageError(f"DIR must be a folder with one folder of photos a class: {data}: {came}")
    return data


def check_folder_of(data: Path, chosen: Path | None) -> Path:
    """Give the folder of a check: the one that --check-folder names, or NAME-check here."""
    return chosen or Path(f"{data.resolve().name}-check")
