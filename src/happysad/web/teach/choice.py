"""The run whose classifier answers, kept in Teach's folder for later servers."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import replace
from pathlib import Path

from happysad.errors import ClassifierError
from happysad.files import write_text
from happysad.model_file import MODEL_NAME
from happysad.web.api.in_use import InUse, load
from happysad.web.teach.jobs import Jobs

__all__ = ["FILE", "forget", "load_run", "recall", "remember"]

#: ``{"run": 3}``. Without this file, the classifier answers that the server was started with.
FILE = "in-use.json"

_LOG = logging.getLogger("happysad.web")


def load_run(file: Path, run: int) -> InUse:
    """Load a run's classifier from its .onnx.

    Raises:
        ClassifierError: happysad did not write the file.
    """
    return replace(load(file), name=f"run {run}")


def remember(folder: Path, run: int) -> None:
    """Write down that a run's classifier answers.

    Raises:
        OSError: `folder` cannot be written to.
    """
    write_text(folder / FILE, json.dumps({"run": run}) + "\n")


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
        run = int(json.loads((jobs.folder / FILE).read_text(encoding="utf-8"))["run"])
        file = jobs.runs.file(run, MODEL_NAME)
        if file is None:
            raise ClassifierError(f"there is no run {run} any more")
        return load_run(file, run)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, ClassifierError) as error:
        _LOG.warning("%s: the run in use cannot be used: %s", jobs.folder / FILE, error)
        return None
