"""How every command prints: lines on standard output, and one line for an error."""

from __future__ import annotations

import sys
from typing import NoReturn, TextIO

from happysad.errors import one_line

__all__ = ["alert", "escaped", "fail", "say", "say_now", "warn"]


def escaped(line: str, stream: TextIO) -> str:
    r"""Return a line as it is printed: a file's name or a label must not control the terminal.

    Control characters are escaped. A byte of a file's name that is not valid UTF-8 is escaped if
    the stream is a terminal; other programs get the byte, to find the file.
    """
    line = one_line(line)
    if not stream.isatty():
        return line
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def say(line: str = "") -> None:
    """Print a line; see `escaped`."""
    print(escaped(line, sys.stdout))  # noqa: T201


def alert(line: str) -> None:
    """Print a line that must not be overlooked: in red where the terminal has colours."""
    from rich.console import Console
    from rich.text import Text

    Console().print(Text(escaped(line, sys.stdout), style="red"), soft_wrap=True)


def say_now(line: str) -> None:
    """Print a line at once, without waiting for the end of the command."""
    print(escaped(line, sys.stdout), flush=True)  # noqa: T201


def warn(line: str) -> None:
    """Print a line on standard error."""
    print(escaped(line, sys.stderr), file=sys.stderr)  # noqa: T201


def fail(message: str, status: int) -> NoReturn:
    """Print the one line of an error and exit with a status."""
    warn(f"happysad: {message}")
    sys.exit(status)
