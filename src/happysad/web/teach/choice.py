"""The run whose classifier answers, kept in Teach's folder for later servers."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import replace
from pathlib import Path

from happysad.errors import HappysadError, RunError
from happysad.files import write_text
from happysad.model_file import MODEL_NAME
from happysad.web.api.in_use import InUse, load
from happysad.web.teach.jobs import Jobs
from happysad.web.teach.runs import FIRST_NAME, Runs

__all__ = ["FILE", "forget", "load_run", "recall", "remember"]

#: ``{"run": 3, "first": false}``. Without this file, the classifier answers that the server was
#: started with.
FILE = "in-use.json"

_LOG = logging.getLogger("happysad.web")


def load_run(runs: Runs, run: int, *, first: bool) -> InUse:
    """Load the classifier of a run, or of its first result.

    Raises:
        RunError: there is no such classifier.
        ClassifierError: happysad did not write its file.
    """
    name = f"run {run}, first result" if first else f"run {run}"
    file = runs.file(run, FIRST_NAME if first else MODEL_NAME)
    if file is None:
        raise RunError(f"there is no finished {name}")
    return replace(load(file), name=name)


def remember(folder: Path, run: int, *, first: bool) -> None:
    """Write down that the classifier of a run, or of its first result, answers.

    Raises:
        OSError: `folder` cannot be written to.
    """
    write_text(folder / FILE, json.dumps({"run": run, "first": first}) + "\n")


def forget(folder: Path) -> None:
    """Write down that no run's classifier answers.

    Raises:
        OSError: `folder` cannot be written to.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (folder / FILE).unlink()


def recall(jobs: Jobs) -> InUse | None:
    """Load the run's classifier that was in use last; return None where that is not possible."""
    try:
        chosen = json.loads((jobs.folder / FILE).read_text(encoding="utf-8"))
        return load_run(jobs.runs, int(chosen["run"]), first=bool(chosen.get("first")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, HappysadError) as error:
        _LOG.warning("%s: the run in use cannot be used: %s", jobs.folder / FILE, error)
        return None
