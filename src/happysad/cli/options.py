"""The options that several commands share, and the checks before a command begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from happysad.errors import UsageError
from happysad.extras import EXTRAS, need
from happysad.names import nfc

__all__ = [
    "EXTRAS",
    "AllowMissing",
    "Answers",
    "CheckFolder",
    "ClassNames",
    "Classes",
    "DataFolder",
    "Groups",
    "Model",
    "Threads",
    "Unsure",
    "UseSplits",
    "Votes",
    "class_names",
    "data_folder",
    "local_folder",
    "need",
]


class ClassNames(tuple[str, ...]):
    """The names of two or three classes."""


def class_names(option: str) -> Callable[[str], ClassNames]:
    """Return the parser of an option that names classes, separated by commas.

    The parser raises a UsageError if they are not two or three different names.
    """

    def parse(given: str) -> ClassNames:
        names = ClassNames(map(nfc, given.split(",")))
        if not 2 <= len(names) <= 3 or not all(names) or len(set(names)) < len(names):
            raise UsageError(
                f"{option} must be two or three different names separated by commas, such as "
                f"happy,sad, not {given[:80]!r}"
            )
        return names

    return parse


DataFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="A folder with one folder of photos for each class.")
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="An .onnx that happysad wrote, or a run's folder [default: the classifier that comes "
        "with happysad].",
    ),
]
Classes = Annotated[
    ClassNames | None,
    typer.Option(
        "--classes",
        metavar="NAMES",
        parser=class_names("--classes"),
        help="The two or three class folders to use, such as happy,sad or happy sad "
        "[default: all].",
    ),
]
CheckFolder = Annotated[
    Path | None,
    typer.Option(
        "--check-folder",
        help="The folder for manifest.csv and the report of the check [default: ./NAME-check].",
    ),
]
Groups = Annotated[
    Path | None,
    typer.Option(
        "--groups",
        help="A CSV with columns path,group: photos of one group (one person) stay together.",
    ),
]
AllowMissing = Annotated[
    bool,
    typer.Option("--allow-missing", help="Let --groups name files that do not exist."),
]
UseSplits = Annotated[
    bool,
    typer.Option(
        "--use-splits",
        help="Use the folders train, val and test of DIR, which hold the class folders, as they "
        "are. Photos that also stand in test, or nearly so, leave training.",
    ),
]
Votes = Annotated[
    Path | None,
    typer.Option(
        "--votes",
        metavar="FILE",
        help="A CSV with path and one column for each class: how many people gave this answer.",
    ),
]
Answers = Annotated[
    ClassNames | None,
    typer.Option(
        "--answers",
        metavar="NAMES",
        parser=class_names("--answers"),
        help="The only classes that may be the answer, such as happy,sad or happy sad [default: "
        "all of the classifier].",
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        "--threads",
        min=0,
        help="Number of photos that are decoded at once, and the threads of a network; more need "
        "more memory. 0: one per core that the process may use.",
    ),
]
Unsure = Annotated[
    bool, typer.Option("--unsure/--no-unsure", help="Allow the label unsure, or not.")
]


def local_folder(what: str) -> Callable[[str], Path]:
    """Return the parser of an argument that is a folder on this machine.

    A Path loses the // of an address: s3://bucket would become a folder called s3: .
    """

    def parse(given: str) -> Path:
        if "://" in given:
            raise UsageError(f"{what} must be a folder on this machine, not {given[:80]}")
        return Path(given)

    return parse


def data_folder(data: Path) -> Path:
    """Return the DIR of a command if it is a folder.

    Raises:
        UsageError: it is a file or does not exist.
    """
    if not data.is_dir():
        came = "is a file" if data.exists() else "does not exist"
        raise UsageError(
            f"DIR must be a folder with one folder of photos for each class; {data} {came}"
        )
    return data
