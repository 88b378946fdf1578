"""What every command prints by: lines on standard output, and the one line of an error."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["fail", "say", "say_now"]


def say(line: str = "") -> None:
    """Print a line."""
    print(line)  # noqa: T201


def say_now(line: str) -> None:
    """Print a line that is read while the command goes on."""
    print(line, flush=True)  # noqa: T201


def fail(message: str, status: int) -> NoReturn:
    """Print the one line of an error and end with the exit status."""
    print(f"happysad: {message}", file=sys.stderr)  # noqa: T201
    sys.exit(status)
