"""The runs of Teach, by number: their results, their notes, and the files that are served."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from happysad.errors import RunError
from happysad.model_file import MODEL_NAME
from happysad.run import Run, Summary

__all__ = ["FILES", "FIRST_NAME", "Result", "Runs", "read_notes"]

_PLOTS = ("samples", "loss", "accuracy", "confusion", "roc_pr", "calibration", "worst")

#: The name under which the classifier of a first result is served.
FIRST_NAME = "first.onnx"
#: The files of a run that are served, with their media types.
FILES = {
    "report.html": "text/html",
    MODEL_NAME: "application/octet-stream",
    FIRST_NAME: "application/octet-stream",
    **{f"plots/{name}.png": "image/png" for name in _PLOTS},
}

_NUMBER = re.compile(r"([1-9][0-9]{0,8})(-first)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a finished run, or the first result of a run."""

    id: int
    """The number of the run."""
    first: bool
    """Whether it is a first result, on all photos by cross-validation."""
    balanced_accuracy: float | None
    """On the test photos; None where a class has none."""
    interval: tuple[float, float] | None
    """Its 95 % interval; None where it is undefined."""
    n_test: int
    notes: tuple[str, ...] = ()
    """Sentences about its photos, and one that compares it with the built-in classifier."""


class Runs:
    """A folder with one folder a run, named by its number. A run counts once it is finished."""

    def __init__(self, folder: Path) -> None:
        """Look at the runs in `folder`, which need not exist yet."""
        self._folder = folder

    def run(self, number: int) -> Run:
        """Return the run of a number, which need not exist yet."""
        return Run(self._folder / str(number))

    def numbers(self) -> list[int]:
        """Return the numbers of all runs, finished or not."""
        if not self._folder.is_dir():
            return []
        found = (_NUMBER.fullmatch(one.name) for one in self._folder.iterdir())
        return sorted({int(name[1]) for name in found if name})

    def results(self) -> list[Result]:
        """Return first results and results of finished runs, in the order in which they came."""
        results = []
        for number in self.numbers():
            for first in (True, False):
                with contextlib.suppress(RunError):
                    results.append(self._result(number, first))
        return results

    def _result(self, number: int, first: bool) -> Result:
        run = self._whole(number, first=first)
        summary = run.summary()
        return Result(
            id=number,
            first=first,
            balanced_accuracy=summary.balanced_accuracy,
            interval=_interval(summary),
            n_test=summary.n,
            notes=read_notes(run.notes),
        )

    def _whole(self, number: int, *, first: bool) -> Run:
        """Return a finished run, or the first result of a run.

        Raises:
            RunError: it is not finished.
        """
        run = self.run(number)
        if first:
            run = run.first
        elif not run.is_finished:
            raise RunError(f"run {number} is not finished")
        return run

    def number_of(self, folder: Path) -> tuple[int, bool] | None:
        """Return the number of the run in a folder, and whether it is a first result."""
        for number in self.numbers():
            for first in (True, False):
                if folder == (self.run(number).first if first else self.run(number)).folder:
                    return number, first
        return None

    def file(self, number: int, name: str) -> Path | None:
        """Return a file of a finished run; None where it is missing or not one of `FILES`."""
        if name not in FILES:
            return None
        with contextlib.suppress(RunError):
            run = self._whole(number, first=name == FIRST_NAME)
            file = run.folder / (MODEL_NAME if name == FIRST_NAME else name)
            return file if file.is_file() else None
        return None


def _interval(summary: Summary) -> tuple[float, float] | None:
    """Return the 95 % interval of a run's figure.

    If every answer is right, the bootstrap finds one value only, and the exact interval of a share
    is returned. Source: Clopper & Pearson 1934.
    """
    if summary.balanced_accuracy == 1.0 and summary.n:
        return 0.025 ** (1 / summary.n), 1.0
    return summary.interval


def read_notes(file: Path) -> tuple[str, ...]:
    """Return the sentences of a file of notes; none where it cannot be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return tuple(map(str, json.loads(file.read_text(encoding="utf-8"))))
    return ()
