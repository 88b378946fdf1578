"""Run the command line in a test: in the same process, which is fast, or in a separate one."""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from unittest import mock

from happysad import cli

__all__ = ["Done", "run_command", "run_process"]


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def lines(self) -> list[str]:
        """The lines of standard output."""
        return self.stdout.decode("utf-8").splitlines()


def run_command(
    *arguments: str | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Done:
    """Run ``happysad ARGUMENTS`` in this process, then restore the state of the process.

    Warnings are errors, as everywhere in the tests. Imported modules stay loaded, which saves time.
    Use `run_process` to test imports, servers, signals and the end of a process.

    Args:
        arguments: the arguments after ``happysad`` on the command line.
        stdin: the content of standard input.
        cwd: the command's working folder.
        env: variables that are added to the environment.

    Returns:
        The exit status and the output, including that of native libraries.
    """
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        mock.patch.dict(os.environ, env or {}),
        mock.patch.object(sys, "argv", ["happysad", *map(str, arguments)]),
        contextlib.chdir(cwd or Path.cwd()),
        _signals_kept(),
    ):
        given.write(stdin)
        given.seek(0)
        with _streams(given, out, err):
            status = _status_of_main()
        out.seek(0)
        err.seek(0)
        return Done(status, out.read(), err.read())


def run_process(
    *arguments: str | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Done:
    """Run ``happysad ARGUMENTS`` in a separate process; see `run_command` for the arguments."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "happysad", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def _status_of_main() -> int:
    """Run `main` and return its exit status; print uncaught errors as the interpreter does."""
    try:
        cli.main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201
    except Exception:
        traceback.print_exc()
    return 1


@contextlib.contextmanager
def _streams(given: BinaryIO, out: BinaryIO, err: BinaryIO) -> Iterator[None]:
    """Replace the standard streams by three files, for Python and for native code."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    encoding = codecs.lookup(encoding or "utf-8").name
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    kept = [os.dup(number) for number in range(3)]
    try:
        for number, file in enumerate((given, out, err)):
            os.dup2(file.fileno(), number)
        with (
            open(0, encoding=encoding, errors=errors or "strict", closefd=False) as stdin,
            open(1, "w", encoding=encoding, errors=errors or "strict", closefd=False) as stdout,
            open(2, "w", encoding=encoding, errors="backslashreplace", closefd=False) as stderr,
            mock.patch.object(sys, "stdin", stdin),
            mock.patch.object(sys, "stdout", stdout),
            mock.patch.object(sys, "stderr", stderr),
        ):
            yield
    finally:
        for number, before in enumerate(kept):
            os.dup2(before, number)
            os.close(before)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Restore the signal handlers that a command replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler and handler is not None:
                signal.signal(number, handler)
