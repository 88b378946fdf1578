"""How every command prints: lines on standard output, and one line for an error."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["fail", "say", "say_now", "warn"]


def say(line: str = "") -> None:
    """Print a line."""
    print(line)  # noqa: T201


def say_now(line: str) -> None:
    """Print a line at once, without waiting for the end of the command."""
    print(line, flush=True)  # noqa: T201


def warn(line: str) -> None:
    """Print a line on standard error."""
    print(line, file=sys.stderr)  # noqa: T201


def fail(message: str, status: int) -> NoReturn:
    """Print the one line of an error and exit with a status."""
    warn(f"happysad: {message}")
    sys.exit(status)
