"""The process that a check or a training of Teach runs in: it ends with the server.

Its standard input is a pipe that the server holds open and never writes to. Where that ends, also
by the server's being killed, so does this process, at once: on Linux, macOS and Windows. (Linux's
PR_SET_PDEATHSIG would fire as soon as the server's thread ends that began the training.) Where
native code keeps Python waiting, such as TensorFlow while it is loaded, that takes until it is
done, a second or two: so it holds a lock.

The answer goes to standard output: one JSON object with ``error``, one line or null, and what the
task gave as ``found``. All else that is said goes to standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from happysad.errors import HappysadError, os_reason
from happysad.web.locks import take
from happysad.web.photos import LABELS

__all__ = ["TASKS", "main"]

Task = Callable[..., Any]


def _check(photos: Path, out: Path) -> dict[str, int]:
    """Check the photos; gives what was found, by its name in `Checked.counts`."""
    from happysad.dataset.check import CheckSettings, check

    return check(photos, out, CheckSettings(classes=LABELS)).counts


def _train(photos: Path, work: Path, run: Path) -> None:
    """Train on the photos' faces."""
    from happysad.web.lesson import learn

    learn(photos, work, run)


#: What can be done. Each is given the photos' folder, and where it writes: a check its folder, a
#: training one for what it works with, and its run.
TASKS: Mapping[str, Task] = {"check": _check, "train": _train}


def main(tasks: Mapping[str, Task] = TASKS) -> None:
    """Do what the command line says: a task, the file of the lock, and the task's paths."""
    _end_with_server()
    name, lock, photos, *others = sys.argv[1:]
    said: dict[str, Any] = {"error": None}
    with _answer() as answer, contextlib.closing(take(Path(lock))):
        try:
            said["found"] = tasks[name](*map(Path, (photos, *others)))
        except HappysadError as error:
            said["error"] = str(error)
        except OSError as error:  # a full disk, a folder that may not be written
            said["error"] = f"{error.filename or 'a file'}: {os_reason(error)}"
        except Exception as error:
            traceback.print_exc()
            said["error"] = f"{type(error).__name__}: {error}"
        if said["error"] is not None:
            line = " ".join(said["error"].split())
            said["error"] = line.replace(photos + os.sep, "")
        json.dump(said, answer)


def _end_with_server() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl+C is the server's to answer
    # The pipe is read under another number, since on Windows nothing else may be done with
    # standard input while a thread reads from it.
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        os.read(pipe, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _answer() -> Any:
    """Give what standard output was; from now on that goes to standard error."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answer


if __name__ == "__main__":
    main()
