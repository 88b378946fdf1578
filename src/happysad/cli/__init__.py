"""The command line: it parses, calls and prints; a command imports what it needs when it runs.

Here stand the list of commands, and how an error becomes one line and an exit status.
"""

from __future__ import annotations

import codecs
import os
import sys
from typing import Annotated, NoReturn

import typer

from happysad import __version__
from happysad.cli.checking import check, import_
from happysad.cli.judging import evaluate, info
from happysad.cli.libraries import cluster, report
from happysad.cli.predicting import predict
from happysad.cli.saying import fail, say
from happysad.cli.serving import serve
from happysad.cli.training import demo, export, replicate, train
from happysad.cli.watching import video, webcam
from happysad.errors import HappysadError, os_reason

__all__ = ["app", "main"]

app = typer.Typer(
    name="happysad",
    help="Tell happy from sad in pictures of people: check, train, judge honestly, predict.",
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
        typer.Option("--version", callback=_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    pass


# In the order of happysad --help.
app.command()(demo)
app.command()(check)
app.command()(train)
app.command()(evaluate)
app.command()(predict)
app.command()(cluster)
app.command()(report)
app.command()(video)
app.command()(webcam)
app.command()(serve)
app.command()(info)
app.command()(replicate)
app.command()(export)
app.command("import")(import_)


def main() -> NoReturn:
    """Run the command line; every error that is raised on purpose ends as one line."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # File names that are no UTF-8 are printed as they are; cp1252 has no sign for others.
            utf8 = codecs.lookup(stream.encoding).name == "utf-8"
            stream.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")
    try:
        app(prog_name="happysad")
    except HappysadError as error:
        fail(str(error), error.exit_status)
    except BrokenPipeError:  # the reader of our output, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:  # a full disk, a folder that may not be written
        fail(f"{error.filename or 'a file'}: {os_reason(error)}", 1)
    sys.exit(0)
