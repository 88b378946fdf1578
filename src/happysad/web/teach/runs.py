"""The runs of Teach, by number: their results, their notes, and the files that are served."""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from happysad.errors import RunError
from happysad.model_file import MODEL_NAME
from happysad.run import Run

__all__ = ["FILES", "Result", "Runs", "read_notes"]

_PLOTS = ("samples", "loss", "accuracy", "confusion", "roc_pr", "calibration", "worst")

#: The files of a run that are served, with their media types.
FILES = {
    "report.html": "text/html",
    MODEL_NAME: "application/octet-stream",
    **{f"plots/{name}.png": "image/png" for name in _PLOTS},
}

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result of a finished run."""

    id: int
    """The number of the run."""
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
        names = (one.name for one in self._folder.iterdir())
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def results(self) -> list[Result]:
        """Return the results of the finished runs, the first one first."""
        results = []
        for number in self.numbers():
            run = self.run(number)
            if not run.is_finished:
                continue
            with contextlib.suppress(RunError):
                summary = run.summary()
                results.append(
                    Result(
                        id=number,
                        balanced_accuracy=summary.balanced_accuracy,
                        interval=summary.interval,
                        n_test=summary.n,
                        notes=read_notes(run.notes),
                    )
                )
        return results

    def file(self, number: int, name: str) -> Path | None:
        """Return a file of a finished run; None where it is missing or not one of `FILES`."""
        run = self.run(number)
        file = run.folder / name
        return file if name in FILES and run.is_finished and file.is_file() else None


def read_notes(file: Path) -> tuple[str, ...]:
    """Return the sentences of a file of notes; none where it cannot be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return tuple(map(str, json.loads(file.read_text(encoding="utf-8"))))
    return ()
