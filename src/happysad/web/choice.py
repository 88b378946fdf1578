"""Which run's classifier answers: kept in Teach's folder, so that a later server knows it."""

from __future__ import annotations

import contextlib
import json
import logging
from dataclasses import replace
from pathlib import Path

from happysad.errors import ClassifierError
from happysad.files import write_text
from happysad.web.jobs import Jobs
from happysad.web.serving import InUse, load

__all__ = ["FILE", "forget", "load_run", "recall", "remember"]

#: ``{"run": 3}``; where it is missing the classifier answers that the server is started with.
FILE = "in-use.json"

_LOG = logging.getLogger("happysad.web")


def load_run(file: Path, run: int) -> InUse:
    """Load a run's classifier from its .onnx.

    Raises:
        ClassifierError: as `serving.load`.
    """
    return replace(load(file), name=f"run {run}")


def remember(folder: Path, run: int) -> None:
    """Keep that a run's classifier answers.

    Raises:
        OSError: `folder` cannot be written in.
    """
    write_text(folder / FILE, json.dumps({"run": run}) + "\n")


def forget(folder: Path) -> None:
    """Keep that no run's classifier answers.

    Raises:
        OSError: `folder` cannot be written in.
    """
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        (folder / FILE).unlink()


def recall(jobs: Jobs) -> InUse | None:
    """Load the run's classifier that answered last; None where there is none, or none any more."""
    try:
        run = json.loads((jobs.folder / FILE).read_text(encoding="utf-8"))["run"]
        file = jobs.runs.file(int(run), "model.onnx")
        if file is None:
            raise ClassifierError(f"there is no run {run} any more")
        return load_run(file, int(run))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, ClassifierError) as error:
        _LOG.warning("%s: what was in use is not used: %s", jobs.folder / FILE, error)
        return None
