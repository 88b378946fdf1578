"""The runs of Teach, by number: how far one is, how good it is, and what of it may be looked at."""

from __future__ import annotations

import contextlib
import csv
import json
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["FILES", "NOTES", "Epoch", "Progress", "Run", "Runs", "read_notes"]

_PLOTS = ("samples", "loss", "accuracy", "confusion", "roc_pr", "calibration", "worst")

#: What of a run may be looked at, with its media type.
FILES = {
    "report.html": "text/html",
    "model.onnx": "application/octet-stream",
    **{f"plots/{name}.png": "image/png" for name in _PLOTS},
}

#: What a training had to say of its photos: sentences, as a JSON list.
NOTES = "notes.json"

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What came out of one round through the photos."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a training is."""

    state: Literal["checking", "training", "judging"]
    epochs: int = 0
    """How many there will be; 0 while that is not known, and where it learns without any."""
    history: tuple[Epoch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A finished run."""

    id: int
    balanced_accuracy: float | None
    """On the test photos; None where there is none of a class."""
    n_test: int
    notes: tuple[str, ...] = ()
    """What there was to say of its photos, in sentences."""


class Runs:
    """A folder with a folder a run, named by its number. One counts once it is finished."""

    def __init__(self, folder: Path) -> None:
        """Look at the runs in `folder`, which may not be there yet."""
        self._folder = folder

    def path(self, number: int) -> Path:
        """Name a run's folder."""
        return self._folder / str(number)

    def numbers(self) -> list[int]:
        """Give the runs that there are, finished or not."""
        if not self._folder.is_dir():
            return []
        names = (one.name for one in self._folder.iterdir())
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def is_finished(self, number: int) -> bool:
        """Tell whether its training has written its last file."""
        return _is_finished(self.path(number))

    def finished(self) -> list[Run]:
        """Give the finished runs, the first one first."""
        runs = []
        for number in filter(self.is_finished, self.numbers()):
            with contextlib.suppress(OSError, ValueError, KeyError):
                text = (self.path(number) / "metrics.json").read_text(encoding="utf-8")
                test = json.loads(text)["test"]
                accuracy, count = test["balanced_accuracy"], test["n"]
                notes = read_notes(self.path(number))
                run = Run(id=number, balanced_accuracy=accuracy, n_test=count, notes=notes)
                runs.append(run)
        return runs

    def file(self, number: int, name: str) -> Path | None:
        """Give a file of a finished run; None where there is none, or it is none of `FILES`."""
        file = self.path(number) / name
        return file if name in FILES and self.is_finished(number) and file.is_file() else None

    def progress(self, number: int) -> Progress:
        """Say how far a run is by the files in its folder."""
        run = self.path(number)
        if not run.is_dir():
            return Progress(state="checking")
        epochs, history = _epochs(run / "config.toml"), _history(run / "history.csv")
        # The first is written where there are no epochs, see training.fused.
        learned = (run / "fused.json").exists() or (run / "model.keras").exists()
        judging = learned or 0 < epochs <= len(history)
        return Progress(state="judging" if judging else "training", epochs=epochs, history=history)

    def clear(self, number: int) -> None:
        """Remove what a training has left that did not come to its end."""
        for folder in (self.path(number), *self._folder.glob(f".{number}-*")):
            if not _is_finished(folder):
                shutil.rmtree(folder, ignore_errors=True)


def read_notes(folder: Path) -> tuple[str, ...]:
    """Give the sentences of the `NOTES` in a folder; none where there is no such file."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        notes = json.loads((folder / NOTES).read_text(encoding="utf-8"))
        return tuple(map(str, notes))
    return ()


def _is_finished(run: Path) -> bool:
    return (run / "checkpoints" / "finished.json").is_file()


def _epochs(file: Path) -> int:
    """Give how many epochs a run's config.toml says; 0 where it finds faces: there are none."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        config = tomllib.loads(file.read_text(encoding="utf-8"))
        return 0 if config["faces"] == "find" else int(config["epochs"])
    return 0


def _history(file: Path) -> tuple[Epoch, ...]:
    with contextlib.suppress(OSError, ValueError, KeyError):
        with file.open(encoding="utf-8", newline="") as table:
            rows = list(csv.DictReader(table))
        names = ("loss", "accuracy", "val_loss", "val_accuracy")
        return tuple(
            Epoch(epoch=int(row["epoch"]), **{name: float(row[name]) for name in names})
            for row in rows
        )
    return ()
