"""The runs of Teach, by number: their progress, their results, and the files that are served."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from happysad.model_file import MODEL_NAME
from happysad.run import Run as RunFolder
from happysad.run import Stage

__all__ = ["FILES", "NOTES", "Epoch", "Progress", "Run", "Runs", "read_notes"]

_PLOTS = ("samples", "loss", "accuracy", "confusion", "roc_pr", "calibration", "worst")

#: The files of a run that are served, with their media types.
FILES = {
    "report.html": "text/html",
    MODEL_NAME: "application/octet-stream",
    **{f"plots/{name}.png": "image/png" for name in _PLOTS},
}

#: What a training noted about its photos: sentences, as a JSON list.
NOTES = "notes.json"

_STATES: dict[Stage, Literal["checking", "training", "judging"]] = {
    Stage.ABSENT: "checking",
    Stage.PREPARING: "training",
    Stage.LEARNING: "training",
    Stage.EVALUATING: "judging",
    Stage.FINISHED: "judging",
}

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The result of one round through the photos."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The progress of a training."""

    state: Literal["checking", "training", "judging"]
    epochs: int = 0
    """The number of epochs; 0 while it is not known."""
    history: tuple[Epoch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    id: int
    balanced_accuracy: float | None
    """On the test photos; None where a class has none."""
    n_test: int
    notes: tuple[str, ...] = ()
    """Sentences about its photos."""


class Runs:
    """A folder with one folder a run, named by its number. A run counts once it is finished."""

    def __init__(self, folder: Path) -> None:
        """Look at the runs in `folder`, which need not exist yet."""
        self._folder = folder

    def path(self, number: int) -> Path:
        """Return a run's folder."""
        return self._folder / str(number)

    def numbers(self) -> list[int]:
        """Return the numbers of all runs, finished or not."""
        if not self._folder.is_dir():
            return []
        names = (one.name for one in self._folder.iterdir())
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def is_finished(self, number: int) -> bool:
        """Return whether the training has written its last file."""
        return RunFolder(self.path(number)).is_finished

    def finished(self) -> list[Run]:
        """Return the finished runs, the first one first."""
        runs = []
        for number in filter(self.is_finished, self.numbers()):
            with contextlib.suppress(OSError, ValueError, KeyError):
                text = RunFolder(self.path(number)).metrics.read_text(encoding="utf-8")
                test = json.loads(text)["test"]
                accuracy, count = test["balanced_accuracy"], test["n"]
                notes = read_notes(self.path(number))
                run = Run(id=number, balanced_accuracy=accuracy, n_test=count, notes=notes)
                runs.append(run)
        return runs

    def file(self, number: int, name: str) -> Path | None:
        """Return a file of a finished run; None where it is missing or not one of `FILES`."""
        file = self.path(number) / name
        return file if name in FILES and self.is_finished(number) and file.is_file() else None

    def progress(self, number: int) -> Progress:
        """Return the progress of a run."""
        run = RunFolder(self.path(number))
        state = _STATES[run.stage]
        if not run.folder.is_dir():
            return Progress(state=state)
        history = tuple(
            Epoch(**{one.name: getattr(row, one.name) for one in fields(Epoch)})
            for row in run.epochs_done()
        )
        return Progress(state=state, epochs=run.epochs, history=history)

    def clear(self, number: int) -> None:
        """Remove what an unfinished training has left."""
        RunFolder(self.path(number)).discard()


def read_notes(folder: Path) -> tuple[str, ...]:
    """Return the sentences of the `NOTES` in a folder, where it has that file."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        return tuple(map(str, notes))
    return ()
