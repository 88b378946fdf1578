"""How far a training or a check of Teach is, and about how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from happysad.progress import observed
from happysad.run import STEP, Step

__all__ = ["CHECK", "TRAINING", "LessonProgress", "Parts", "progress"]

Parts = tuple[tuple[str, float, float], ...]

#: The parts of a training in their order: how the name of the work begins, and its typical seconds,
#: for any number of photos and for each. docs/decisions.md, "The time left of a training in Teach".
TRAINING: Parts = (
    ("reading", 1.0, 0.02),
    ("cutting faces out", 0.0, 0.05),
    ("learning a first result", 2.0, 0.01),
    ("building the network", 8.0, 0.0),
    ("training", 10.0, 0.1),
    ("calibrating", 3.0, 0.0),
    ("exporting", 6.0, 0.0),
    ("judging", 3.0, 0.01),
    ("drawing plots", 6.0, 0.0),
)
#: The same of a check. It starts with imports, which are done when the first photo is read.
CHECK: Parts = (("starting", 3.0, 0.0), ("reading", 0.0, 0.012), ("thumbnails", 0.3, 0.003))
# The minimum number of seconds between two writings of the same work's progress.
_EVERY = 0.25


def progress(
    work: Path, photos: Path, classes: Sequence[str], parts: Parts
) -> AbstractContextManager[None]:
    """Write the progress of a block, which is reported to `happysad.progress`, to `STEP`.

    Args:
        work: the folder of the file.
        photos: the folder with one folder of photos for each class.
        classes: the folders of the classes.
        parts: `TRAINING` or `CHECK`.
    """
    count = sum(len(list((photos / label).iterdir())) for label in classes)
    return observed(LessonProgress(work / STEP, count, parts))


class LessonProgress:
    """Writes into a file what is being done; an observer for `happysad.progress.observed`."""

    def __init__(self, file: Path, photos: int, parts: Parts) -> None:
        """Begin to measure the time.

        Args:
            file: the file that is written.
            photos: the number of photos.
            parts: `TRAINING` or `CHECK`.
        """
        self._file, self._parts = file, parts
        seconds = [fixed + each * photos for _, fixed, each in parts]
        self._ends = [sum(seconds[: place + 1]) / sum(seconds) for place in range(len(seconds))]
        self._share = 0.0
        self._began = self._written = time.monotonic()
        self._what = ""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Write the progress, unless that of the same work has just been written."""
        now = time.monotonic()
        if what == self._what and now - self._written < _EVERY:
            return
        self._what, self._written = what, now
        # Some work is done more than once; the share never falls.
        self._share = max(self._share, self._reached(what, done / total if total else 0.0))
        elapsed = now - self._began
        left = elapsed / self._share - elapsed if self._share else None
        Step(what=what, done=done, total=total, share=self._share, seconds_left=left).write(
            self._file
        )

    def _reached(self, what: str, done: float) -> float:
        """Return the share of the whole that is done; 0 for work that is no part of its own."""
        for place, (name, _, _) in enumerate(self._parts):
            if what.startswith(name):
                before = self._ends[place - 1] if place else 0.0
                return before + done * (self._ends[place] - before)
        return 0.0
