"""The command line: it parses arguments, calls the library and prints.

A command's module is imported when the command runs, and a command imports what it needs. This
module has the list of the commands, and converts an error to one line and an exit status.
"""

from __future__ import annotations

import atexit
import codecs
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from happysad import __version__
from happysad.cli.console import fail, say
from happysad.errors import HappysadError, os_reason

__all__ = ["COMMANDS", "app", "joined_names", "main", "program"]

# The classes of the classifier that ships.
_CLASSES = ("happy", "neither", "sad")

#: Every command with its module, its function and the line that happysad --help prints: the first
#: line of the function's docstring.
COMMANDS = {
    "demo": (
        "training_commands",
        "demo",
        "Show every step on 600 drawn faces. Needs no data.",
    ),
    "check": (
        "check_command",
        "check",
        "Find what is wrong with the photos of DIR, and split them.",
    ),
    "review": (
        "review_command",
        "review",
        "Decide on labels that happysad check --labels doubts, or label new photos, by key.",
    ),
    "train": (
        "training_commands",
        "train",
        "Train a classifier on DIR, evaluate it and save it as a run.",
    ),
    "evaluate": (
        "evaluation_commands",
        "evaluate",
        "Measure how good a classifier is, with n and intervals.",
    ),
    "predict": (
        "predict_command",
        "predict",
        "Predict whether the people in photos look happy or sad.",
    ),
    "cluster": (
        "library_commands",
        "cluster",
        "Run a small Dask cluster on this machine, to try happysad predict --cluster.",
    ),
    "report": (
        "library_commands",
        "report",
        "Write a page on the results of many photos; sort the photos into folders; tag them.",
    ),
    "video": ("video_commands", "video", "Follow the faces of a film, and tell happy from sad."),
    "webcam": ("video_commands", "webcam", "Watch the webcam, and tell happy from sad."),
    "serve": ("serve_command", "serve", "Serve the page and the REST interface on this machine."),
    "publish": (
        "publish_command",
        "publish",
        "Write a site that tells happy from sad in the visitor's browser.",
    ),
    "info": ("evaluation_commands", "info", "Describe a classifier on one screen."),
    "replicate": ("training_commands", "replicate", "Show on DIR why tutorials report 1.00."),
    "export": (
        "export_command",
        "export",
        "Write a run as .onnx, .keras, .h5 or .tflite; make a classifier of a Keras file.",
    ),
    "import": (
        "import_command",
        "import_",
        "Copy another dataset into class folders, such as DIR/happy and DIR/sad.",
    ),
}


class _Command(TyperCommand):
    """A command whose help lists the options below the headings of their `rich_help_panel`."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the options without a heading, and those of each heading."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for one in self.get_params(ctx):
            if record := one.get_help_record(ctx):
                kind = f"{one.param_type_name.title()}s"
                heading = getattr(one, "rich_help_panel", None) or kind
                sections.setdefault(heading, []).append(record)
        for heading, rows in sections.items():
            with formatter.section(heading):
                formatter.write_dl(rows)


class _Commands(TyperGroup):
    """The commands; each is imported when it is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of happysad --help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        one = typer.Typer(
            add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
        )
        one.command(cmd_name, cls=_Command)(
            getattr(import_module(f"{__name__}.{module}"), function)
        )
        return typer.main.get_command(one)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, _, line) in COMMANDS.items()])


app = typer.Typer(
    name="happysad",
    cls=_Commands,
    help="Tell happy from sad in pictures of people: check, train, evaluate, predict.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        say(f"happysad {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def joined_names(arguments: Sequence[str]) -> list[str]:
    """Return arguments in which names after --classes or --answers are separated by commas.

    Two names always belong to such an option. So does happy, neither or sad as a third one, if one
    of the three is neither.

    >>> joined_names(["predict", "--answers", "happy", "sad", "photo.jpg"])
    ['predict', '--answers', 'happy,sad', 'photo.jpg']
    """
    left, joined = list(arguments), list[str]()
    while left:
        joined.append(left.pop(0))
        if joined[-1] not in ("--classes", "--answers") or not left:
            continue
        names = [left.pop(0)]
        if left and not any("," in name or name.startswith("-") for name in (*names, left[0])):
            names.append(left.pop(0))
            if left and left[0] in _CLASSES and "neither" in (*names, left[0]):
                names.append(left.pop(0))
        joined.append(",".join(names))
    return joined


def main() -> NoReturn:
    """Run the command line; an error of happysad is printed as one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # Names of files that are not valid UTF-8 are printed as they are. Other encodings, such
            # as cp1252, lack some characters, which are escaped.
            utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    try:
        app(joined_names(sys.argv[1:]), prog_name="happysad")
    except HappysadError as error:
        fail(str(error), error.exit_status)
    except BrokenPipeError:  # the reader of the output, such as head, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, or a folder without permission
        fail(f"{error.filename or 'a file'}: {os_reason(error)}", 1)
    sys.exit(0)


def program() -> NoReturn:
    """Run the command line as a whole process, which ends without freeing its objects one by one.

    docs/decisions.md, "The time of a whole process".
    """
    status: object = None

    def end() -> None:
        if isinstance(status, int):
            with suppress(OSError, ValueError):  # Python reports a stream that cannot be written
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)

    atexit.register(end)  # handlers run in reverse order: those of commands run before this one
    try:
        main()
    except SystemExit as exit_:
        status = exit_.code
        raise
