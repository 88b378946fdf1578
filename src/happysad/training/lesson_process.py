"""The process in which a check or a training of Teach runs; it ends when the server ends.

    python -m happysad.training.lesson_process REQUEST

REQUEST is one JSON object: ``task``, a key of `TASKS`; ``lock``, the file that the process locks;
and the arguments of the task.

Standard input is a pipe that the server keeps open and never writes to. When the pipe closes, even
because the server was killed, this process ends at once, on Linux, macOS and Windows. (Linux's
PR_SET_PDEATHSIG would fire as soon as the server's thread that started the training ends.) While
native code blocks Python, such as during the import of TensorFlow, ending takes a second or two;
therefore the process holds a lock until it has ended.

The answer goes to standard output: one JSON object with ``error``, one line or null, and
``found``, the result of the task. All other output goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from happysad.errors import BusyError, HappysadError, os_reason
from happysad.locks import take

__all__ = ["TASKS", "main"]

Task = Callable[..., Any]


def _check(photos: str, classes: Sequence[str], work: str, out: str) -> dict[str, int]:
    """Check the photos, and return the number of findings of each kind."""
    from happysad.dataset.check import check
    from happysad.training.lesson_progress import CHECK, progress

    with progress(Path(work), Path(photos), classes, CHECK):
        counts = asdict(check(photos, out, classes=classes).counts)
    findings = counts.pop("findings")
    del counts["beside"]  # Teach writes its files itself
    return {**counts, **findings}


def _train(photos: str, classes: Sequence[str], work: str, run: str, fewest: int) -> None:
    """Train on the faces of the photos."""
    from happysad.training.lesson import learn

    first, second = classes
    learn(
        Path(photos),
        Path(work),
        Path(run),
        classes=(first, second),
        fewest=fewest,
    )


#: The tasks by name.
TASKS: Mapping[str, Task] = {"check": _check, "train": _train}


def main(tasks: Mapping[str, Task] = TASKS) -> None:
    """Run the task that the command line requests."""
    _end_with_server()
    request: dict[str, Any] = json.loads(sys.argv[1])
    task, file = tasks[request.pop("task")], Path(request.pop("lock"))
    answer: dict[str, Any] = {"error": None}
    with _answers() as answers:
        try:
            lock = take(file)
            if lock is None:
                raise BusyError("another training or check is running")
            with contextlib.closing(lock):
                answer["found"] = task(**request)
        except HappysadError as error:
            answer["error"] = str(error)
        except OSError as error:  # a full disk, a folder without permission to write
            answer["error"] = f"{error.filename or 'a file'}: {os_reason(error)}"
        except Exception as error:
            traceback.print_exc()
            answer["error"] = f"{type(error).__name__}: {error}"
        if answer["error"] is not None:
            line = " ".join(answer["error"].split())
            answer["error"] = line.replace(request["photos"] + os.sep, "")
        json.dump(answer, answers)


def _end_with_server() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server handles Ctrl+C
    # Read the pipe through another descriptor: on Windows, nothing else may use standard input
    # while a thread reads from it.
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        os.read(pipe, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _answers() -> IO[str]:
    """Return the original standard output; from now on prints go to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


if __name__ == "__main__":
    main()
